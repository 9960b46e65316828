// waiting.h - how long to go on waiting for what should get further, and when to say so again:
// decisions only, time comes in as a number.
//
// By the clock and not by the number of looks: on a busy machine a look takes longer than the pause
// behind it. What gets further is given more time; what stands still is not.
//
// Ownership: plain memory of the caller.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { WAITING_TELL_FIRST_MS = 5000, WAITING_TELL_EVERY_MS = 10000 };

struct waiting {
    int64_t limit_ms;
    int64_t most;     // the furthest that was seen
    int64_t moved_ms; // when that was
};

void waiting_begin(struct waiting *waiting, int64_t limit_ms, int64_t now_ms);
// How far it is now, in any unit that grows. False: it stood still for the whole limit.
bool waiting_goes_on(struct waiting *waiting, int64_t done, int64_t now_ms);
// There is nothing to wait for at the moment: its time begins anew.
void waiting_rest(struct waiting *waiting, int64_t now_ms);

// When a line of what is waited for is due where no terminal shows it all the time: after
// WAITING_TELL_FIRST_MS, then each WAITING_TELL_EVERY_MS.
struct telling {
    int64_t due_ms;
};

void telling_begin(struct telling *telling, int64_t now_ms);
bool telling_is_due(struct telling *telling, int64_t now_ms);
