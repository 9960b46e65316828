// log_walk.h - the copies of one service's log, event by event: its outbox, its stream, and the
// stored tree's leaf hashes.
//
// Ownership: borrows the audit and the connection. What an event points to lives until the next.
// Errors:    PostgreSQL's and the bus's; what is wrong with a copy is no error.
// Bounds:    a page of rows, a tile, and LOG_WINDOW_MAX messages, whatever the log's size.
#pragma once
#include "cli/log_audit.h"
#include "cli/log_messages.h"

enum log_copy { LOG_COPY_OUTBOX, LOG_COPY_STREAM, LOG_COPY_TREE, LOG_COPIES };

// The event as each copy has it.
struct log_walked {
    uint64_t n;
    const struct merkle_hash *hashes[LOG_COPIES]; // NULL: it has none
    bool is_read[LOG_COPY_TREE]; // false: none, or (of the stream) a message that is no event of
                                 // ours
    struct event events[LOG_COPY_TREE];
};

struct log_walk {
    struct log_audit *audit;
    struct log_messages *messages;
    struct pg_result *rows;
    size_t row;
    int64_t position; // of the last row
    bool rows_end;
    struct merkle_hash hashes[LOG_COPIES], leaves[TILE_LEAVES];
    size_t leaf, leaf_count;
    uint64_t n, stream_last;
    struct arena *arena; // of one event
};

// For `size` events. Waits a little for a stream that has not as many yet.
MUST_CHECK enum nova_status log_walk_open(struct log_walk *out, struct log_audit *audit,
                                          struct bus_connection *connection, uint64_t size,
                                          struct error *err);
void log_walk_close(struct log_walk *walk);

MUST_CHECK enum nova_status log_walk_next(struct log_walked *out, struct log_walk *walk,
                                          struct error *err);
