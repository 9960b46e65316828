// retry.h - a parked event once more: its handler, the end of its dead letter and the audit event,
// in one transaction.
//
// An aggregate's parked events are applied in its own order, the first one first; the one that is
// refused again stays, and all behind it. The consumer may be at work meanwhile: the lock of its
// checkpoints (BOOKS_HOLD_SQL) lies between its batches and this, and it looks again at what is
// parked before it puts an event behind. The handler runs as the consumer's role.
//
// Ownership: borrows what the options point to.
// Threads:   one at a time per struct retry.
// Errors:    what hinders all events alike (PostgreSQL, keys): nothing was done. An event that its
//            handler refuses is no error but an outcome.
// Bounds:    one event a transaction.
#pragma once
#include "inbox/consumer.h"
#include "inbox/keys.h"
#include "inbox/upcast.h"

enum retry_outcome {
    RETRY_APPLIED,
    RETRY_REFUSED, // it stays parked, with one attempt more
    RETRY_NOTHING, // the aggregate has nothing parked
};

struct retry_options {
    struct pg *pg; // an operator's
    const struct inbox_consumer *consumer;
    size_t source; // of consumer->sources
    keys_fetch *fetch_keys;
    void *keys_context;
    const struct upcaster *upcasters;
    const char *person; // who does it, for the audit event
};

struct retry;

struct retry *retry_create(const struct retry_options *options);
void retry_destroy(struct retry **retry);

// The first parked event of the aggregate. *refusal says why it was refused.
MUST_CHECK enum nova_status retry_first(enum retry_outcome *outcome, struct error *refusal,
                                        struct retry *retry, const struct uuid *aggregate_id,
                                        struct error *err);
