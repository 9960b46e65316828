// worker.h - one source of one consumer: carries out what the machine of inbox_state.h says.
//
// Ownership: copies its options; borrows what they point to.
// Threads:   worker_step on one thread at a time; worker_status from any.
// Errors:    none come out: a worker tries again, or stops and worker_status says why.
// Bounds:    batch_max messages a batch; in memory one that is committed and one that is decoded
//            meanwhile, beside what the reader holds.
#pragma once
#include <stdatomic.h>

#include "inbox/consumer.h"
#include "inbox/feed.h"
#include "inbox/keys.h"
#include "inbox/upcast.h"

struct worker_options {
    const struct inbox_consumer *consumer;
    size_t source;      // of consumer->sources
    const char *name;   // of the books: consumer->name, or a rebuild's with "@2" behind it
    int32_t generation; // a rebuild's; 0: the live one
    // The last position that is applied, one for each of the consumer's sources; what is behind it
    // is left alone, and the source counts as caught up. NULL: there is no end.
    const int64_t *until;
    // With `until`: the URLs of the sources' outboxes, which are read instead of the streams; each
    // up to a position that is published (feed.h). NULL: the streams.
    const char *const *outbox_urls;
    const char *postgres_url;
    struct bus_connection *connection;
    const char *durable; // its JetStream consumer, the same name in each source's stream
    keys_fetch *fetch_keys;
    void *keys_context;
    const struct upcaster *upcasters;
    uint32_t batch_max;
    int64_t retry_ms_max;
    int64_t lease_ms;
    int64_t epoch;           // of the lease under which it writes
    const atomic_bool *stop; // asked during every wait
};

struct worker_status {
    enum inbox_action action; // INBOX_DO_STOP: for good
    enum inbox_why why;
    bool failing; // too much is parked: an operator is asked
    struct inbox_checkpoint checkpoint;
    int32_t generation;
    int64_t pending;   // events of the source that are not yet applied; -1: not known
    int64_t head_n;    // of the source, when it was last asked
    bool is_caught_up; // the last look showed nothing pending, or `until` is reached
    int64_t parked_events;
    int64_t unknown_events; // of types that this version does not know, since it was started
    uint32_t parked_aggregates;
    int64_t beat_ms;   // when it last did something, monotonic
    char trouble[512]; // the last failure; "" since it works again
};

struct worker;

struct worker *worker_create(const struct worker_options *options);
void worker_destroy(struct worker **worker);

// Does the next thing; waits at most half a second without doing any. False: it stopped for good.
bool worker_step(struct worker *worker);
void worker_status(struct worker_status *out, struct worker *worker);

int64_t worker_now_ms(void); // the clock of beat_ms
