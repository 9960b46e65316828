// settle.h - how far the relay may read an outbox without ever skipping a late commit.
//
// Positions become visible out of order when transactions overlap, and a rollback leaves a hole
// for ever. This machine is shown what was seen and answers up to where every position is either
// in a batch or void for ever. It does no I/O, so a test can feed it any history.
//
// A look reads the rows FIRST and the lock holders LAST. Why that suffices: a writer takes
// RowExclusiveLock on the outbox before its nextval and keeps it until its commit is visible. At
// the look that shows a hole, whoever may still fill a position up to H (the highest row seen) took
// that position before H became visible, so it held the lock then; it is among the holders read
// afterwards, or it ended in between and the last read shows its row. Once all of those ended, one
// more read shows everything up to H that will ever be there.
//
//   FOLLOW --hole: note H, its writers--> WAIT --they ended--> LAST_READ --void up to H--> FOLLOW
//
// Ownership: plain memory of the caller; a look is borrowed for the call.
// Threads:   one at a time per machine.
// Errors:    none; a look that contradicts itself is our bug and aborts.
// Bounds:    SETTLE_WRITERS_MAX writers noted. With more, a hole is not noted yet: FOLLOW stays
//            and asks again at the next look, so nothing is lost, only delayed.
#pragma once
#include <stdint.h>

#include "base/limits.h"

enum settle_state {
    SETTLE_FOLLOW,    // no hole is known
    SETTLE_WAIT,      // a hole is known; writers that may fill it still run
    SETTLE_LAST_READ, // they ended; the next read is the last word up to the horizon
};

struct outbox_look {
    int64_t prefix_end;      // the last position without a hole from the cursor on
    int64_t highest;         // the highest visible position; prefix_end when there is no hole
    const uint64_t *writers; // virtual transactions that hold the outbox's lock
    uint32_t writer_count;
};

struct settle {
    enum settle_state state;
    int64_t cursor;  // every position up to here was answered: in a batch, or void
    int64_t horizon; // H of the round under way
    uint32_t writer_count;
    uint64_t writers[SETTLE_WRITERS_MAX];
};

// Starts anew from `cursor`. Also on every new connection: what was seen on another one (another
// server, after a failover) proves nothing.
void settle_reset(struct settle *settle, int64_t cursor);

// Takes one look and returns the settled position: rows of that look up to it may be published, and
// what the look does not show up to it is void for ever. Never goes back.
int64_t settle_look(struct settle *settle, const struct outbox_look *look);
