// cloudevents.h - an event as CloudEvents 1.0 in its protobuf format, and back.
//
// The body of every stream message: id, source "/nova/<service>", specversion 1.0, type, and as
// attributes what the leaf holds beside them; data is the payload as stored, copied.
// Source: CloudEvents spec 1.0, protobuf format; header Content-Type CLOUDEVENTS_TYPE.
//
// Ownership: what decoding gives points into the bytes or the arena.
// Threads:   safe from any thread on different arenas.
// Errors:    DATA_LOSS with what is missing or malformed: a message of somebody else's.
#pragma once
#include "base/arena.h"
#include "base/error.h"
#include "base/event.h"

#define CLOUDEVENTS_TYPE "application/cloudevents+protobuf"

// What a row holds beside the leaf's fields, so that it can be made again from the stream.
struct cloudevents_extra {
    const char *traceparent; // NULL: none
    int32_t command_index;
    struct bytes command_digest;
};

// An event of an outbox, whose rows come from outside: DATA_LOSS names the first column that no
// message may carry (base/event.h), and what is wrong with it. *out lives in the arena.
MUST_CHECK enum nova_status cloudevents_encode(struct bytes *out, struct arena *arena,
                                               const char *service, const struct event *event,
                                               const struct cloudevents_extra *extra,
                                               struct error *err);

// "user.created": lower case and underscores, one dot, at most EVENT_TYPE_BYTES_MAX.
bool event_type_is_good(const char *type);

// `extra` may be NULL. The message must come from `service`.
MUST_CHECK enum nova_status cloudevents_decode(struct event *out, struct cloudevents_extra *extra,
                                               struct arena *arena, const char *service,
                                               struct bytes message, struct error *err);
