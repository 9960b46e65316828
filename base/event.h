// event.h - one event as it stands in an outbox row and in a stream message: the same fields.
//
// Ownership: a struct event borrows everything it points to (a row batch, a message, an arena).
#pragma once
#include "base/limits.h" // EVENT_PAYLOAD_BYTES_MAX
#include "base/uuid.h"

struct bytes {
    const uint8_t *data;
    size_t len;
};

// What an event may hold at most: the outbox's own checks, the relay's, and what a message has room
// for. Times are those of a protobuf Timestamp: the years 1 to 9999.
enum {
    EVENT_TYPE_BYTES_MAX = 64,
    EVENT_ACTOR_BYTES_MAX = 128,
    EVENT_DIGEST_BYTES = 32,
    EVENT_TRACEPARENT_BYTES_MAX = 55,
};
#define EVENT_TIME_US_MIN (INT64_C(-62135596800) * 1000000)
#define EVENT_TIME_US_MAX (INT64_C(253402300800) * 1000000 - 1)

struct event {
    int64_t n;        // the event's place in its log, from 1; the stream sequence
    int64_t position; // the outbox's position: strictly growing, with void positions between
    struct uuid log_id;
    struct uuid event_id;
    const char *type;           // "user.created"
    const char *aggregate_type; // "user"
    struct uuid aggregate_id;
    int64_t version;   // of the aggregate, 1..n without a hole
    const char *actor; // "user:<uuid>", "operator", "importer/user:<uuid>", "service:<name>"
    struct uuid command_id;
    struct uuid correlation_id;
    struct uuid causation_id; // the direct cause: a command's or an event's id
    int64_t occurred_at_us;   // Unix microseconds; only an importer may set it
    int64_t recorded_at_us;   // the database's clock
    struct bytes payload;     // protobuf as stored; copied, never encoded again
};
