// supervisor_state.h - inside of the supervisor: its children, and state.json that tells of them.
#pragma once
#include <limits.h>
#include <time.h>

#include "cli/supervisor.h"

struct child {
    struct supervisor_child is;
    struct supervise supervise;
    pid_t pid; // 0: none
    int log;
    char log_path[PATH_MAX];
    char status[160];   // its own words (STATUS=...)
    char trouble[240];  // what only a person can put right (X_NOVA_TROUBLE=...); "": nothing
    char last_exit[64]; // "signal 9"; "" when it never ended
    time_t since;       // wall clock of the state
    enum supervise_state shown;
    const char *why_shown;
};

struct supervisor {
    char home[PATH_MAX];
    int lock, signals, notify;
    char notify_name[64];
    struct child children[SUPERVISOR_CHILDREN_MAX];
    size_t child_count;
    bool all; // SIGUSR1 came: every child may start
    bool stopping;
    bool changed; // state.json is older than the state
    time_t since;
    int64_t logs_checked_ms, turned_ms;
};

// Replaces <home>/run/state.json; a failure is logged and tried again with the next change.
void supervisor_state_write(struct supervisor *supervisor);
