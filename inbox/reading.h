// reading.h - how a consumer reads one source: a stream behind it in a process (stream_reading.h).
//
// Ownership: messages live in the arena of the fetch.
// Threads:   one at a time per reading.
// Errors:    transient ones are tried again. DATA_LOSS: a message that is no event of Nova's; the
//            stream's relay heals it, so that is waited for as well.
#pragma once
#include "base/arena.h"
#include "base/event.h"

struct reading_message {
    struct event event; // n is the stream's sequence
    struct bytes raw;   // the message as it was received, for the dead letters
    int64_t delivery;   // JetStream's consumer sequence
};

struct reading_state {
    int64_t delivered_n; // how far the source believes it delivered
    int64_t deliveries;  // since the reader was made
    int64_t unacked;     // delivered and not acknowledged
    int64_t pending;     // not delivered yet
};

struct reading {
    void *context;
    // Makes the next message the one behind `n`; *deliveries: how many came before it.
    enum nova_status (*attach)(void *context, int64_t *deliveries, int64_t n, struct error *err);
    // Waits at most wait_ms for a first message, and takes what is there. None is no error.
    enum nova_status (*fetch)(void *context, struct reading_message **out, size_t *count,
                              uint32_t count_max, int64_t wait_ms, struct arena *arena,
                              struct error *err);
    // Acknowledges all that were fetched.
    enum nova_status (*ack)(void *context, struct error *err);
    enum nova_status (*look)(void *context, struct reading_state *out, struct error *err);
    void (*close)(void *context);
};

// Opens the reading of one source; called on the thread that will use it.
typedef enum nova_status reading_open(struct reading *out, void *context, const char *service,
                                      struct error *err);
