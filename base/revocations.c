// revocations.c - see revocations.h. The ends stand in a ring, in the order they came, with a hash
// index of their places: the oldest goes first.
#include "base/revocations.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { RING_LEAST = 64 }; // a power of two, as all its sizes

#define SECOND_US INT64_C(1000000)
// Between a token's iat, by its issuer's clock, and an end's time, by the database's.
#define SKEW_US (JWT_CLOCK_SKEW_S * SECOND_US)

struct end {
    struct uuid session_id;
    int64_t at_us;
};

struct revocations {
    struct revocations_options options;
    enum revocations_feed feed;
    int64_t name;      // of the newest feed that was heard of
    int64_t delivered; // the last delivery; 0: none yet
    bool is_unnamed;   // since number 1 no feed has said its name
    int64_t target;    // caught up with this delivery
    int64_t known_from_us;
    int64_t full_from_us; // from before it something was forgotten too early
    int64_t heard_ms;     // when all that there was had come; by the monotonic clock
    bool known;           // at least once
    struct end *ring;
    uint32_t *index; // of 2 * size places: place in the ring + 1; 0: free
    uint32_t size, first, count;
};

struct revocations *revocations_create(const struct revocations_options *options)
{
    struct revocations *revocations = calloc(1, sizeof *revocations);
    if (revocations == NULL)
        abort();
    assert(options->token_lifetime_s > 0 && options->stale_s > 0 &&
           options->entries_max >= RING_LEAST && options->entries_max <= 1U << 30);
    static_assert(sizeof options->hash_key == crypto_shorthash_KEYBYTES, "the hash's own");
    revocations->options = *options;
    return revocations;
}

void revocations_destroy(struct revocations **revocations)
{
    if (revocations == NULL || *revocations == NULL)
        return;
    free((*revocations)->ring);
    free((*revocations)->index);
    free(*revocations);
    *revocations = NULL;
}

// ---- the feed -----------------------------------------------------------------------------------

enum revocations_feed revocations_feed(const struct revocations *revocations)
{
    return revocations->feed;
}

const char *revocations_feed_name(enum revocations_feed feed)
{
    static const char *const names[] = {"lost", "catching up", "following"};
    return names[feed];
}

// Older tokens have expired, whatever clock they were issued by.
static int64_t oldest_token_us(const struct revocations *revocations, int64_t now_us)
{
    return now_us - revocations->options.token_lifetime_s * SECOND_US - SKEW_US;
}

int64_t revocations_newest_feed(const struct revocations *revocations)
{
    return revocations->name;
}

int64_t revocations_next_feed(const struct revocations *revocations, int64_t now_us)
{
    return now_us > revocations->name ? now_us : revocations->name + 1;
}

int64_t revocations_from_us(const struct revocations *revocations, int64_t feed)
{
    return oldest_token_us(revocations, feed) - 2 * SKEW_US;
}

static void feed_is_whole(struct revocations *revocations, int64_t clock_ms)
{
    int64_t from_us = revocations_from_us(revocations, revocations->name);
    revocations->feed = REVOCATIONS_FOLLOWING;
    if (from_us > revocations->known_from_us)
        revocations->known_from_us = from_us;
    revocations->known = true;
    revocations->heard_ms = clock_ms;
}

void revocations_began(struct revocations *revocations, int64_t feed, int64_t ahead,
                       int64_t clock_ms)
{
    if (feed <= revocations->name)
        return; // another process was later: its feed counts
    revocations->feed = REVOCATIONS_CATCHING_UP;
    revocations->name = feed;
    revocations->delivered = 0;
    revocations->is_unnamed = false;
    revocations->target = ahead;
    if (ahead == 0)
        feed_is_whole(revocations, clock_ms);
}

void revocations_delivered(struct revocations *revocations, int64_t delivery, int64_t behind,
                           int64_t clock_ms)
{
    if (revocations->feed == REVOCATIONS_LOST)
        return;
    if (delivery == 1) { // begun: by us, or by another process
        revocations->feed = REVOCATIONS_CATCHING_UP;
        revocations->is_unnamed = true;
        revocations->target = 1 + behind;
    } else if (revocations->delivered == 0) {
        return; // an older feed's: if it is not, the next heartbeat shows that number 1 is missing
    } else if (delivery != revocations->delivered + 1) {
        revocations->feed = REVOCATIONS_LOST;
        return;
    }
    revocations->delivered = delivery;
    if (delivery >= revocations->target)
        feed_is_whole(revocations, clock_ms);
}

void revocations_idle(struct revocations *revocations, int64_t feed, int64_t last_delivery,
                      int64_t clock_ms)
{
    bool is_newer = feed > revocations->name;
    if (feed < revocations->name)
        return;
    revocations->name = feed;
    if (revocations->feed == REVOCATIONS_LOST)
        return;
    if (is_newer && last_delivery == 0)
        revocations->delivered = 0; // there is nothing in it
    // Of a newer one all must have come since its own number 1.
    bool all_came = last_delivery == revocations->delivered &&
                    (!is_newer || last_delivery == 0 || revocations->is_unnamed);
    revocations->is_unnamed = false;
    if (all_came)
        feed_is_whole(revocations, clock_ms);
    else
        revocations->feed = REVOCATIONS_LOST; // something did not arrive
}

void revocations_lose(struct revocations *revocations)
{
    revocations->feed = REVOCATIONS_LOST;
}

// ---- the ring and its index ---------------------------------------------------------------------

static uint32_t index_mask(const struct revocations *revocations)
{
    return 2 * revocations->size - 1;
}

// Where the session stands in the index, or the free place where it would.
static uint32_t index_find(const struct revocations *revocations, const struct uuid *session_id)
{
    uint64_t hash;
    static_assert(sizeof hash == crypto_shorthash_BYTES, "one number");
    crypto_shorthash((uint8_t *)&hash, session_id->bytes, sizeof session_id->bytes,
                     revocations->options.hash_key);
    uint32_t at = (uint32_t)hash & index_mask(revocations);
    while (revocations->index[at] != 0 &&
           !uuid_equal(&revocations->ring[revocations->index[at] - 1].session_id, session_id))
        at = (at + 1) & index_mask(revocations);
    return at;
}

static bool ring_has(const struct revocations *revocations, const struct uuid *session_id)
{
    return revocations->count > 0 && revocations->index[index_find(revocations, session_id)] != 0;
}

// Frees a place of the index, and lets those behind it move up, as linear probing wants it: none
// may stand behind a free place that its search would end at.
static void index_remove(struct revocations *revocations, const struct uuid *session_id)
{
    uint32_t mask = index_mask(revocations), at = index_find(revocations, session_id);
    assert(revocations->index[at] != 0);
    revocations->index[at] = 0;
    for (uint32_t next = (at + 1) & mask; revocations->index[next] != 0; next = (next + 1) & mask) {
        uint32_t place = revocations->index[next];
        revocations->index[next] = 0;
        revocations->index[index_find(revocations, &revocations->ring[place - 1].session_id)] =
            place;
    }
}

static void ring_drop_first(struct revocations *revocations)
{
    index_remove(revocations, &revocations->ring[revocations->first].session_id);
    revocations->first = (revocations->first + 1) & (revocations->size - 1);
    revocations->count--;
}

static void ring_put(struct revocations *revocations, const struct end *end)
{
    uint32_t place = (revocations->first + revocations->count) & (revocations->size - 1);
    revocations->ring[place] = *end;
    revocations->index[index_find(revocations, &end->session_id)] = place + 1;
    revocations->count++;
}

static void ring_grow(struct revocations *revocations)
{
    struct end *old = revocations->ring;
    const uint32_t old_size = revocations->size, first = revocations->first,
                   count = revocations->count;
    revocations->size = old_size == 0 ? RING_LEAST : 2 * old_size;
    revocations->ring = calloc(revocations->size, sizeof *revocations->ring);
    free(revocations->index);
    revocations->index = calloc(2 * (size_t)revocations->size, sizeof *revocations->index);
    if (revocations->ring == NULL || revocations->index == NULL)
        abort();
    revocations->first = revocations->count = 0;
    for (uint32_t i = 0; i < count; i++)
        ring_put(revocations, &old[(first + i) & (old_size - 1)]);
    free(old);
}

// ---- what it brings -----------------------------------------------------------------------------

void revocations_add(struct revocations *revocations, const struct uuid *session_id,
                     int64_t ended_at_us, int64_t now_us)
{
    const struct end end = {*session_id, ended_at_us};
    if (ended_at_us < revocations_from_us(revocations, now_us) || ring_has(revocations, session_id))
        return;
    if (revocations->count == revocations->options.entries_max) {
        // The oldest is not known any more: nor is anything of tokens from before it.
        int64_t forgotten_us = revocations->ring[revocations->first].at_us + SKEW_US;
        ring_drop_first(revocations);
        if (forgotten_us > revocations->full_from_us)
            revocations->full_from_us = forgotten_us;
    }
    if (revocations->count == revocations->size)
        ring_grow(revocations);
    ring_put(revocations, &end);
}

void revocations_forget(struct revocations *revocations, int64_t now_us)
{
    int64_t oldest_us = revocations_from_us(revocations, now_us);
    while (revocations->count > 0 && revocations->ring[revocations->first].at_us < oldest_us)
        ring_drop_first(revocations);
}

uint32_t revocations_count(const struct revocations *revocations)
{
    return revocations->count;
}

// ---- what it answers ----------------------------------------------------------------------------

enum revocations_verdict revocations_judge(const struct revocations *revocations,
                                           const struct uuid *session_id, int64_t issued_at_s,
                                           int64_t now_us, int64_t clock_ms)
{
    const int64_t issued_at_us = issued_at_s * SECOND_US;
    const int64_t stale_ms = revocations->options.stale_s * 1000;
    if (ring_has(revocations, session_id))
        return REVOCATIONS_ENDED; // whatever else is not known
    if (!revocations->known || clock_ms - revocations->heard_ms > stale_ms)
        return REVOCATIONS_UNKNOWN;
    if (issued_at_us < oldest_token_us(revocations, now_us) ||
        issued_at_us < revocations->known_from_us || issued_at_us < revocations->full_from_us)
        return REVOCATIONS_TOO_OLD;
    return REVOCATIONS_OPEN;
}
