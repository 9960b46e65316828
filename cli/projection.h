// projection.h - the parts of `nova projection` that change something or compare; projection_list.h
// is the one that looks.
#pragma once
#include "base/settings.h"
#include "projections/consumers.h"

struct projection_arguments {
    const struct projection *projection;
    int64_t until_us;   // rebuild's; 0: to the end
    bool drop_former;   // rebuild's
    bool from_outbox;   // rebuild's and verify's
    int32_t generation; // switch's
    bool as_json;       // verify's
};

int projection_rebuild(const struct settings *settings, const struct projection_arguments *given);
int projection_switch(const struct settings *settings, const struct projection_arguments *given);
int projection_abort(const struct settings *settings, const struct projection_arguments *given);
// Exit code 0: equal, 1: not equal, 3: nobody knows.
int projection_verify(const struct settings *settings, const struct projection_arguments *given);

// The progress of a fill: a line on a terminal, replaced each time, with the share that is done,
// the rate and the time that is left; elsewhere a line now and then.
struct projection_bar {
    int64_t began_ms, began_applied, shown_ms; // began_applied below 0: nothing was seen yet
};
struct fill_progress;
void projection_bar_show(void *bar, const struct fill_progress *progress);
void projection_bar_end(void);
