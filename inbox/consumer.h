// consumer.h - what a consumer is: its sources, the event types it handles, and its effect on a
// batch of them.
//
// A projection writes a read model that a rebuild can make again; a reactor turns events into
// effects of its own service, and no rebuild or replay ever runs it. Both apply a batch in the
// checkpoint's transaction. The same function is run on a batch of one when an event must be tried
// alone, so it may not depend on how events are cut into batches.
//
// Ownership: a batch and all it points to live until the function returns.
// Threads:   sources are read by threads of their own; batches of one consumer never overlap.
// Errors:    an error that is not transient parks an event that fails alone with it: say what is
//            wrong with the event. Transient ones are tried again for ever.
// Bounds:    INBOX_SOURCES_MAX sources, INBOX_TYPES_MAX types each, INBOX_BATCH_MAX events.
#pragma once
#include "base/arena.h"
#include "base/event.h"
#include "inbox/inbox_state.h"
#include "pg/pg.h"
#include "proto/contract.h"

// One event, as a handler sees it: old types were made new ones (upcast.h), personal data is open.
struct inbox_event {
    struct event event; // the envelope; its payload is as stored
    const struct contract_event *type;
    const ProtobufCMessage *payload;  // of type->payload
    const ProtobufCMessage *personal; // of type->personal; NULL: none, or erased
};

struct inbox_batch {
    const char *source; // "identity"
    struct arena *arena;
    const struct inbox_event *const *events; // in the source's order
    size_t count;
};

typedef enum nova_status inbox_apply(struct inbox_batch *batch, struct pg *pg, struct error *err);

enum { INBOX_SOURCES_MAX = 4, INBOX_TYPES_MAX = 12 };

// What to do with an event of a type that no contract of this version knows: it comes from a newer
// producer.
enum inbox_on_unknown {
    INBOX_UNKNOWN_SKIP, // pass over it and count it
    INBOX_UNKNOWN_STOP, // stay before it until a version comes that knows it
};

struct inbox_source {
    const char *service;                // whose stream
    const char *types[INBOX_TYPES_MAX]; // "user.created"; others move the checkpoint only
    inbox_apply *apply;
    enum inbox_on_unknown on_unknown;
};

enum inbox_kind { INBOX_PROJECTION, INBOX_REACTOR };

struct inbox_consumer {
    const char *name;    // "communication/message_sender_cache": service, then its own name
    const char *service; // whose schema holds the checkpoint, and whose data it writes
    enum inbox_kind kind;
    // A projection's tables lie in schema <projection>_g<generation>, its handlers' search_path;
    // NULL for a reactor, whose search_path is the service's schema.
    const char *projection;
    // A type of event after which nothing of its aggregate may stay in former generations either:
    // they are dropped in the batch's transaction. NULL: none.
    const char *forgets;
    struct inbox_source sources[INBOX_SOURCES_MAX];
};

size_t inbox_source_count(const struct inbox_consumer *consumer);
bool inbox_source_wants(const struct inbox_source *source, const char *type);

// The batch's events of one type, in order. In the batch's arena.
size_t inbox_batch_of(const struct inbox_event *const **out, const struct inbox_batch *batch,
                      const char *type);
// Of those the last one of each aggregate, for events that hold the whole new content.
size_t inbox_batch_last_of(const struct inbox_event *const **out, const struct inbox_batch *batch,
                           const char *type);
// The aggregates of the batch's events of one type.
size_t inbox_batch_aggregates(const struct uuid **out, const struct inbox_batch *batch,
                              const char *type);

// An id that an event holds as text; `empty_ok`: an empty one is nil. INVALID_ARGUMENT names field
// and event.
MUST_CHECK enum nova_status inbox_event_id(struct uuid *out, const struct inbox_event *event,
                                           const char *field, const char *text, bool empty_ok,
                                           struct error *err);
