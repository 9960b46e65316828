// waiting.c - see waiting.h.
#include "cli/waiting.h"

void waiting_begin(struct waiting *waiting, int64_t limit_ms, int64_t now_ms)
{
    *waiting = (struct waiting){limit_ms, INT64_MIN, now_ms};
}

bool waiting_goes_on(struct waiting *waiting, int64_t done, int64_t now_ms)
{
    if (done > waiting->most) {
        waiting->most = done;
        waiting->moved_ms = now_ms;
    }
    return now_ms - waiting->moved_ms < waiting->limit_ms;
}

void waiting_rest(struct waiting *waiting, int64_t now_ms)
{
    waiting->moved_ms = now_ms;
}

void telling_begin(struct telling *telling, int64_t now_ms)
{
    telling->due_ms = now_ms + WAITING_TELL_FIRST_MS;
}

bool telling_is_due(struct telling *telling, int64_t now_ms)
{
    if (now_ms < telling->due_ms)
        return false;
    telling->due_ms = now_ms + WAITING_TELL_EVERY_MS;
    return true;
}
