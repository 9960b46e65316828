// projection_state.h - what state a projection is in, in one word, from what was seen: no I/O.
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct projection_seen {
    int32_t generation;            // 0: none was made
    bool at_work;                  // an instance of its consumer holds the lease
    int64_t parked_aggregates_max; // of one source
    int64_t lag_events;            // of all sources
};

enum projection_state {
    PROJECTION_MISSING, // never installed
    PROJECTION_FAILING, // more is parked than the consumer takes: it stands still
    PROJECTION_STOPPED, // nobody keeps it up to date
    PROJECTION_BEHIND,
    PROJECTION_LIVE,
};

// The worst that holds.
enum projection_state projection_state_of(const struct projection_seen *seen);
const char *projection_state_name(enum projection_state state);

// Events a second between two looks; below 0: not known, as no time passed or it went back.
double projection_rate(int64_t from_n, int64_t to_n, int64_t ms);
