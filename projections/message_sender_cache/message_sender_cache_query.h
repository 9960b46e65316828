// message_sender_cache_query.h - how senders are called, for communication's service.
//
// Ownership: everything lives in the arena.
// Threads:   one at a time per struct pg.
// Errors:    PostgreSQL's.
#pragma once
#include "pg/pg.h"

enum sender_state {
    SENDER_UNKNOWN, // its user.created has not come yet, or there is no such user
    SENDER_KNOWN,
    SENDER_GONE, // deleted
};

struct sender {
    enum sender_state state;
    const char *handle; // "" unless known
    const char *display_name;
};

// The senders of `ids`, in their order.
MUST_CHECK enum nova_status message_sender_cache_get(struct sender **out, struct pg *pg,
                                                     const struct uuid *ids, size_t count,
                                                     struct arena *arena, struct error *err);
