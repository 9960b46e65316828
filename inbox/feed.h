// feed.h - where a worker's events come from: the source's stream (bus/reader.h), or straight from
// its outbox, for a fold that is to rest on what the stream was made of.
//
// An outbox is read only up to a position that its relay has published: below it nothing can be
// committed any more, so that position and order say everything (docs/life-of-an-event.md,
// "Holes"). n is counted, not stored: the events of an outbox have the numbers that the stream
// gives them.
//
// Ownership: as of bus/reader.h: a batch lives until the second feed_next after it.
// Threads:   one at a time per feed.
// Errors:    those of bus/reader.h and PostgreSQL's; after one, feed_seek begins anew. An outbox
// that
//            does not hold the checkpoint's event shows another one in its place, which the machine
//            refuses (inbox_state.h, EVENT).
#pragma once
#include "bus/reader.h"
#include "inbox/inbox_state.h"

struct feed;

struct feed_options {
    const char *source; // "identity"
    struct bus_connection *connection;
    const char *durable;
    const char *outbox_url; // NULL: the stream
    int64_t until;          // with outbox_url: the last position that is read
};

MUST_CHECK enum nova_status feed_create(struct feed **out, const struct feed_options *options,
                                        struct error *err);
void feed_destroy(struct feed **feed);
// Begins with the checkpoint's own event, or with the first.
MUST_CHECK enum nova_status feed_seek(struct feed *feed, const struct inbox_checkpoint *checkpoint,
                                      struct error *err);
MUST_CHECK enum nova_status feed_next(struct reader_batch *out, struct feed *feed, size_t max,
                                      int64_t wait_ms, struct error *err);
MUST_CHECK enum nova_status feed_ack(struct feed *feed, const struct reader_message *last,
                                     struct error *err);
MUST_CHECK enum nova_status feed_look(struct reader_look *out, struct feed *feed,
                                      struct error *err);
