// keys.c - see keys.h. A table of open addressing that is never more than half full.
#include "inbox/keys.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

enum nova_status keys_load(struct keys *keys, const struct uuid *ids, size_t count,
                           struct error *err)
{
    assert(count <= KEYS_MAX);
    if (keys->count + count > KEYS_MAX)
        keys_forget_all(keys);
    int64_t now_s = monotonic_s();
    struct uuid missing[KEYS_FETCH_MAX];
    size_t missing_count = 0;
    enum nova_status status = NOVA_OK;
    for (size_t i = 0; i < count && status == NOVA_OK; i++) {
        if (uuid_is_nil(&ids[i]) || keys_is_known(keys, &ids[i], now_s))
            continue;
        bool asked = false;
        for (size_t k = missing_count; k > 0 && !asked && missing_count - k < 16; k--)
            asked = uuid_equal(&missing[k - 1], &ids[i]); // a person's events often stand together
        if (!asked)
            missing[missing_count++] = ids[i];
        if (missing_count == KEYS_FETCH_MAX) {
            status = keys_ask(keys, missing, missing_count, now_s, err);
            missing_count = 0;
        }
    }
    if (status == NOVA_OK && missing_count > 0)
        status = keys_ask(keys, missing, missing_count, now_s, err);
    return status;
}

const struct seal_key *keys_get(const struct keys *keys, const struct uuid *id)
{
    const struct slot *slot = keys_slot(keys, id);
    return uuid_is_nil(&slot->id) || slot->erased ? NULL : &slot->key;
}
