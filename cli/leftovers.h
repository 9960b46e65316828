// leftovers.h - stops what a supervisor that was killed left running in this home.
//
// A process is only touched when it proves to be ours: PostgreSQL by its working folder,
// nats-server by its configuration file, Nova's own by the home in its environment.
#pragma once
#include "base/error.h"
#include "base/settings.h"

// Only while no supervisor runs. `stopped` counts what was found.
MUST_CHECK enum nova_status leftovers_stop(int *stopped, const struct settings *settings,
                                           struct error *err);
