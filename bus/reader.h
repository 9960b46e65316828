// reader.h - reads a stream from a place on, through a durable pull consumer of its own.
//
// The durable is for flow control and for showing lag; the caller's checkpoint is the truth. So
// the reader opens at the checkpoint's own message, by which its caller sees whether it is the same
// stream still, and makes the durable anew whenever it does not stand there: it is missing, ahead
// of the stream (which lost its tail), its deliveries jump, or somebody changed its configuration.
//
// A batch that brought all that was asked for is followed by the question for the next one, so that
// it arrives while its reader works.
//
// Ownership: a batch's messages live while the next one is read and used: until the reader_next
//            after one that brought any, reader_seek or reader_destroy.
// Threads:   one at a time per reader.
// Errors:    UNAVAILABLE (transient) when the stream is away: call again. DATA_LOSS: a message that
//            is no event of Nova's. After any error the reader must be opened again with
//            reader_seek.
// Bounds:    READER_BATCH_MAX messages and READER_BATCH_BYTES_MAX bytes a batch; three batches at
//            once: two given out, one that arrives.
#pragma once
#include "base/arena.h"
#include "base/event.h"
#include "bus/connection.h"

struct reader;

struct reader_message {
    struct event event;   // decoded envelope; points into the message or the reader's arena
    struct bytes message; // as received
    const char *reply;    // what acknowledges it
};

struct reader_batch {
    struct reader_message *messages; // in the stream's order, n growing by one each
    size_t count;                    // 0: nothing new within the wait
};

// `durable` is one of the topology's table; source is the stream's service.
MUST_CHECK enum nova_status reader_create(struct reader **out, struct bus_connection *connection,
                                          const char *source, const char *durable,
                                          struct error *err);
void reader_destroy(struct reader **reader);

// Makes the durable stand before message last_n, the caller's last one, which so comes once more;
// 0: before the first event. UNAVAILABLE (transient) while the stream does not reach it.
MUST_CHECK enum nova_status reader_seek(struct reader *reader, int64_t last_n, struct error *err);

// Up to `max` messages; waits wait_ms for the first (0: takes what is there). A message whose place
// is not the one after the last (a jump) ends as ABORTED (transient): seek again.
MUST_CHECK enum nova_status reader_next(struct reader_batch *out, struct reader *reader, size_t max,
                                        int64_t wait_ms, struct error *err);

// Acknowledges everything up to this message of a batch that still lives.
MUST_CHECK enum nova_status reader_ack(struct reader *reader, const struct reader_message *last,
                                       struct error *err);

// The durable's view of the stream: what it delivered and how many messages it has not been given
// yet. More delivered than came: something was lost on the way. Also notices a durable that is
// ahead of the stream, or was changed (ABORTED, transient: seek again). For idle moments: it asks
// the server.
struct reader_look {
    int64_t delivered_n;
    int64_t pending;
};
MUST_CHECK enum nova_status reader_look(struct reader_look *out, struct reader *reader,
                                        struct error *err);
