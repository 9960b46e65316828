// spawn.h - starts another program: as another user, with its output somewhere, and a leash.
//
// Threads:   only from a process with one thread: the child runs code between fork and exec.
// Errors:    what could not be started is named, with the reason.
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct spawn_user { // as whom; all zero with change == false: as we are
    bool change;
    uid_t uid;
    gid_t gid;
};

struct spawn {
    const char *const *argv;        // argv[0] is a path; ends with NULL
    const char *const *environment; // "NAME=value", over ours; ends with NULL; may be NULL
    struct spawn_user user;
    int death_signal; // sent when we die; 0: none
    int output;       // stdout and stderr; -1: ours
};

MUST_CHECK enum nova_status spawn_start(pid_t *out, const struct spawn *spawn, struct error *err);

// Runs it to its end with `input` on stdin (NULL: nothing). A bad end is an error with the last
// lines of its output.
MUST_CHECK enum nova_status spawn_run(const struct spawn *spawn, const char *input,
                                      struct error *err);
