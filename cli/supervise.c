// supervise.c - see supervise.h. No I/O, no clock: tests play whole days in a microsecond.
#include "cli/supervise.h"

#include <assert.h>

static void supervise_enter(struct supervise *child, enum supervise_state state, const char *why,
                            int64_t now_ms)
{
    child->state = state;
    child->why = why;
    child->since_ms = now_ms;
}

void supervise_begin(struct supervise *child, const struct supervise_limits *limits, int64_t now_ms)
{
    *child = (struct supervise){.limits = *limits, .due_ms = now_ms};
    supervise_enter(child, SUPERVISE_WAITING, "not started yet", now_ms);
}

bool supervise_is_running(const struct supervise *child)
{
    return child->state != SUPERVISE_WAITING && child->state != SUPERVISE_STOPPED;
}

int64_t supervise_pause_ms(const struct supervise *child)
{
    if (child->state != SUPERVISE_WAITING || child->due_ms == INT64_MAX || child->starts == 0)
        return 0;
    return child->due_ms - child->since_ms;
}

static void supervise_kill(struct supervise *child, const char *why, int64_t now_ms)
{
    child->kill = true;
    child->terminate = false;
    supervise_enter(child, SUPERVISE_KILLED, why, now_ms);
}

// The moment of its state's time limit, INT64_MAX when it has none.
static int64_t limit_ms(const struct supervise *child)
{
    switch (child->state) {
    case SUPERVISE_STARTING:
        return child->limits.start_silence_ms_max
                   ? child->heard_ms + child->limits.start_silence_ms_max
                   : INT64_MAX;
    case SUPERVISE_READY:
        return child->limits.ready_silence_ms_max
                   ? child->heard_ms + child->limits.ready_silence_ms_max
                   : INT64_MAX;
    case SUPERVISE_STOPPING:
        return child->since_ms + child->limits.stop_ms_max;
    case SUPERVISE_WAITING:
    case SUPERVISE_KILLED:
    case SUPERVISE_STOPPED:
        break;
    }
    return INT64_MAX;
}

int64_t supervise_due_ms(const struct supervise *child)
{
    return child->state == SUPERVISE_WAITING ? child->due_ms : limit_ms(child);
}

enum supervise_order supervise_next(struct supervise *child, int64_t now_ms)
{
    if (child->state == SUPERVISE_WAITING && now_ms >= child->due_ms) {
        child->starts++;
        child->heard_ms = now_ms;
        child->probes_failed = 0;
        supervise_enter(child, SUPERVISE_STARTING, "started", now_ms);
        return SUPERVISE_START;
    }
    if (limit_ms(child) <= now_ms)
        supervise_kill(child,
                       child->state == SUPERVISE_STOPPING ? "did not stop in time"
                                                          : "said nothing for too long",
                       now_ms);
    if (child->kill) {
        child->kill = false;
        return SUPERVISE_KILL;
    }
    if (child->terminate) {
        child->terminate = false;
        return SUPERVISE_TERMINATE;
    }
    return SUPERVISE_NOTHING;
}

void supervise_heard(struct supervise *child, int64_t now_ms)
{
    child->heard_ms = now_ms;
}

void supervise_ready(struct supervise *child, int64_t now_ms)
{
    child->heard_ms = now_ms;
    if (child->state == SUPERVISE_STARTING)
        supervise_enter(child, SUPERVISE_READY, "ready", now_ms);
}

void supervise_probed(struct supervise *child, enum supervise_answer answer, int64_t now_ms)
{
    if (answer == SUPERVISE_ANSWER_NONE) {
        if (child->state == SUPERVISE_READY &&
            ++child->probes_failed >= SUPERVISE_PROBES_FAILED_MAX)
            supervise_kill(child, "does not answer", now_ms);
        return;
    }
    child->probes_failed = 0;
    if (answer == SUPERVISE_ANSWER_READY)
        supervise_ready(child, now_ms);
    else
        supervise_heard(child, now_ms);
}

void supervise_exited(struct supervise *child, int64_t now_ms)
{
    assert(supervise_is_running(child));
    bool killed = child->state == SUPERVISE_KILLED;
    bool steady =
        child->state == SUPERVISE_READY && now_ms - child->since_ms >= SUPERVISE_STEADY_MS;
    child->terminate = child->kill = false;
    if (child->stop) {
        supervise_enter(child, SUPERVISE_STOPPED, killed ? "killed" : "stopped", now_ms);
        return;
    }
    if (steady)
        child->failures = 0;
    int64_t pause_ms = SUPERVISE_PAUSE_MS_MIN;
    for (uint32_t i = 0; i < child->failures && pause_ms < SUPERVISE_PAUSE_MS_MAX; i++)
        pause_ms *= 2;
    child->failures++;
    child->due_ms =
        now_ms + (pause_ms < SUPERVISE_PAUSE_MS_MAX ? pause_ms : SUPERVISE_PAUSE_MS_MAX);
    supervise_enter(child, SUPERVISE_WAITING, killed ? child->why : "ended by itself", now_ms);
}

void supervise_lost(struct supervise *child, const char *why, int64_t now_ms)
{
    if (child->state == SUPERVISE_STARTING || child->state == SUPERVISE_READY)
        supervise_kill(child, why, now_ms);
}

void supervise_stop(struct supervise *child, int64_t now_ms)
{
    child->stop = true;
    if (child->state == SUPERVISE_WAITING) {
        supervise_enter(child, SUPERVISE_STOPPED, "stopped", now_ms);
    } else if (child->state == SUPERVISE_STARTING || child->state == SUPERVISE_READY) {
        child->terminate = true;
        supervise_enter(child, SUPERVISE_STOPPING, "asked to stop", now_ms);
    }
}

void supervise_postpone(struct supervise *child, const char *why, int64_t due_ms)
{
    if (child->state != SUPERVISE_WAITING || child->due_ms >= due_ms)
        return;
    child->due_ms = due_ms;
    child->why = why;
}

const char *supervise_state_name(enum supervise_state state)
{
    static const char *const names[] = {
        [SUPERVISE_WAITING] = "waiting", [SUPERVISE_STARTING] = "starting",
        [SUPERVISE_READY] = "ready",     [SUPERVISE_STOPPING] = "stopping",
        [SUPERVISE_KILLED] = "killed",   [SUPERVISE_STOPPED] = "stopped",
    };
    assert(state < sizeof names / sizeof *names);
    return names[state];
}
