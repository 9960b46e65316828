// supervise.h - what to do with a child process: decisions only, time comes in as a number.
//
//     WAITING --due--> STARTING --ready--> READY --exited--> WAITING (after a pause)
//        ^                |                  |
//        |                | exited           | silent, or a probe without answer three times,
//        |                v                  v or whoever watches says so
//        +------------ WAITING            KILLED --exited--> WAITING
//
//     stop:  WAITING -> STOPPED; STARTING, READY -> STOPPING --exited--> STOPPED
//            STOPPING --too long--> KILLED --exited--> STOPPED
//
// The pause doubles from SUPERVISE_PAUSE_MS_MIN to SUPERVISE_PAUSE_MS_MAX; a child that was ready
// for SUPERVISE_STEADY_MS has earned the shortest one again.
//
// Ownership: plain memory of the caller; `why` is a constant sentence.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

enum {
    SUPERVISE_PAUSE_MS_MIN = 100,
    SUPERVISE_STEADY_MS = 10000,
    SUPERVISE_PROBES_FAILED_MAX = 3,
};

enum supervise_state {
    SUPERVISE_WAITING,
    SUPERVISE_STARTING,
    SUPERVISE_READY,
    SUPERVISE_STOPPING,
    SUPERVISE_KILLED,
    SUPERVISE_STOPPED,
};

enum supervise_order { SUPERVISE_NOTHING, SUPERVISE_START, SUPERVISE_TERMINATE, SUPERVISE_KILL };

enum supervise_answer {
    SUPERVISE_ANSWER_READY, // it does its work
    SUPERVISE_ANSWER_BUSY,  // it answers, but not yet (recovery after a crash): leave it alone
    SUPERVISE_ANSWER_NONE,
};

struct supervise_limits {
    int64_t ready_silence_ms_max; // killed when it says nothing for longer; 0: it is probed instead
    int64_t start_silence_ms_max; // the same before it is ready; 0: no limit
    int64_t stop_ms_max;          // killed when stopping takes longer
};

struct supervise {
    struct supervise_limits limits;
    enum supervise_state state;
    const char *why;   // the last change of state
    int64_t since_ms;  // of the state
    int64_t heard_ms;  // the last sign of life
    int64_t due_ms;    // WAITING: when to start
    uint32_t failures; // in a row: the exponent of the pause
    uint32_t probes_failed;
    uint32_t starts;
    bool stop;      // asked to stop, and not to be started again
    bool terminate; // SUPERVISE_TERMINATE is yet to be said
    bool kill;      // SUPERVISE_KILL is yet to be said
};

// Due at once.
void supervise_begin(struct supervise *child, const struct supervise_limits *limits,
                     int64_t now_ms);

// What to do now. START was carried out when supervise_exited or the child's own words follow; a
// start that fails is supervise_exited as well.
enum supervise_order supervise_next(struct supervise *child, int64_t now_ms);
// When supervise_next may answer something else by the passing of time alone; INT64_MAX: never.
int64_t supervise_due_ms(const struct supervise *child);

void supervise_heard(struct supervise *child, int64_t now_ms); // any sign of life
void supervise_ready(struct supervise *child, int64_t now_ms); // it says that it is ready
void supervise_probed(struct supervise *child, enum supervise_answer answer, int64_t now_ms);
void supervise_exited(struct supervise *child, int64_t now_ms);
// It must go, at once, and start again: what it stands on was taken away.
void supervise_lost(struct supervise *child, const char *why, int64_t now_ms);
void supervise_stop(struct supervise *child, int64_t now_ms);
// Not before then, if it is waiting: what it needs is not there.
void supervise_postpone(struct supervise *child, const char *why, int64_t due_ms);

// How long it waits before it is started again; 0: it does not wait, or for something else.
int64_t supervise_pause_ms(const struct supervise *child);
bool supervise_is_running(const struct supervise *child); // there is a process
const char *supervise_state_name(enum supervise_state state);
