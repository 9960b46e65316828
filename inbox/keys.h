// keys.h - the keys that open what a source's events hold of persons: asked from the source
// service, kept in memory only, and not for long.
//
// A key that the service does not give was erased: what it sealed is read as absent.
//
// Ownership: a key that keys_get returns lives until the next keys_load.
// Threads:   one at a time per keys; each source's thread has its own.
// Errors:    whatever the fetching answers. None of it is the fault of an event: the caller tries
//            again and parks nothing.
// Bounds:    KEYS_MAX keys, then all are forgotten; each is forgotten after KEYS_LIFE_S, so that an
//            erased one is nowhere long. KEYS_FETCH_MAX a question.
#pragma once
#include "base/arena.h"
#include "base/seal.h"

struct keys;

// Asks `service` for keys; each id stands once. found[i] tells whether keys[i] was given.
typedef enum nova_status keys_fetch(void *context, const char *service, const struct uuid *ids,
                                    size_t count, struct seal_key *keys, bool *found,
                                    struct error *err);

struct keys *keys_create(const char *service, keys_fetch *fetch, void *context);
void keys_destroy(struct keys **keys); // forgets them all

// Makes sure that all of `ids` are known, asking for those that are not.
MUST_CHECK enum nova_status keys_load(struct keys *keys, const struct uuid *ids, size_t count,
                                      struct error *err);
// NULL: erased. The id must have been among those of the last keys_load.
const struct seal_key *keys_get(const struct keys *keys, const struct uuid *id);
