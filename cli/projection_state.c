// projection_state.c - see projection_state.h.
#include "cli/projection_state.h"

#include "base/limits.h"

enum projection_state projection_state_of(const struct projection_seen *seen)
{
    if (seen->generation == 0)
        return PROJECTION_MISSING;
    if (seen->parked_aggregates_max + (seen->lag_events > 0) > INBOX_PARKED_MAX)
        return PROJECTION_FAILING;
    if (!seen->at_work)
        return PROJECTION_STOPPED;
    return seen->lag_events > 0 ? PROJECTION_BEHIND : PROJECTION_LIVE;
}

const char *projection_state_name(enum projection_state state)
{
    static const char *const names[] = {
        [PROJECTION_MISSING] = "missing", [PROJECTION_FAILING] = "failing",
        [PROJECTION_STOPPED] = "stopped", [PROJECTION_BEHIND] = "behind",
        [PROJECTION_LIVE] = "live",
    };
    return names[state];
}

double projection_rate(int64_t from_n, int64_t to_n, int64_t ms)
{
    return ms <= 0 || to_n < from_n ? -1 : (double)(to_n - from_n) * 1000 / (double)ms;
}
