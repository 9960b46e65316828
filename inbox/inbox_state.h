// inbox_state.h - what a consumer does next with one source: the pure machine behind inbox.h.
//
// It is told what was seen (a checkpoint, messages, how a transaction ended) and answers what to
// do. It does no I/O and reads no clock, so a seeded simulation drives it through any history.
//
//   LOAD --checkpoint--> ATTACH --reader at n----> READ --messages--> COMMIT --done--> READ
//     ^                    ^                           |                  |  the whole batch, or
//     |                    +---- a jump, a failure ----+                  |  event by event
//     +------------- the checkpoint moved without us ---------------------+
//   WAIT before every repeated attempt. STOP: fenced, or another log. FAILING is a WAIT too: the
//   handler is wrong, and an operator is asked; then LOAD again.
//
// The rules, each with its name in inbox_state.c:
//   SKIP      a message at or below the checkpoint changes nothing.
//   JUMP      a message that leaves one out is not taken: read again from n + 1.
//   IDLE      nothing new, but the source says it delivered more (or less) than came: read again.
//   PLACE     nothing new, but the checkpoint in the database is another: load it again.
//   AGAIN     a reader that cannot begin at the checkpoint: load it again, it may have been moved.
//   LOG       a message of another log than the checkpoint's stops everything.
//   EVENT     so does message n of another event than the checkpoint's: an outbox that was restored
//             from an older copy has filled a lost stream with other events under the same numbers.
//             The reader begins at the checkpoint's own message, so that this is seen.
//   TRANSIENT what may pass by itself is tried again for ever, and never parks anything.
//   ALONE     an event is parked only after it failed as the only one in its transaction.
//   BEHIND    events of a parked aggregate are parked behind it, so that order survives a retry.
//   LIMIT     more than INBOX_PARKED_MAX parked aggregates: the handler is wrong, not the events.
//   UNKNOWN   an event of an unknown type stops a consumer that declares so: what is before it is
//             applied, and it is looked at again until a newer version knows it.
//   MOVED     a commit that did not find the checkpoint where it was is no commit: load it again.
//
// Ownership: plain memory of the caller; the messages of inbox_was_read are borrowed until the
//            machine asks to READ or ATTACH again.
// Threads:   one at a time per machine.
// Errors:    none; an answer to a question that was not asked is our bug and aborts.
// Bounds:    INBOX_BATCH_MAX messages a batch; INBOX_PARKED_MAX + 1 parked aggregates noted.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/uuid.h"

enum {
    INBOX_WAIT_MS_MIN = 20,
    INBOX_FAILING_WAIT_MS = 5000,
};

struct inbox_checkpoint {
    struct uuid log_id; // nil: no event was seen yet, and any log is taken
    int64_t position;
    int64_t n;
    struct uuid event_id; // nil: not known, and any event is taken
};

// One message as it was read.
struct inbox_seen {
    int64_t n;
    int64_t position;
    int64_t delivery; // JetStream's consumer sequence: grows by one with each delivery
    struct uuid log_id;
    struct uuid event_id;
    struct uuid aggregate_id;
    bool wanted; // the consumer has something to do with it
    bool stops;  // its type is unknown, and the consumer declares to stop at such
};

enum inbox_verdict {
    INBOX_NOTHING, // only the checkpoint moves over it
    INBOX_APPLY,
    INBOX_PARK_FAILED, // it failed alone
    INBOX_PARK_BEHIND, // its aggregate waits already
};

enum inbox_action {
    INBOX_DO_LOAD,   // read the checkpoint and the parked aggregates, then inbox_was_loaded
    INBOX_DO_ATTACH, // make the reader start at checkpoint.n, then inbox_was_attached
    INBOX_DO_READ,   // fetch, then inbox_was_read
    INBOX_DO_COMMIT, // one transaction over messages [from, to), then inbox_was_committed
    INBOX_DO_WAIT,   // wait_ms, then inbox_has_waited
    INBOX_DO_STOP,   // for good
};

enum inbox_why {
    INBOX_WHY_WORK,
    INBOX_WHY_RETRY,     // after a transient failure
    INBOX_WHY_JUMP,      // the source left something out, and does so again
    INBOX_WHY_FAILING,   // too much is parked
    INBOX_WHY_UNKNOWN,   // an event of an unknown type is next, and the consumer stops at such
    INBOX_WHY_FENCED,    // another instance took over
    INBOX_WHY_OTHER_LOG, // the source carries another log, or another event at the checkpoint
};

struct inbox_step {
    enum inbox_action action;
    enum inbox_why why;
    uint32_t from, to;          // DO_COMMIT
    struct inbox_checkpoint up; // DO_COMMIT: where the checkpoint moves
    int64_t wait_ms;            // DO_WAIT
};

enum inbox_outcome {
    INBOX_DONE,      // committed
    INBOX_TRANSIENT, // not committed, or nobody knows; may pass
    INBOX_PERMANENT, // an event's handler refused; nothing was committed
    INBOX_MOVED,     // the checkpoint was not where the machine believes; nothing was committed
    INBOX_FENCED,    // the lease is another's; nothing was committed
};

struct inbox_state {
    enum inbox_action next;
    enum inbox_why why;
    enum inbox_action after_wait;
    struct inbox_checkpoint checkpoint;
    bool filtered;    // the source is read through a subject filter: n may leave numbers out
    int64_t delivery; // of the last message that came from the reader
    bool confirmed;   // the reader has shown the checkpoint's own message
    const struct inbox_seen *batch;
    uint32_t count; // of the batch
    uint32_t from;  // the first of the batch that is not committed
    bool alone;     // the rest of the batch goes event by event
    enum inbox_action after_batch;
    uint32_t attempts; // failures in a row
    int64_t wait_ms_max;
    bool failing; // until something is committed again
    uint32_t parked_count;
    struct uuid parked[INBOX_PARKED_MAX + 1];
    uint8_t verdicts[INBOX_BATCH_MAX];
};

// A new machine; `filtered`: see above.
void inbox_state_init(struct inbox_state *state, bool filtered, int64_t wait_ms_max);

// What to do now. Asking again answers the same.
struct inbox_step inbox_next(const struct inbox_state *state);

// `parked_count` may be beyond what is noted; `parked` then holds the first INBOX_PARKED_MAX + 1.
void inbox_was_loaded(struct inbox_state *state, const struct inbox_checkpoint *checkpoint,
                      const struct uuid *parked, uint32_t parked_count);
// `deliveries` were made before: 0 for a new reader, more for a durable that stands where it
// should.
void inbox_was_attached(struct inbox_state *state, int64_t deliveries);
// `count` may be 0: nothing new. The source's own order; at most INBOX_BATCH_MAX.
void inbox_was_read(struct inbox_state *state, const struct inbox_seen *batch, uint32_t count);
void inbox_was_committed(struct inbox_state *state, enum inbox_outcome outcome);
// A read brought nothing, and this is how far the source believes it delivered: the number of its
// last message, and how many deliveries since the reader was made. The only sign of a lost last
// message, and of a durable that is ahead of a stream that lost its tail. `there` is the checkpoint
// in the database: the only sign, before the next event, of a read model that was restored.
void inbox_was_idle(struct inbox_state *state, int64_t delivered_n, int64_t deliveries,
                    const struct inbox_checkpoint *there);
void inbox_has_waited(struct inbox_state *state);
// LOAD, ATTACH or READ did not work.
void inbox_has_failed(struct inbox_state *state);

// What is to be done with message i of the step under way.
enum inbox_verdict inbox_verdict_of(const struct inbox_state *state, uint32_t i);
