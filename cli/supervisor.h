// supervisor.h - starts children, hears them, and starts them again: the hands of supervise.h.
//
// Each child logs to <home>/logs/<name>.log (a / in a name is a dot there), at most
// SUPERVISOR_LOG_BYTES_MAX and as much again in <name>.log.1. What is going on stands in
// <home>/run/state.json, replaced as a whole whenever it changes. A process of ours tells by
// sd_notify that it is ready and alive; a server is probed.
//
// SIGTERM stops all: the highest stage first, the next one when it is down. SIGUSR1 starts the
// children that wait for it (at_once is false).
//
// Ownership: a struct supervisor_child is copied, what it points to must live as long as the
//            supervisor; the probe is taken.
// Threads:   one thread, and none beside it in the process.
// Errors:    supervisor_create: another one runs (ALREADY_EXISTS), or the home cannot be written.
// Bounds:    SUPERVISOR_CHILDREN_MAX children.
#pragma once
#include "cli/probe.h"
#include "cli/spawn.h"
#include "cli/supervise.h"

struct supervisor;

struct supervisor_child {
    const char *name; // "relay/identity"
    const char *kind; // "relay"
    int stage;        // stopped from the highest to the lowest
    bool at_once;     // started without waiting for SIGUSR1
    int stop_signal;
    struct supervise_limits limits;
    struct spawn spawn;  // output is the supervisor's matter
    struct probe *probe; // NULL: the child speaks for itself by sd_notify
    // Before each start, and every second while it runs: a sentence when it must not run now (the
    // disk is full), else NULL. May be NULL.
    const char *(*forbidden)(void *context, bool runs);
    void *context;
};

MUST_CHECK enum nova_status supervisor_create(struct supervisor **out, const char *home,
                                              struct error *err);
void supervisor_add(struct supervisor *supervisor, const struct supervisor_child *child);
void supervisor_run(struct supervisor *supervisor); // until all is stopped
void supervisor_destroy(struct supervisor **supervisor);

// Who supervises that home: its process id, 0: nobody.
pid_t supervisor_find(const char *home);
