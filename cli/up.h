// up.h - `nova up` as a checklist: each step makes sure of one thing, and can be run again.
#pragma once
#include <jansson.h>

#include "base/error.h"
#include "base/settings.h"
#include "cli/waiting.h"

struct up {
    const struct settings *settings;
    const char *home;
    bool empty;             // --empty: no sample
    bool running;           // a supervisor was there already
    bool superuser_anew;    // its password was just made
    char said[256];         // what the step has to tell: "13 made"
    struct telling telling; // of the step, where no terminal is
};

// What the step found or did goes to up->said. A step that waits calls up_progress.
typedef enum nova_status up_step(struct up *up, struct error *err);

// What the current step waits for: a line that is replaced each time on a terminal, elsewhere a
// line now and then.
void up_progress(struct up *up, const char *format, ...) __attribute__((format(printf, 2, 3)));
int64_t up_clock_ms(void); // monotonic

// state.json of the supervisor in that home; NULL when there is none. To be released.
json_t *up_state(const char *home);
