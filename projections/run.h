// run.h - `nova run consumer NAME`.
#pragma once
#include "base/settings.h"

// Runs the consumer until SIGTERM or SIGINT; returns an exit code.
int consumer_run(const struct settings *settings, const char *name);
