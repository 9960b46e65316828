// recover_plan.h - what a stream and a restored outbox have in common, and what may be done about
// it: pure decisions behind recover.h.
//
// Both are read in the order of positions, and their heads compared:
//
//   the same event at the same position    both hold it
//   a message before, or instead of a row  missing: the outbox lacks it
//   a row before, or instead of a message  foreign: appended since the restore, or not published
//   yet
//
//   missing, nothing foreign   -> import: the stream's events are taken back under their positions
//   missing, something foreign -> fork: two histories, of which the outbox's goes on
//   nothing missing            -> nothing to recover: a relay goes on by itself
//
// Threads: one at a time per struct.
// Errors:  none.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"

// An event's place; log ids are compared apart, for a fork gives old events a new one.
struct recover_place {
    int64_t n; // of a message
    int64_t position;
    struct uuid event_id;
};

struct recover_seen {
    int64_t shared, missing, foreign;
    struct recover_place common; // the last event before the first difference; n 0: there is none
    struct recover_place first_missing, last_missing;
    int64_t unreadable; // messages that are damaged
    bool differs;
};

enum recover_take { RECOVER_TAKE_BOTH, RECOVER_TAKE_MESSAGE, RECOVER_TAKE_ROW };

// Counts the heads of both lists (NULL: that one is at its end, not both) and says which to move.
enum recover_take recover_see(struct recover_seen *seen, const struct recover_place *row,
                              const struct recover_place *message);
// A message that cannot be read stands where the next one should.
void recover_see_unreadable(struct recover_seen *seen);

// Where the recovery of a service stands.
struct recover_state {
    struct recover_seen seen;
    struct uuid outbox_log;  // the newest one, which new events carry
    struct uuid forked_from; // nil, or the log that the newest one is a fork of
    struct uuid stream_log;  // nil: the stream is empty
    bool stream_mixed;       // it carries several log ids
    bool forking;            // a fork was begun and has not ended
};

// NULL: it may be done; else why not, in the operator's words.
const char *recover_import_refused(const struct recover_state *state);
const char *recover_fork_refused(const struct recover_state *state);

// The steps of a fork that are still to be done, in this order; each may be the last one before a
// kill, and the command, run again, goes on from there.
struct recover_fork_steps {
    bool keep;  // write the stream's extra events into a file
    bool relog; // begin a new log id
    bool empty; // bring reactors to the common event, then delete the stream and make it again
};
struct recover_fork_steps recover_fork_next(const struct recover_state *state);
