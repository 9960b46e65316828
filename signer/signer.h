// signer.h - the process that makes every service's log verifiable (docs/verifiable-log.md).
//
//   outbox --settled--> stored tree --root--> checkpoint: signed, stored, then published
//
// One signs each log: a lock of the PostgreSQL session that writes. Two that believe they have it
// still cannot sign two roots for one size: tree, checkpoint and subject each take only what
// continues them (docs/decisions/0042). A tree that does not continue what was published is not
// signed: the process says what is wrong, goes on with the other logs, and signs again once the
// tree is what it was, or the log has a new id.
//
// Threads: one process, one thread.
// Errors:  settings, keys and rights that are wrong end it; servers that are away do not.
#pragma once
#include "base/settings.h"

// `nova run signer`, until SIGTERM. Returns an exit code.
int signer_run(const struct settings *settings, const char *name);
