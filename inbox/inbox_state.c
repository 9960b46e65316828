// inbox_state.c - see inbox_state.h. INBOX_RULE names each rule, so that the tests can take one out
// and see that their simulation notices.
#include "inbox/inbox_state.h"

#include <assert.h>
#include <string.h>

#ifndef INBOX_RULE
#define INBOX_RULE(name) true
#endif

void inbox_state_init(struct inbox_state *state, bool filtered, int64_t wait_ms_max)
{
    memset(state, 0, sizeof *state);
    state->next = INBOX_DO_LOAD;
    state->filtered = filtered;
    state->wait_ms_max = wait_ms_max;
}

static void inbox_enter(struct inbox_state *state, enum inbox_action next, enum inbox_why why)
{
    assert(state->next != INBOX_DO_STOP);
    state->next = next;
    state->why = why;
    if (next != INBOX_DO_COMMIT && next != INBOX_DO_WAIT) {
        state->batch = NULL;
        state->count = 0;
        state->from = 0;
        state->alone = false;
    }
}

static void inbox_wait(struct inbox_state *state, enum inbox_action then, enum inbox_why why)
{
    state->after_wait = then;
    inbox_enter(state, INBOX_DO_WAIT, why);
    if (then != INBOX_DO_COMMIT)
        state->batch = NULL;
}

static void inbox_wait_after_failure(struct inbox_state *state, enum inbox_action then,
                                     enum inbox_why why)
{
    state->attempts++;
    inbox_wait(state, then, why);
}

static int64_t inbox_wait_ms(const struct inbox_state *state)
{
    if (state->why == INBOX_WHY_FAILING || state->why == INBOX_WHY_UNKNOWN)
        return INBOX_FAILING_WAIT_MS;
    int64_t wait_ms = INBOX_WAIT_MS_MIN;
    for (uint32_t i = 1; i < state->attempts && wait_ms < state->wait_ms_max; i++)
        wait_ms *= 2;
    return wait_ms < state->wait_ms_max ? wait_ms : state->wait_ms_max;
}

static bool inbox_is_parked(const struct inbox_state *state, const struct uuid *aggregate_id)
{
    for (uint32_t i = 0; i < state->parked_count; i++)
        if (uuid_equal(&state->parked[i], aggregate_id))
            return true;
    return false;
}

static struct inbox_checkpoint checkpoint_of(const struct inbox_seen *seen)
{
    return (struct inbox_checkpoint){seen->log_id, seen->position, seen->n, seen->event_id};
}

// The whole rest of the batch, or one event of it.
static uint32_t inbox_step_end(const struct inbox_state *state)
{
    return state->alone ? state->from + 1 : state->count;
}

struct inbox_step inbox_next(const struct inbox_state *state)
{
    struct inbox_step step = {.action = state->next, .why = state->why};
    if (state->next == INBOX_DO_WAIT)
        step.wait_ms = inbox_wait_ms(state);
    if (state->next == INBOX_DO_COMMIT) {
        step.from = state->from;
        step.to = inbox_step_end(state);
        step.up = checkpoint_of(&state->batch[step.to - 1]);
    }
    return step;
}

void inbox_was_loaded(struct inbox_state *state, const struct inbox_checkpoint *checkpoint,
                      const struct uuid *parked, uint32_t parked_count)
{
    assert(state->next == INBOX_DO_LOAD);
    state->checkpoint = *checkpoint;
    state->parked_count =
        parked_count <= INBOX_PARKED_MAX + 1 ? parked_count : INBOX_PARKED_MAX + 1;
    if (state->parked_count > 0)
        memcpy(state->parked, parked, state->parked_count * sizeof *parked);
    if (state->parked_count > INBOX_PARKED_MAX) {
        state->failing = true;
        inbox_wait(state, INBOX_DO_LOAD, INBOX_WHY_FAILING);
    } else {
        inbox_enter(state, INBOX_DO_ATTACH, INBOX_WHY_WORK);
    }
}

void inbox_was_attached(struct inbox_state *state, int64_t deliveries)
{
    assert(state->next == INBOX_DO_ATTACH);
    state->delivery = deliveries;
    state->confirmed = state->checkpoint.n == 0 || state->filtered || !INBOX_RULE(EVENT);
    inbox_enter(state, INBOX_DO_READ, INBOX_WHY_WORK);
}

enum inbox_look { LOOK_TAKE, LOOK_SKIP, LOOK_JUMP, LOOK_OTHER_LOG, LOOK_STOP };

// What a message is, seen from the last one that was taken (at first the checkpoint).
static enum inbox_look inbox_look_at(const struct inbox_state *state,
                                     const struct inbox_checkpoint *last,
                                     const struct inbox_seen *seen)
{
    // A filter leaves numbers out, but never a delivery.
    bool jump = state->filtered ? seen->delivery != state->delivery + 1 : seen->n > last->n + 1;
    if (jump && INBOX_RULE(JUMP))
        return LOOK_JUMP;
    if (!state->confirmed && seen->n > last->n)
        return LOOK_JUMP; // the checkpoint's own did not come
    if (!uuid_is_nil(&last->log_id) && !uuid_equal(&last->log_id, &seen->log_id) && INBOX_RULE(LOG))
        return LOOK_OTHER_LOG;
    if (seen->n == last->n && !uuid_is_nil(&last->event_id) &&
        !uuid_equal(&last->event_id, &seen->event_id) && INBOX_RULE(EVENT))
        return LOOK_OTHER_LOG;
    if (seen->n <= last->n && INBOX_RULE(SKIP))
        return LOOK_SKIP;
    if (seen->position <= last->position && INBOX_RULE(JUMP))
        return LOOK_JUMP; // numbered on, but older: no strict log says this
    return seen->stops ? LOOK_STOP : LOOK_TAKE;
}

static enum inbox_verdict inbox_judge(const struct inbox_state *state,
                                      const struct inbox_seen *seen)
{
    if (!seen->wanted)
        return INBOX_NOTHING;
    if (inbox_is_parked(state, &seen->aggregate_id) && INBOX_RULE(BEHIND))
        return INBOX_PARK_BEHIND;
    return INBOX_APPLY;
}

// Nothing of what was read can be taken, and reading on will not change that.
static void inbox_read_nothing(struct inbox_state *state, enum inbox_look look)
{
    if (look == LOOK_OTHER_LOG)
        inbox_enter(state, INBOX_DO_STOP, INBOX_WHY_OTHER_LOG);
    else if (look == LOOK_STOP) {
        state->failing = true;
        inbox_wait_after_failure(state, INBOX_DO_ATTACH, INBOX_WHY_UNKNOWN);
    } else if (look == LOOK_JUMP)
        inbox_wait_after_failure(state, INBOX_DO_ATTACH, INBOX_WHY_JUMP);
    else
        inbox_enter(state, INBOX_DO_READ, INBOX_WHY_WORK); // all were known already
}

void inbox_was_read(struct inbox_state *state, const struct inbox_seen *batch, uint32_t count)
{
    assert(state->next == INBOX_DO_READ);
    assert(count <= INBOX_BATCH_MAX);
    struct inbox_checkpoint last = state->checkpoint;
    enum inbox_look look = LOOK_TAKE;
    uint32_t first = count, end = 0;
    for (uint32_t i = 0; i < count; i++) {
        look = inbox_look_at(state, &last, &batch[i]);
        if (look == LOOK_SKIP && first < count)
            look = LOOK_JUMP; // old ones again in the middle: read anew behind what was taken
        if (look == LOOK_JUMP || look == LOOK_OTHER_LOG || look == LOOK_STOP)
            break;
        state->delivery = batch[i].delivery;
        state->confirmed |= batch[i].n == state->checkpoint.n;
        if (look == LOOK_SKIP)
            continue;
        if (first == count)
            first = i;
        end = i + 1;
        state->verdicts[i] = (uint8_t)inbox_judge(state, &batch[i]);
        last = checkpoint_of(&batch[i]);
    }
    if (first == count) {
        inbox_read_nothing(state, look);
        return;
    }
    inbox_enter(state, INBOX_DO_COMMIT, INBOX_WHY_WORK);
    state->batch = batch;
    state->from = first;
    state->count = end;
    // What the batch was cut for is met again behind it, as the first message.
    state->after_batch = end < count ? INBOX_DO_ATTACH : INBOX_DO_READ;
}

static bool checkpoint_equal(const struct inbox_checkpoint *one,
                             const struct inbox_checkpoint *other)
{
    return one->n == other->n && one->position == other->position &&
           uuid_equal(&one->log_id, &other->log_id);
}

void inbox_was_idle(struct inbox_state *state, int64_t delivered_n, int64_t deliveries,
                    const struct inbox_checkpoint *there)
{
    assert(state->next == INBOX_DO_READ);
    // A filtered source passes over what it filters out, so there only the count of deliveries
    // tells.
    bool whole =
        state->filtered ? deliveries == state->delivery : delivered_n == state->checkpoint.n;
    if (!checkpoint_equal(&state->checkpoint, there) && INBOX_RULE(PLACE))
        inbox_enter(state, INBOX_DO_LOAD, INBOX_WHY_WORK);
    else if (!whole && INBOX_RULE(IDLE))
        inbox_enter(state, INBOX_DO_ATTACH, INBOX_WHY_JUMP);
    else
        state->attempts = 0; // reading works again
}

static void inbox_commit_done(struct inbox_state *state)
{
    state->checkpoint = inbox_next(state).up;
    state->from = inbox_step_end(state);
    state->attempts = 0;
    state->failing = false;
    if (state->from == state->count)
        inbox_enter(state, state->after_batch, INBOX_WHY_WORK);
}

static bool inbox_step_applies(const struct inbox_state *state)
{
    for (uint32_t i = state->from; i < inbox_step_end(state); i++)
        if (state->verdicts[i] == INBOX_APPLY)
            return true;
    return false;
}

// The event failed as the only one of its transaction: it is parked, and what its aggregate has
// further in this batch waits behind it.
static void inbox_park(struct inbox_state *state)
{
    const struct uuid *aggregate_id = &state->batch[state->from].aggregate_id;
    if (state->parked_count >= INBOX_PARKED_MAX && INBOX_RULE(LIMIT)) {
        state->failing = true;
        inbox_wait(state, INBOX_DO_LOAD, INBOX_WHY_FAILING);
        return;
    }
    state->verdicts[state->from] = INBOX_PARK_FAILED;
    if (state->parked_count <= INBOX_PARKED_MAX)
        state->parked[state->parked_count++] = *aggregate_id;
    for (uint32_t i = state->from + 1; i < state->count; i++)
        if (state->verdicts[i] == INBOX_APPLY)
            state->verdicts[i] = (uint8_t)inbox_judge(state, &state->batch[i]);
}

static void inbox_commit_refused(struct inbox_state *state)
{
    if (!inbox_step_applies(state)) // parking itself failed: no event's fault
        inbox_wait_after_failure(state, INBOX_DO_COMMIT, INBOX_WHY_RETRY);
    else if (inbox_step_end(state) - state->from > 1 && INBOX_RULE(ALONE))
        state->alone = true;
    else
        inbox_park(state);
}

void inbox_was_committed(struct inbox_state *state, enum inbox_outcome outcome)
{
    assert(state->next == INBOX_DO_COMMIT);
    if (outcome == INBOX_TRANSIENT && !INBOX_RULE(TRANSIENT))
        outcome = INBOX_PERMANENT;
    if (outcome == INBOX_MOVED && !INBOX_RULE(MOVED))
        outcome = INBOX_DONE;
    switch (outcome) {
    case INBOX_DONE:
        inbox_commit_done(state);
        break;
    case INBOX_TRANSIENT:
        inbox_wait_after_failure(state, INBOX_DO_COMMIT, INBOX_WHY_RETRY);
        break;
    case INBOX_PERMANENT:
        inbox_commit_refused(state);
        break;
    case INBOX_MOVED:
        inbox_enter(state, INBOX_DO_LOAD, INBOX_WHY_WORK);
        break;
    case INBOX_FENCED:
        inbox_enter(state, INBOX_DO_STOP, INBOX_WHY_FENCED);
        break;
    }
}

void inbox_has_waited(struct inbox_state *state)
{
    assert(state->next == INBOX_DO_WAIT);
    inbox_enter(state, state->after_wait, INBOX_WHY_WORK);
}

void inbox_has_failed(struct inbox_state *state)
{
    assert(state->next == INBOX_DO_LOAD || state->next == INBOX_DO_ATTACH ||
           state->next == INBOX_DO_READ);
    // A reader that failed once is not trusted with what comes next. One that cannot begin at the
    // checkpoint may never be able to: the checkpoint may have been moved meanwhile, by a rebuild.
    enum inbox_action then = state->next == INBOX_DO_READ ? INBOX_DO_ATTACH : INBOX_DO_LOAD;
    if (!INBOX_RULE(AGAIN) && state->next == INBOX_DO_ATTACH)
        then = INBOX_DO_ATTACH;
    inbox_wait_after_failure(state, then, INBOX_WHY_RETRY);
}

enum inbox_verdict inbox_verdict_of(const struct inbox_state *state, uint32_t i)
{
    assert(state->next == INBOX_DO_COMMIT && i >= state->from && i < state->count);
    return (enum inbox_verdict)state->verdicts[i];
}
