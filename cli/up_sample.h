// up_sample.h - what `up` does when everything runs: the sample, and what there is to try.
#pragma once
#include "cli/up.h"

// Brings the sample in through the services, once; with --empty, notes that there is none.
MUST_CHECK enum nova_status up_sample(struct up *up, struct error *err);
bool up_sample_is_done(const char *home);
// Notes that this home gets none, unless it has it already.
MUST_CHECK enum nova_status up_sample_never(const char *home, struct error *err);
// Tells what there is, and one example of each thing to try next.
void up_summarise(const struct up *up);
