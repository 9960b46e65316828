// up.h - `nova up` as a checklist: each step makes sure of one thing, and can be run again.
#pragma once
#include <jansson.h>

#include "base/error.h"
#include "base/settings.h"

struct up {
    const struct settings *settings;
    const char *home;
    bool empty;          // --empty: no sample
    bool running;        // a supervisor was there already
    bool superuser_anew; // its password was just made
    char said[256];      // what the step has to tell: "13 made"
};

// What the step found or did goes to up->said. A step that waits calls up_progress.
typedef enum nova_status up_step(struct up *up, struct error *err);

// The line of the current step on a terminal, replaced each time.
void up_progress(const struct up *up, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// state.json of the supervisor in that home; NULL when there is none. To be released.
json_t *up_state(const char *home);
