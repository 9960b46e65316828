// keys.c - see keys.h. A table of open addressing that is never more than half full.
#include "inbox/keys.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "inbox/id_map.h"

enum { SLOTS = KEYS_MAX * 2 };

struct slot {
    struct uuid id; // nil: free
    struct seal_key key;
    int64_t known_s; // when it was asked
    bool erased;
};

struct keys {
    const char *service;
    keys_fetch *fetch;
    void *context;
    size_t count;
    struct slot *slots;
};

static int64_t monotonic_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

struct keys *keys_create(const char *service, keys_fetch *fetch, void *context)
{
    struct keys *keys = calloc(1, sizeof *keys);
    struct slot *slots = calloc(SLOTS, sizeof *slots);
    if (!keys || !slots)
        abort();
    *keys = (struct keys){service, fetch, context, 0, slots};
    return keys;
}

static void keys_forget_all(struct keys *keys)
{
    for (size_t i = 0; i < SLOTS && keys->count > 0; i++) {
        if (uuid_is_nil(&keys->slots[i].id))
            continue;
        seal_key_forget(&keys->slots[i].key);
        keys->slots[i] = (struct slot){0};
        keys->count--;
    }
}

void keys_destroy(struct keys **keys)
{
    if (!*keys)
        return;
    keys_forget_all(*keys);
    free((*keys)->slots);
    free(*keys);
    *keys = NULL;
}

// The slot of an id, or the free one where it belongs.
static struct slot *keys_slot(const struct keys *keys, const struct uuid *id)
{
    uint64_t hash;
    memcpy(&hash, id->bytes + 8, sizeof hash); // the random end of a UUIDv7
    size_t at = (size_t)((hash * 0x9E3779B97F4A7C15ull) >> 32) % SLOTS;
    while (!uuid_is_nil(&keys->slots[at].id) && !uuid_equal(&keys->slots[at].id, id))
        at = (at + 1) % SLOTS;
    return &keys->slots[at];
}

static bool keys_is_known(const struct keys *keys, const struct uuid *id, int64_t now_s)
{
    const struct slot *slot = keys_slot(keys, id);
    return !uuid_is_nil(&slot->id) && now_s - slot->known_s < KEYS_LIFE_S;
}

static enum nova_status keys_ask(struct keys *keys, const struct uuid *ids, size_t count,
                                 int64_t now_s, struct error *err)
{
    struct seal_key *asked = calloc(count, sizeof *asked);
    bool *found = calloc(count, sizeof *found);
    if (!asked || !found)
        abort();
    enum nova_status status =
        keys->fetch(keys->context, keys->service, ids, count, asked, found, err);
    for (size_t i = 0; i < count && status == NOVA_OK; i++) {
        struct slot *slot = keys_slot(keys, &ids[i]);
        keys->count += uuid_is_nil(&slot->id);
        *slot = (struct slot){ids[i], asked[i], now_s, !found[i]};
    }
    for (size_t i = 0; i < count; i++)
        seal_key_forget(&asked[i]);
    free(asked);
    free(found);
    if (status != NOVA_OK)
        error_while(err, "asking %s for keys", keys->service);
    return status;
}

// The ids that are not known, each once.
static size_t keys_missing(struct uuid *missing, const struct keys *keys, const struct uuid *ids,
                           size_t count, struct arena *arena)
{
    size_t missing_count = 0;
    int64_t now_s = monotonic_s();
    struct id_map *seen = id_map_create(arena, count);
    for (size_t i = 0; i < count; i++) {
        bool is_new;
        if (uuid_is_nil(&ids[i]) || keys_is_known(keys, &ids[i], now_s))
            continue;
        id_map_put(seen, &ids[i], missing_count, &is_new);
        if (is_new)
            missing[missing_count++] = ids[i];
    }
    return missing_count;
}

enum nova_status keys_load(struct keys *keys, const struct uuid *ids, size_t count,
                           struct error *err)
{
    assert(count <= KEYS_MAX);
    if (keys->count + count > KEYS_MAX)
        keys_forget_all(keys);
    struct arena *arena = arena_create();
    struct uuid *missing = arena_alloc(arena, count * sizeof *missing);
    size_t missing_count = keys_missing(missing, keys, ids, count, arena);
    enum nova_status status = NOVA_OK;
    for (size_t from = 0; from < missing_count && status == NOVA_OK; from += KEYS_FETCH_MAX) {
        size_t left = missing_count - from;
        status = keys_ask(keys, missing + from, left < KEYS_FETCH_MAX ? left : KEYS_FETCH_MAX,
                          monotonic_s(), err);
    }
    arena_destroy(&arena);
    return status;
}

const struct seal_key *keys_get(const struct keys *keys, const struct uuid *id)
{
    const struct slot *slot = keys_slot(keys, id);
    return uuid_is_nil(&slot->id) || slot->erased ? NULL : &slot->key;
}
