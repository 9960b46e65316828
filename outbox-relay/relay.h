// relay.h - the outbox relay of one service: publishes its outbox, in strict order, to its stream.
//
//   STANDBY --lease--> INSPECT --whole--> FOLLOW --a publish failed, connection lost--> INSPECT
//                        |   \--damaged: delete, create--> INSPECT (and fills from the first event)
//                        \--the outbox does not hold what the stream ends with--> STOPPED
//
// The stream is the cursor: nothing is stored here. The lease only saves work; the expected
// sequence fences (docs/decisions/0005).
#pragma once
#include "base/settings.h"

// `nova run relay NAME`: runs until SIGTERM or SIGINT. Returns an exit code.
int relay_run(const struct settings *settings, const char *name);
