// patience.h - a process that is started before its servers waits for them.
//
// Ownership: borrows the context.
// Threads:   the process's first one, before it begins to work.
// Errors:    those of the attempt that may not pass by themselves; CANCELLED when the process is
//            told to end meanwhile.
// Bounds:    none: it waits for as long as the server is away, and says so (sd_notify, a log line
//            each time its attempts have doubled).
#pragma once
#include <stdbool.h>

#include "base/error.h"

typedef enum nova_status patience_attempt(void *context, struct error *err);

// Calls `attempt` until it does not fail for a passing reason. `what`: "PostgreSQL". `stopped` may
// be NULL: then SIGTERM and SIGINT are blocked by the caller, and looked for.
MUST_CHECK enum nova_status patience(patience_attempt *attempt, void *context, const char *what,
                                     bool (*stopped)(void), struct error *err);
