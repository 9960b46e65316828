// import_window.c - see import_window.h. For each id the table remembers the last command that
// named it; a new one waits for that one only, which waits for the one before it.
#include "cli/import_window.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// An id's last command: a place, and which use of it.
struct holder {
    struct uuid id;
    uint32_t place;
    uint64_t use; // 0: an empty entry
};

struct entry {
    uint64_t use; // 0: free
    uint32_t blockers;
    uint32_t waiter_count, waiter_cap;
    uint32_t *waiters;
};

struct import_window {
    uint32_t size, used;
    uint64_t uses;
    struct entry *entries;
    uint32_t *free_places, free_count;
    uint32_t *ready, ready_first, ready_count; // a ring
    struct holder *holders;
    uint32_t holder_cap, holder_count;
    bool has_barrier; // a command with too many ids: everything behind it waits for it
    uint32_t barrier;
};

struct import_window *import_window_create(uint32_t size)
{
    struct import_window *window = calloc(1, sizeof *window);
    assert(window != NULL && size > 0);
    window->size = size;
    window->entries = calloc(size, sizeof *window->entries);
    window->free_places = calloc(size, sizeof *window->free_places);
    window->ready = calloc(size, sizeof *window->ready);
    // Live ids fill at most a quarter; stale ones are swept before half is full.
    window->holder_cap = 1;
    while (window->holder_cap < size * IMPORT_IDS_MAX * 4)
        window->holder_cap *= 2;
    window->holders = calloc(window->holder_cap, sizeof *window->holders);
    assert(window->entries && window->free_places && window->ready && window->holders);
    for (uint32_t i = 0; i < size; i++)
        window->free_places[window->free_count++] = size - 1 - i;
    return window;
}

void import_window_destroy(struct import_window **window)
{
    if (*window == NULL)
        return;
    for (uint32_t i = 0; i < (*window)->size; i++)
        free((*window)->entries[i].waiters);
    free((*window)->entries);
    free((*window)->free_places);
    free((*window)->ready);
    free((*window)->holders);
    free(*window);
    *window = NULL;
}

bool import_window_is_full(const struct import_window *window)
{
    return window->used == window->size;
}

bool import_window_is_empty(const struct import_window *window)
{
    return window->used == 0;
}

// ---- who holds an id ----------------------------------------------------------------------------

static struct holder *find_holder(struct import_window *window, const struct uuid *id)
{
    uint64_t hash;
    memcpy(&hash, id->bytes + 8, sizeof hash); // the random half of a UUID
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    uint32_t mask = window->holder_cap - 1, at = (uint32_t)(hash >> 32) & mask;
    while (window->holders[at].use != 0 && !uuid_equal(&window->holders[at].id, id))
        at = (at + 1) & mask;
    return &window->holders[at];
}

static bool holder_is_live(const struct import_window *window, const struct holder *holder)
{
    return holder->use != 0 && window->entries[holder->place].use == holder->use;
}

// Drops the ids of commands that are done.
static void sweep(struct import_window *window)
{
    struct holder *old = window->holders;
    window->holders = calloc(window->holder_cap, sizeof *window->holders);
    assert(window->holders != NULL);
    window->holder_count = 0;
    for (uint32_t i = 0; i < window->holder_cap; i++) {
        if (!holder_is_live(window, &old[i]))
            continue;
        *find_holder(window, &old[i].id) = old[i];
        window->holder_count++;
    }
    free(old);
}

// ---- waiting and starting -----------------------------------------------------------------------

static void push_ready(struct import_window *window, uint32_t place)
{
    window->ready[(window->ready_first + window->ready_count++) % window->size] = place;
}

static void wait_for(struct import_window *window, uint32_t place, uint32_t earlier)
{
    struct entry *entry = &window->entries[earlier];
    if (entry->waiter_count > 0 && entry->waiters[entry->waiter_count - 1] == place)
        return; // for another id already
    if (entry->waiter_count == entry->waiter_cap) {
        entry->waiter_cap = entry->waiter_cap == 0 ? 4 : entry->waiter_cap * 2;
        entry->waiters = realloc(entry->waiters, entry->waiter_cap * sizeof *entry->waiters);
        assert(entry->waiters != NULL);
    }
    entry->waiters[entry->waiter_count++] = place;
    window->entries[place].blockers++;
}

static void take_id(struct import_window *window, uint32_t place, const struct uuid *id)
{
    struct holder *holder = find_holder(window, id);
    if (holder_is_live(window, holder) && holder->place != place)
        wait_for(window, place, holder->place);
    window->holder_count += holder->use == 0;
    *holder = (struct holder){*id, place, window->entries[place].use};
}

uint32_t import_window_add(struct import_window *window, const struct uuid *ids, size_t count)
{
    assert(!import_window_is_full(window));
    if (window->holder_count > window->holder_cap / 2)
        sweep(window);
    uint32_t place = window->free_places[--window->free_count];
    struct entry *entry = &window->entries[place];
    entry->use = ++window->uses;
    entry->blockers = entry->waiter_count = 0;
    window->used++;
    if (window->has_barrier)
        wait_for(window, place, window->barrier);
    if (count > IMPORT_IDS_MAX) {
        for (uint32_t i = 0; i < window->size; i++)
            if (i != place && window->entries[i].use != 0)
                wait_for(window, place, i);
        window->has_barrier = true;
        window->barrier = place;
    } else {
        for (size_t i = 0; i < count; i++)
            take_id(window, place, &ids[i]);
    }
    if (entry->blockers == 0)
        push_ready(window, place);
    return place;
}

bool import_window_next(uint32_t *place, struct import_window *window)
{
    if (window->ready_count == 0)
        return false;
    *place = window->ready[window->ready_first];
    window->ready_first = (window->ready_first + 1) % window->size;
    window->ready_count--;
    return true;
}

void import_window_done(struct import_window *window, uint32_t place)
{
    struct entry *entry = &window->entries[place];
    assert(entry->use != 0 && entry->blockers == 0);
    for (uint32_t i = 0; i < entry->waiter_count; i++)
        if (--window->entries[entry->waiters[i]].blockers == 0)
            push_ready(window, entry->waiters[i]);
    entry->use = 0;
    entry->waiter_count = 0;
    if (window->has_barrier && window->barrier == place)
        window->has_barrier = false;
    window->free_places[window->free_count++] = place;
    window->used--;
}
