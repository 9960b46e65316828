// relay_state.c - see relay_state.h. RELAY_RULE names each rule, so that the tests can take one out
// and see that their simulation notices.
#include "outbox-relay/relay_state.h"

#include <assert.h>
#include <string.h>

#ifndef RELAY_RULE
#define RELAY_RULE(name) true
#endif

void relay_state_init(struct relay_state *state, const struct relay_limits *limits)
{
    *state = (struct relay_state){.phase = RELAY_STANDBY, .limits = *limits, .suspect_n = 1};
    settle_reset(&state->settle, 0);
}

// The one place where the phase changes.
static void relay_enter(struct relay_state *state, enum relay_phase phase, const char *why)
{
    state->phase = phase;
    state->why = why;
    state->waiting_rows = 0;
    state->end_stuck = false;
    state->wait = false;
}

static void relay_wait(struct relay_state *state, int64_t wait_ms)
{
    state->wait = true;
    state->wait_ms = wait_ms;
}

// ---- what next ----------------------------------------------------------------------------------

static bool relay_needs_lease(const struct relay_state *state, int64_t now_ms)
{
    return !state->leased || state->phase == RELAY_STANDBY || state->phase == RELAY_PAUSED ||
           now_ms - state->leased_ms >= state->limits.lease_ms / 4;
}

// The first reading of a stream goes step by step up to its end, each beginning with the last one's
// last message, for their order; then each check rolls on by a few.
static struct relay_step relay_next_verify(const struct relay_state *state)
{
    int64_t end = state->end.last_n, most = state->limits.step_n;
    int64_t first_n = state->verified_n <= end ? state->verified_n : 0;
    if (state->verified) {
        most = RELAY_RULE(ROLL) ? state->limits.verify_n : 0;
        first_n = first_n < end ? first_n + 1 : 1;
    }
    first_n = first_n < 1 ? 1 : first_n;
    int64_t last_n = end - first_n < most ? end : first_n + most - 1;
    return (struct relay_step){.action = RELAY_DO_VERIFY, .first_n = first_n, .last_n = last_n};
}

static struct relay_step relay_next_compare(const struct relay_state *state)
{
    int64_t last_n = state->end.last_n;
    int64_t first_n = state->suspect_n > 0 && RELAY_RULE(SUSPECT) ? state->suspect_n : last_n;
    if (state->damage != NULL)
        first_n = 1;
    if (first_n < last_n - RELAY_SUSPECT_MAX + 1)
        first_n = last_n - RELAY_SUSPECT_MAX + 1;
    if (first_n > last_n || first_n < 1)
        first_n = last_n > 0 ? last_n : 1;
    return (struct relay_step){.action = RELAY_DO_COMPARE,
                               .first_n = first_n,
                               .last_n = last_n,
                               .count = !state->counted || state->damage != NULL,
                               .damaged = state->damage != NULL};
}

static struct relay_step relay_next_follow(const struct relay_state *state)
{
    if (state->waiting_rows > 0)
        return (struct relay_step){.action = RELAY_DO_PUBLISH,
                                   .first_n = state->n + 1,
                                   .last_n = state->n + state->waiting_rows,
                                   .expected_n = RELAY_RULE(EXPECT) ? state->n : -1};
    return (struct relay_step){.action = state->end_stuck ? RELAY_DO_END_STUCK : RELAY_DO_LOOK};
}

struct relay_step relay_next(const struct relay_state *state, int64_t now_ms)
{
    if (state->wait)
        return (struct relay_step){.action = RELAY_DO_WAIT, .wait_ms = state->wait_ms};
    if (relay_needs_lease(state, now_ms))
        return (struct relay_step){.action = RELAY_DO_LEASE};
    if (state->restored && (state->phase == RELAY_FOLLOW || !RELAY_RULE(GUARD)))
        return (struct relay_step){.action = RELAY_DO_ADMIT};
    switch (state->phase) {
    case RELAY_INSPECT:
        return (struct relay_step){.action = RELAY_DO_INSPECT};
    case RELAY_VERIFY:
        return relay_next_verify(state);
    case RELAY_COMPARE:
        return relay_next_compare(state);
    case RELAY_MAKE_AGAIN:
        return (struct relay_step){.action = RELAY_DO_MAKE_AGAIN, .last_n = state->end.last_n};
    case RELAY_FOLLOW:
        return relay_next_follow(state);
    case RELAY_BLOCKED:
        if (now_ms - state->blocked_ms >= state->limits.check_ms)
            return (struct relay_step){.action = RELAY_DO_INSPECT};
        break;
    case RELAY_STANDBY:
    case RELAY_STOPPED:
    case RELAY_PAUSED:
        break;
    }
    return (struct relay_step){.action = RELAY_DO_WAIT, .wait_ms = RELAY_PAUSE_MS};
}

static void relay_resynchronise(struct relay_state *state, const char *why)
{
    if (state->phase != RELAY_STANDBY && state->phase != RELAY_STOPPED &&
        state->phase != RELAY_PAUSED)
        relay_enter(state, RELAY_INSPECT, why);
}

void relay_was_leased(struct relay_state *state, bool held, int64_t now_ms)
{
    state->leased = true;
    state->leased_ms = now_ms;
    if (!held && RELAY_RULE(LEASE)) {
        relay_enter(state, RELAY_STANDBY, "another relay holds the lease");
        relay_wait(state, RELAY_PAUSE_MS);
    } else if (state->phase == RELAY_STANDBY) {
        state->suspect_n = 1; // another one published meanwhile
        relay_enter(state, RELAY_INSPECT, "took the lease");
    }
}

void relay_was_away(struct relay_state *state)
{
    state->suspect_n = 1;
    relay_resynchronise(state, "another relay held the lease meanwhile");
}

void relay_is_held(struct relay_state *state, bool paused, bool restored)
{
    assert(state->phase != RELAY_STANDBY);
    state->restored = restored;
    if (paused && RELAY_RULE(PAUSE)) {
        if (state->phase != RELAY_PAUSED)
            relay_enter(state, RELAY_PAUSED, "an operator paused it");
        relay_wait(state, RELAY_PAUSE_MS);
    } else if (state->phase == RELAY_PAUSED) {
        state->counted = false;
        state->verified = false;
        state->verified_n = 0;
        state->suspect_n = 1;
        relay_enter(state, RELAY_INSPECT, "resumed");
    }
}

// ---- is the stream whole? -----------------------------------------------------------------------

static const char *relay_account_wrong(const struct relay_stream_seen *seen)
{
    if (seen->last_n > 0 && seen->first_n != 1 && RELAY_RULE(HOLES))
        return "its first message is not number 1";
    if ((seen->messages != seen->last_n || seen->deleted != 0) && RELAY_RULE(HOLES))
        return "it has holes";
    if (!seen->config_is_ours && RELAY_RULE(CONFIG))
        return "its configuration was changed";
    return NULL;
}

void relay_was_inspected(struct relay_state *state, const struct relay_stream_seen *seen)
{
    assert(state->phase == RELAY_INSPECT || state->phase == RELAY_BLOCKED);
    const char *wrong = relay_account_wrong(seen);
    state->end = *seen;
    state->damage = wrong;
    if (wrong != NULL)
        relay_enter(state, RELAY_COMPARE, wrong);
    else
        relay_enter(state, RELAY_VERIFY, "its account of itself is good");
}

const char *relay_message_wrong(int64_t n, int64_t carried_n, int64_t last_position,
                                int64_t position)
{
    if ((carried_n != n || position <= last_position) && RELAY_RULE(ORDER))
        return "its messages are not in order";
    return NULL;
}

void relay_was_verified(struct relay_state *state, const char *damage)
{
    assert(state->phase == RELAY_VERIFY);
    if (damage != NULL && RELAY_RULE(VERIFY)) {
        state->damage = damage;
        relay_enter(state, RELAY_COMPARE, damage);
        return;
    }
    state->verified_n = relay_next_verify(state).last_n;
    state->verified |= state->verified_n >= state->end.last_n;
    if (state->verified)
        relay_enter(state, RELAY_COMPARE, "its messages are good");
}

bool relay_event_is_same(const struct uuid *event_id, const struct uuid *log_id, bool found,
                         const struct uuid *found_event_id, const struct uuid *found_log_id)
{
    bool event = !RELAY_RULE(EVENT) || (found && uuid_equal(event_id, found_event_id));
    bool log = !RELAY_RULE(LOG) || (found && uuid_equal(log_id, found_log_id));
    return event && log;
}

void relay_was_compared(struct relay_state *state, const struct relay_compared *compared,
                        int64_t now_ms)
{
    assert(state->phase == RELAY_COMPARE);
    int64_t last_n = state->end.last_n;
    bool counts = relay_next_compare(state).count, same = compared->same;
    if (counts && compared->count != compared->n && RELAY_RULE(COUNT))
        same = false;
    if (state->damage == NULL && compared->damage != NULL) {
        state->damage = compared->damage;
        relay_enter(state, RELAY_COMPARE, state->damage); // the whole of it
        return;
    }
    if (state->damage != NULL && (same || !RELAY_RULE(KEEP))) {
        relay_enter(state, RELAY_MAKE_AGAIN, state->damage);
        return;
    }
    state->n = last_n;
    state->checked_ms = now_ms;
    state->counted |= counts;
    state->suspect_n = same ? 0 : state->suspect_n;
    if (RELAY_RULE(RESET))
        settle_reset(&state->settle, compared->position);
    if (same)
        relay_enter(state, RELAY_FOLLOW, "the stream is whole");
    else
        relay_enter(state, RELAY_STOPPED, "the outbox is older than the stream");
}

void relay_was_made_again(struct relay_state *state)
{
    assert(state->phase == RELAY_MAKE_AGAIN);
    state->verified = false;
    state->verified_n = 0;
    state->suspect_n = 0;
    relay_enter(state, RELAY_INSPECT, "the stream was made again");
}

void relay_has_changed(struct relay_state *state)
{
    assert(state->phase == RELAY_MAKE_AGAIN);
    relay_enter(state, RELAY_INSPECT, "the stream was written to meanwhile");
}

// ---- following ----------------------------------------------------------------------------------

// Behind a look and its publishes.
static void relay_go_on(struct relay_state *state, bool idle, int64_t now_ms)
{
    if (now_ms - state->checked_ms > state->limits.check_ms)
        relay_enter(state, RELAY_INSPECT, "time to check");
    else if (state->settle.state != SETTLE_FOLLOW)
        relay_wait(state, RELAY_HOLE_MS);
    else if (idle)
        relay_wait(state, state->limits.poll_ms);
}

static bool relay_is_stuck(struct relay_state *state, int64_t now_ms)
{
    if (state->settle.state == SETTLE_FOLLOW)
        state->hole_since_ms = 0;
    else if (state->hole_since_ms == 0)
        state->hole_since_ms = now_ms;
    return state->hole_since_ms != 0 && now_ms - state->hole_since_ms >= state->limits.stuck_ms;
}

void relay_was_looked(struct relay_state *state, uint32_t rows, int64_t now_ms)
{
    assert(state->phase == RELAY_FOLLOW && state->waiting_rows == 0);
    state->waiting_rows = rows;
    state->end_stuck = relay_is_stuck(state, now_ms);
    if (rows == 0 && !state->end_stuck)
        relay_go_on(state, true, now_ms);
}

void relay_has_published(struct relay_state *state, int64_t now_ms)
{
    assert(state->phase == RELAY_FOLLOW && state->waiting_rows > 0);
    state->n += state->waiting_rows;
    state->waiting_rows = 0;
    if (!state->end_stuck)
        relay_go_on(state, false, now_ms);
}

void relay_was_blocked(struct relay_state *state, uint32_t published, int64_t now_ms)
{
    assert(state->phase == RELAY_FOLLOW && published < state->waiting_rows);
    state->n += published;
    state->blocked_ms = now_ms;
    relay_enter(state, RELAY_BLOCKED, "the next event cannot be published");
}

void relay_has_ended_stuck(struct relay_state *state, int64_t now_ms)
{
    assert(state->phase == RELAY_FOLLOW && state->end_stuck);
    state->end_stuck = false;
    relay_go_on(state, false, now_ms);
}

void relay_has_admitted(struct relay_state *state)
{
    state->restored = false;
}

void relay_has_waited(struct relay_state *state)
{
    state->wait = false;
}

// ---- what may happen at any time ----------------------------------------------------------------

void relay_publish_has_failed(struct relay_state *state, int64_t acknowledged_n)
{
    if (state->suspect_n == 0)
        state->suspect_n = acknowledged_n + 1;
    if ((state->phase == RELAY_FOLLOW || state->phase == RELAY_BLOCKED) && RELAY_RULE(RESYNC))
        relay_resynchronise(state, "a publish failed");
}

void relay_has_reconnected(struct relay_state *state)
{
    state->verified = false;
    state->verified_n = 0;
    state->suspect_n = 1;
    relay_resynchronise(state, "nats-server was connected again");
}

void relay_has_reconnected_outbox(struct relay_state *state)
{
    state->counted = false;
    relay_resynchronise(state, "PostgreSQL was connected again");
}

void relay_has_failed(struct relay_state *state)
{
    relay_resynchronise(state, "an error");
    relay_wait(state, RELAY_PAUSE_MS);
}

const char *relay_phase_name(enum relay_phase phase)
{
    static const char *const names[] = {
        [RELAY_STANDBY] = "standby",       [RELAY_INSPECT] = "inspecting",
        [RELAY_VERIFY] = "inspecting",     [RELAY_COMPARE] = "inspecting",
        [RELAY_MAKE_AGAIN] = "inspecting", [RELAY_FOLLOW] = "following",
        [RELAY_STOPPED] = "stopped",       [RELAY_BLOCKED] = "blocked",
        [RELAY_PAUSED] = "paused"};
    return names[phase];
}
