// together.c - several commands in one transaction (group commit, decision 0046). One round reads
// from top to bottom: choose, begin, decide each, seal each, append, end each.
//
// It is two round trips, however many commands there are: one that begins, looks which of them were
// seen before, and loads; and one that appends and commits. (One between them makes the keys of
// persons who have none yet.) Only what is ordinary is done here: one new event of one aggregate by
// whom it belongs to. Whatever else a command turns out to be
// is left to runtime.c, afterwards and by itself: it is marked to go alone, and nothing of it was
// written. So there is one place that knows how to repeat an answer, to decide again and to give
// up.
//
// When a row meets another writer's, nothing was written, and the same rows are sent once more so
// that such a row is left out (ON CONFLICT DO NOTHING): what was decided holds for as long as its
// version is free. Of half of a command that cannot be said: several events go alone, too.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "aggregates/runtime/group.h"
#include "aggregates/runtime/runtime_internal.h"
#include "base/metrics.h"

// Where a command of the round stands.
enum member_state {
    MEMBER_OPEN,     // not decided yet
    MEMBER_APPENDS,  // its event is to be appended
    MEMBER_REJECTED, // refused, unless its own former effect is why
    MEMBER_DONE,     // its status is known
    MEMBER_LATER,    // it goes with another round
    MEMBER_ALONE,    // it goes by itself
};

struct member {
    struct execution *execution;
    struct attempt attempt;
    enum member_state state;
    const struct rejection *rejection;
    struct uuid event_id;
    struct bytes payload;
};

struct round {
    struct runtime *runtime;
    struct arena *arena;
    struct member *members;
    size_t count;
    struct pg_result *looked, *loaded, *keys;
    struct uuid *callers; // who are somebody: the persons of the keys
    size_t caller_count;
    bool made_keys; // in this transaction: they go with it
    struct error err;
};

// ---- choose -------------------------------------------------------------------------------------

static void round_add(struct round *round, struct execution *execution)
{
    struct member *member = &round->members[round->count++];
    member->execution = execution;
    runtime_attempt_make(&member->attempt, round->runtime, execution->command, NULL,
                         &execution->outcome, execution->arena, &execution->err);
}

static void round_choose(struct round *round, struct execution **executions, size_t count)
{
    struct group *group = arena_alloc(round->arena, sizeof *group);
    size_t most = count < COMMANDS_TOGETHER_MAX ? count : COMMANDS_TOGETHER_MAX;
    round->members = arena_alloc(round->arena, most * sizeof *round->members);
    group_begin(group);
    for (size_t i = 0; i < count; i++) {
        struct execution *execution = executions[i];
        const struct command *command = execution->command;
        if (!execution->alone &&
            group_admit(group, &command->command_id, &execution->appends_to, command->wire.len))
            round_add(round, execution);
    }
}

// ---- begin --------------------------------------------------------------------------------------

static void round_look_add(struct round *round, enum member_state state)
{
    const char **actors = arena_alloc(round->arena, round->count * sizeof *actors);
    struct uuid *ids = arena_alloc(round->arena, round->count * sizeof *ids);
    size_t count = 0;
    for (size_t i = 0; i < round->count; i++) {
        const struct member *member = &round->members[i];
        if (member->state != state)
            continue;
        actors[count] = member->execution->command->caller->actor;
        ids[count++] = member->attempt.command_id;
    }
    struct pg_param params[] = {pg_text_array(round->arena, actors, count),
                                pg_uuid_array(round->arena, ids, count)};
    pg_pipeline_add(round->runtime->pg, round->runtime->sql_look_together, params, 2);
}

static void round_load_add(struct round *round)
{
    size_t count = 0;
    for (size_t i = 0; i < round->count; i++)
        count += round->members[i].attempt.targets->count;
    struct uuid *ids = arena_alloc(round->arena, count * sizeof *ids);
    round->callers = arena_alloc(round->arena, round->count * sizeof *round->callers);
    count = 0;
    for (size_t i = 0; i < round->count; i++) {
        const struct attempt *a = &round->members[i].attempt;
        for (uint32_t t = 0; t < a->targets->count; t++)
            ids[count++] = a->targets->at[t].id;
        if (!uuid_is_nil(&a->command->caller->user_id))
            round->callers[round->caller_count++] = a->command->caller->user_id;
    }
    runtime_load_together_add(round->runtime, ids, count, round->arena);
    runtime_keys_together_add(round->runtime, round->callers, round->caller_count, round->arena);
}

static enum nova_status round_begin(struct round *round)
{
    struct runtime *runtime = round->runtime;
    struct pg_result *results[5] = {NULL};
    for (size_t i = 0; i < round->count; i++) {
        runtime_attempt_begin(&round->members[i].attempt);
        runtime_target(&round->members[i].attempt);
    }
    pg_pipeline_begin(runtime->pg);
    size_t before = runtime_plans_discard(runtime) + 1; // and BEGIN
    pg_pipeline_add(runtime->pg, "BEGIN", NULL, 0);
    round_look_add(round, MEMBER_OPEN);
    round_load_add(round);
    enum nova_status status = pg_pipeline_end(results, before + 3, NULL, runtime->pg, &round->err);
    for (size_t i = 0; i < before; i++)
        pg_result_destroy(&results[i]);
    round->looked = results[before];
    round->loaded = results[before + 1];
    round->keys = results[before + 2];
    return status;
}

// ---- decide -------------------------------------------------------------------------------------

enum look_column { LOOK_SEEN, LOOK_SYNCHRONOUS_COMMIT };

static void member_end(struct member *member, enum nova_status status)
{
    member->state = MEMBER_DONE;
    member->execution->status = status;
}

static bool member_was_seen(const struct pg_result *looked, size_t row)
{
    return !pg_is_null(looked, row, LOOK_SEEN);
}

static bool member_wants_a_snapshot(const struct attempt *a)
{
    for (uint32_t i = 0; i < a->decision.aggregate_count; i++)
        if (a->decision.aggregates[i].version - a->snapshot_versions[i] >= RUNTIME_SNAPSHOT_EVENTS)
            return true;
    return false;
}

static bool member_is_ordinary(const struct member *member)
{
    const struct attempt *a = &member->attempt;
    const struct decision *decision = &a->decision;
    return decision->event_count == 1 && !decision->writes_inline && !member_wants_a_snapshot(a) &&
           (decision->events[0].personal == NULL ||
            uuid_equal(&decision->events[0].person_id, &a->command->caller->user_id));
}

static void member_decide(struct member *member, struct round *round)
{
    struct attempt *a = &member->attempt;
    struct decision *decision = &a->decision;
    bool usable = true;
    enum nova_status status = NOVA_OK;
    member->rejection = a->no_targets;
    if (member->rejection == NULL) {
        uint32_t count = decision->aggregate_count = a->targets->count;
        decision->aggregates = arena_alloc(a->arena, count * sizeof *decision->aggregates);
        a->snapshot_versions = arena_alloc(a->arena, count * sizeof *a->snapshot_versions);
        status = runtime_load_together_take(&usable, a, round->loaded);
        if (status == NOVA_OK && usable)
            member->rejection = a->command->rule->decide(decision);
    }
    if (status != NOVA_OK || !usable)
        member->state = MEMBER_ALONE; // which says why, or throws the snapshot away
    else if (member->rejection != NULL)
        member->state = MEMBER_REJECTED;
    else if (decision->event_count == 0 && !decision->writes_inline)
        member_end(member, runtime_reply(a, NULL, 0)); // there was nothing to do
    else
        member->state = member_is_ordinary(member) ? MEMBER_APPENDS : MEMBER_ALONE;
}

static void round_decide(struct round *round)
{
    for (size_t i = 0; i < round->count; i++) {
        struct member *member = &round->members[i];
        const char *durable = pg_get_text(round->looked, i, LOOK_SYNCHRONOUS_COMMIT);
        if (strcmp(durable, "off") == 0 || member_was_seen(round->looked, i))
            member->state = MEMBER_ALONE; // which says why, or answers again
        else
            member_decide(member, round);
    }
}

// ---- seal ---------------------------------------------------------------------------------------

static size_t member_key_row(const struct member *member, const struct round *round)
{
    return runtime_keys_together_find(round->keys, &member->execution->command->caller->user_id);
}

static bool member_is_personal(const struct member *member)
{
    return member->state == MEMBER_APPENDS && member->attempt.decision.events[0].personal != NULL;
}

// Of persons whose first event this is.
static enum nova_status round_make_keys(struct round *round)
{
    struct uuid *missing = arena_alloc(round->arena, round->count * sizeof *missing);
    size_t count = 0;
    for (size_t i = 0; i < round->count; i++) {
        const struct member *member = &round->members[i];
        if (member_is_personal(member) && member_key_row(member, round) == pg_rows(round->keys))
            missing[count++] = member->execution->command->caller->user_id;
    }
    if (count == 0)
        return NOVA_OK;
    pg_result_destroy(&round->keys);
    round->made_keys = true;
    return runtime_keys_together_make(&round->keys, round->runtime, missing, count, round->callers,
                                      round->caller_count, round->arena, &round->err);
}

static void member_seal(struct member *member, const struct round *round)
{
    struct attempt *a = &member->attempt;
    a->caller_key = round->keys;
    a->caller_key_row = member_key_row(member, round);
    enum nova_status status = runtime_pack(a, &member->payload, &member->event_id);
    a->caller_key = NULL; // it is the round's
    if (status != NOVA_OK)
        member_end(member, status);
}

// Whom the group takes; what is personal of it is sealed.
static void round_seal(struct round *round)
{
    struct group *group = arena_alloc(round->arena, sizeof *group);
    group_begin(group);
    for (size_t i = 0; i < round->count; i++) {
        struct member *member = &round->members[i];
        struct execution *execution = member->execution;
        if (member->state != MEMBER_APPENDS)
            continue;
        execution->appends_to = member->attempt.decision.events[0].aggregate->id;
        if (group_admit(group, &member->attempt.command_id, &execution->appends_to,
                        execution->command->wire.len))
            member_seal(member, round);
        else
            member->state = MEMBER_LATER;
    }
}

// ---- append -------------------------------------------------------------------------------------

// In the order of the aggregates' ids: two transactions that meet at several rows wait for each
// other at the first of them, and not crosswise.
static int member_order(const void *left, const void *right)
{
    const struct member *const *a = left, *const *b = right;
    return memcmp((*a)->execution->appends_to.bytes, (*b)->execution->appends_to.bytes,
                  sizeof(struct uuid));
}

static size_t round_appending(struct member **out, const struct round *round)
{
    size_t count = 0;
    for (size_t i = 0; i < round->count; i++)
        if (round->members[i].state == MEMBER_APPENDS)
            out[count++] = &round->members[i];
    qsort(out, count, sizeof *out, member_order);
    return count;
}

static bool round_has(const struct round *round, enum member_state state)
{
    for (size_t i = 0; i < round->count; i++)
        if (round->members[i].state == state)
            return true;
    return false;
}

// The columns of the INSERT: one array each.
struct columns {
    struct uuid *event_ids, *aggregate_ids, *command_ids, *correlation_ids, *causation_ids;
    const char **types, **aggregate_types, **actors, **traceparents;
    struct bytes *digests, *payloads;
    int64_t *versions, *occurred_at_us;
};

static struct columns columns_alloc(struct arena *arena, size_t count)
{
    return (struct columns){
        .event_ids = arena_alloc(arena, count * sizeof(struct uuid)),
        .aggregate_ids = arena_alloc(arena, count * sizeof(struct uuid)),
        .command_ids = arena_alloc(arena, count * sizeof(struct uuid)),
        .correlation_ids = arena_alloc(arena, count * sizeof(struct uuid)),
        .causation_ids = arena_alloc(arena, count * sizeof(struct uuid)),
        .types = arena_alloc(arena, count * sizeof(char *)),
        .aggregate_types = arena_alloc(arena, count * sizeof(char *)),
        .actors = arena_alloc(arena, count * sizeof(char *)),
        .traceparents = arena_alloc(arena, count * sizeof(char *)),
        .digests = arena_alloc(arena, count * sizeof(struct bytes)),
        .payloads = arena_alloc(arena, count * sizeof(struct bytes)),
        .versions = arena_alloc(arena, count * sizeof(int64_t)),
        .occurred_at_us = arena_alloc(arena, count * sizeof(int64_t)),
    };
}

static void columns_set(struct columns *columns, size_t i, const struct member *member)
{
    const struct attempt *a = &member->attempt;
    const struct command *command = a->command;
    const struct pending_event *event = &a->decision.events[0];
    columns->event_ids[i] = member->event_id;
    columns->types[i] = event->type->type;
    columns->aggregate_types[i] = event->type->aggregate_type;
    columns->aggregate_ids[i] = event->aggregate->id;
    columns->versions[i] = event->version;
    columns->actors[i] = command->caller->actor;
    columns->command_ids[i] = a->command_id;
    columns->digests[i] = (struct bytes){a->digest, sizeof a->digest};
    columns->correlation_ids[i] = *runtime_or_command(a, &command->correlation_id);
    columns->causation_ids[i] = *runtime_or_command(a, &command->causation_id);
    columns->occurred_at_us[i] = a->now_us;
    columns->traceparents[i] = command->traceparent;
    columns->payloads[i] = member->payload;
}

static void round_append_add(struct round *round, const char *sql, struct member *const *members,
                             size_t count)
{
    struct arena *arena = round->arena;
    struct columns of = columns_alloc(arena, count);
    for (size_t i = 0; i < count; i++)
        columns_set(&of, i, members[i]);
    struct pg_param params[] = {
        pg_uuid_array(arena, of.event_ids, count),
        pg_text_array(arena, of.types, count),
        pg_text_array(arena, of.aggregate_types, count),
        pg_uuid_array(arena, of.aggregate_ids, count),
        pg_int8_array(arena, of.versions, count),
        pg_text_array(arena, of.actors, count),
        pg_uuid_array(arena, of.command_ids, count),
        pg_bytea_array(arena, of.digests, count),
        pg_uuid_array(arena, of.correlation_ids, count),
        pg_uuid_array(arena, of.causation_ids, count),
        pg_time_us_array(arena, of.occurred_at_us, count),
        pg_text_array(arena, of.traceparents, count),
        pg_bytea_array(arena, of.payloads, count),
    };
    pg_pipeline_add(round->runtime->pg, sql, params, sizeof params / sizeof *params);
}

// ---- end ----------------------------------------------------------------------------------------

// Rows come in the order they were given; one that is missing met another writer's.
static void round_end_appended(struct member *const *members, size_t count,
                               const struct pg_result *rows)
{
    size_t row = 0;
    int64_t last = 0;
    for (size_t i = 0; i < count; i++) {
        struct member *member = members[i];
        struct uuid id = row < pg_rows(rows) ? pg_get_uuid(rows, row, 1) : (struct uuid){0};
        if (!uuid_equal(&id, &member->event_id)) {
            metrics_add(METRIC_SERVICE_RETRIES, 1);
            member->state = MEMBER_ALONE;
            continue;
        }
        member->attempt.out->position = pg_get_int8(rows, row++, 0);
        assert(member->attempt.out->position > last);
        last = member->attempt.out->position;
        member_end(member, runtime_answer(&member->attempt));
    }
    assert(row == pg_rows(rows));
    metrics_add(METRIC_SERVICE_GROUPS, row > 0);
    metrics_add(METRIC_SERVICE_GROUPED, (int64_t)row);
}

// What stands in the way of a command may be its own effect, appended by another copy of it since
// the first look: then its answer is that of a repeated one.
static void round_end_rejected(struct round *round, const struct pg_result *looked)
{
    size_t row = 0;
    for (size_t i = 0; i < round->count; i++) {
        struct member *member = &round->members[i];
        if (member->state != MEMBER_REJECTED)
            continue;
        if (member_was_seen(looked, row++))
            member->state = MEMBER_ALONE;
        else
            member_end(member, runtime_rejection_error(&member->attempt, member->rejection));
    }
}

// Nothing was written, unless the connection was lost: then nobody knows, and each is told so.
static void round_failed(struct round *round)
{
    bool is_lost = !pg_is_connected(round->runtime->pg);
    for (size_t i = 0; i < round->count; i++) {
        struct member *member = &round->members[i];
        if (member->state != MEMBER_OPEN && member->state != MEMBER_APPENDS &&
            member->state != MEMBER_REJECTED)
            continue;
        member->state = MEMBER_ALONE;
        if (is_lost) {
            member->execution->err = round->err;
            member_end(member, round->err.status);
        }
    }
}

// again: in a new transaction, without the rows that are another's.
static enum nova_status round_append(struct round *round, struct member *const *members,
                                     size_t count, bool again)
{
    struct pg *pg = round->runtime->pg;
    struct pg_result *results[4] = {NULL};
    const bool has_rejected = round_has(round, MEMBER_REJECTED);
    const size_t append_at = again, look_at = append_at + (count > 0);
    const size_t added = look_at + has_rejected + 1;
    pg_pipeline_begin(pg);
    if (again)
        pg_pipeline_add(pg, "BEGIN", NULL, 0);
    if (count > 0)
        round_append_add(round,
                         again ? round->runtime->sql_append_but_taken
                               : round->runtime->sql_append_together,
                         members, count);
    if (has_rejected)
        round_look_add(round, MEMBER_REJECTED);
    pg_pipeline_add(pg, "COMMIT", NULL, 0);
    enum nova_status status = pg_pipeline_end(results, added, NULL, pg, &round->err);
    if (status == NOVA_OK && has_rejected)
        round_end_rejected(round, results[look_at]);
    if (status == NOVA_OK && count > 0)
        round_end_appended(members, count, results[append_at]);
    for (size_t i = 0; i < added; i++)
        pg_result_destroy(&results[i]);
    return status;
}

static void round_commit(struct round *round)
{
    static const char unique_violation[] = "23505";
    struct pg *pg = round->runtime->pg;
    struct member **members = arena_alloc(round->arena, round->count * sizeof *members);
    size_t count = round_appending(members, round);
    if (count == 0 && !round_has(round, MEMBER_REJECTED)) {
        pg_rollback(pg);
        return;
    }
    enum nova_status status = round_append(round, members, count, false);
    // Keys that were made went with the transaction, and what they sealed is lost with them.
    if (status != NOVA_OK && !round->made_keys &&
        strcmp(pg_failed_state(pg), unique_violation) == 0)
        status = round_append(round, members, count, true);
    if (status != NOVA_OK)
        round_failed(round);
}

static void round_run(struct round *round)
{
    enum nova_status status = pg_ensure_connected(round->runtime->pg, &round->err);
    if (status == NOVA_OK)
        status = round_begin(round);
    if (status == NOVA_OK) {
        round_decide(round);
        status = round_make_keys(round);
    }
    if (status == NOVA_OK) {
        round_seal(round);
        round_commit(round);
    } else {
        round_failed(round);
    }
    pg_result_destroy(&round->looked);
    pg_result_destroy(&round->loaded);
    pg_result_destroy(&round->keys);
    for (size_t i = 0; i < round->count; i++) {
        round->members[i].execution->alone = round->members[i].state == MEMBER_ALONE;
        round->members[i].execution->done = round->members[i].state == MEMBER_DONE;
    }
}

// ---- one call -----------------------------------------------------------------------------------

static void execute_alone(struct execution *execution, struct runtime *runtime)
{
    execution->status = runtime_execute(&execution->outcome, runtime, execution->command, NULL,
                                        execution->arena, &execution->err);
    execution->done = true;
}

// Those that are left to the front, in their order.
static size_t sort_out_done(struct execution **executions, size_t count, struct arena *arena)
{
    struct execution **done = arena_alloc(arena, count * sizeof *done);
    size_t left = 0, done_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (executions[i]->done)
            done[done_count++] = executions[i];
        else
            executions[left++] = executions[i];
    }
    memcpy(executions + left, done, done_count * sizeof *done);
    return left;
}

size_t runtime_execute_together(struct execution **executions, size_t count,
                                struct runtime *runtime)
{
    struct round round = {.runtime = runtime, .arena = runtime->round};
    assert(count > 0);
    arena_reset(round.arena);
    round_choose(&round, executions, count);
    if (round.count > 1)
        round_run(&round);
    else
        execute_alone(round.count == 1 ? round.members[0].execution : executions[0], runtime);
    return sort_out_done(executions, count, round.arena);
}
