// run.h - `nova run consumer NAME`.
#pragma once
#include "base/settings.h"

// Runs the consumer until SIGTERM or SIGINT, which it takes for itself: one a process. Losing
// PostgreSQL, NATS or the lease ends nothing, it tries again. Returns an exit code: not 0, and one
// line said why, where it cannot begin (no such consumer, credentials, settings).
int consumer_run(const struct settings *settings, const char *name);
