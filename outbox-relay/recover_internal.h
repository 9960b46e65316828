// recover_internal.h - what recover.c, recover_walk.c and recover_keep.c share; nobody else
// includes it.
#pragma once
#include "outbox-relay/recover.h"

enum { RECOVER_SQL_BYTES = 1024 };

#define RECOVER_FORK_OF "fork of " // and the log id: begins the reason of a forked log

struct recover {
    const char *service;
    struct pg *pg;
    struct bus_connection *connection;
    struct stream *stream;
    struct arena *chunk_arena;
    struct stream_message chunk[RECOVER_CHUNK]; // as they were read, in chunk_arena
    size_t chunk_count;
};

// A statement whose %s are the service's schema; out may be NULL.
MUST_CHECK enum nova_status recover_query(struct pg_result **out, struct recover *recover,
                                          const struct pg_param *params, size_t count,
                                          struct error *err, const char *format);

// recover_walk.c: compares all of stream and outbox, in the caller's transaction, and shows each
// message that the outbox lacks to the visitor (NULL: to nobody).
MUST_CHECK enum nova_status recover_walk(struct recover_state *out, struct recover *recover,
                                         const struct recover_visitor *visitor, struct error *err);

// Notes whose key an event needs, in the caller's transaction.
MUST_CHECK enum nova_status recover_keys_begin(struct recover *recover, struct error *err);
MUST_CHECK enum nova_status recover_note_key(struct recover *recover,
                                             const struct stream_message *message,
                                             struct arena *arena, struct error *err);
MUST_CHECK enum nova_status recover_keys_lost(struct recover_lost_keys *out,
                                              struct recover *recover, struct error *err);
