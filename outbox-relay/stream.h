// stream.h - the relay's stream: the only writer's strict pipelined publishing, and whether the
// stream is whole.
//
// Invariant: the message with stream sequence n is the n-th event and carries n. Each publish says
// which sequence must be the last one (Nats-Expected-Last-Sequence), so a failed publish stops
// everything behind it and a second relay is refused by the server.
//
// Ownership: borrows the connection.
// Threads:   one at a time; nats.c's threads count answers.
// Errors:    transient ones: the caller resynchronises (stream_inspect) and goes on. Another one
//            only of an event that no message can carry.
#pragma once
#include "bus/cloudevents.h"
#include "bus/connection.h"
#include "outbox-relay/relay_state.h"

struct stream;

MUST_CHECK enum nova_status stream_create(struct stream **out, struct bus_connection *connection,
                                          const char *service, struct error *err);
void stream_destroy(struct stream **stream);

// Waits until nothing is in flight, makes the stream if it is not there, and tells what it says of
// itself.
MUST_CHECK enum nova_status stream_inspect(struct relay_stream_seen *out, struct stream *stream,
                                           struct error *err);

// The same without making it: one that is not there is empty.
MUST_CHECK enum nova_status stream_account(struct relay_stream_seen *out, struct stream *stream,
                                           struct error *err);

// A message as it was read.
struct stream_message {
    struct event event;
    struct cloudevents_extra extra;
    struct bytes body; // the CloudEvent
};

// Reads the messages from first_n to last_n and shows each to `visit` (what it points to lives as
// long as that call). Ends at the first one with which something is wrong; *damage says what,
// NULL: nothing. A message that is only late is a transient error, never damage.
MUST_CHECK enum nova_status
stream_walk(const char **damage, struct stream *stream, int64_t first_n, int64_t last_n,
            void (*visit)(void *context, const struct stream_message *message), void *context,
            struct error *err);

// Reads message n alone. *damage says what is wrong with it (then *out is not set), NULL: nothing.
// What it points to lives in `arena`.
MUST_CHECK enum nova_status stream_read(struct stream_message *out, const char **damage,
                                        struct stream *stream, int64_t n, struct arena *arena,
                                        struct error *err);

// Deletes the stream and makes an empty one.
MUST_CHECK enum nova_status stream_make_again(struct stream *stream, struct error *err);

// Queues one event, which carries its n; the server takes it only while message `expected_n` is its
// stream's last. Blocks while the window is full. `arena` holds its bytes. DATA_LOSS, not
// transient: no message can carry this event, and nothing was sent.
MUST_CHECK enum nova_status stream_publish(struct stream *stream, const struct event *event,
                                           int64_t expected_n,
                                           const struct cloudevents_extra *extra,
                                           struct arena *arena, struct error *err);

// Waits until every publish was answered, for as long as an answer may take. False: one failed.
bool stream_flush(struct stream *stream);

// False: a publish failed since the stream was inspected, so resynchronise. The publishes up to
// *acknowledged_n were stored, in order.
bool stream_is_good(struct stream *stream, int64_t *acknowledged_n);
