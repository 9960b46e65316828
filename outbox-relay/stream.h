// stream.h - the relay's stream: the only writer's strict pipelined publishing, and whether the
// stream is whole.
//
// Invariant: the message with stream sequence n is the n-th event and carries n. Each publish says
// which sequence must be the last one (Nats-Expected-Last-Sequence), so a failed publish stops
// everything behind it and a second relay is refused by the server.
//
// Ownership: borrows the connection.
// Threads:   one at a time; nats.c's threads count answers.
// Errors:    transient ones: the caller resynchronises (stream_inspect) and goes on.
#pragma once
#include "bus/cloudevents.h"
#include "bus/connection.h"

struct stream;

MUST_CHECK enum nova_status stream_create(struct stream **out, struct bus_connection *connection,
                                          const char *service, struct error *err);
void stream_destroy(struct stream **stream);

struct stream_end {
    int64_t n;        // messages in the stream; 0: it is empty
    int64_t position; // of the last one
    struct uuid event_id, log_id;
};

enum stream_condition {
    STREAM_WHOLE,
    STREAM_DAMAGED, // holes, a foreign message, another configuration: worthless
};

// Waits until nothing is in flight, makes the stream if it is not there, and looks at its end.
// *why (of static memory) says what is damaged.
MUST_CHECK enum nova_status stream_inspect(enum stream_condition *condition, const char **why,
                                           struct stream_end *end, struct stream *stream,
                                           struct error *err);

// Reads the messages from first_n to last_n: n without a gap, positions that grow. `alive` is
// called now and then. A message that is only late is a transient error, never damage.
MUST_CHECK enum nova_status stream_verify(enum stream_condition *condition, const char **why,
                                          struct stream *stream, int64_t first_n, int64_t last_n,
                                          void (*alive)(void *context), void *context,
                                          struct error *err);

// Deletes the stream and makes an empty one.
MUST_CHECK enum nova_status stream_make_again(struct stream *stream, struct error *err);

// Queues one event, which carries its n; blocks while the window is full. `arena` holds its bytes.
MUST_CHECK enum nova_status stream_publish(struct stream *stream, const struct event *event,
                                           const struct cloudevents_extra *extra,
                                           struct arena *arena, struct error *err);

// How many of the published were acknowledged in order; false: one failed, so resynchronise.
bool stream_is_good(struct stream *stream, int64_t *acknowledged);
