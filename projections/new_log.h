// new_log.h - what a new log id of a service means for those who read its stream.
//
// Everybody's checkpoint names a log that is gone. A projection is rebuilt. A reactor is not, for
// its effects must not come twice: its checkpoint moves to the last event that both logs have in
// common, if it had seen more, and takes the new log id.
//
// Ownership: borrows everything.
// Threads:   one at a time.
// Errors:    of PostgreSQL and NATS; each step may be done again.
#pragma once
#include "base/settings.h"
#include "inbox/inbox_state.h"

// `common`: that last event, under its new log id; n 0: there is none. *count: reactors moved.
MUST_CHECK enum nova_status new_log_reactors(size_t *count, const struct settings *settings,
                                             const char *source,
                                             const struct inbox_checkpoint *common,
                                             struct error *err);

// Rebuilds every projection that reads `source`; `told` hears of each, before it begins.
MUST_CHECK enum nova_status new_log_projections(const struct settings *settings, const char *source,
                                                void (*told)(const char *projection),
                                                struct error *err);
