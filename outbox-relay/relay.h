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

// `nova run relay NAME`: runs until SIGTERM or SIGINT, and takes those signals for
// itself: one a process. Losing PostgreSQL, NATS or the lease ends nothing, it tries again.
// Returns an exit code: not 0, and one line said why, where it may not run at all (a role, sequence
// or server that breaks an invariant of outbox.h, credentials, settings).
int relay_run(const struct settings *settings, const char *name);
