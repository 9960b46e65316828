// runtime.c - see runtime.h. One attempt reads from top to bottom: begin, repeated?, facts, load,
// decide, seal, append, inline, commit.
//
// It is two round trips where the targets are known before anything was looked up: one that begins,
// looks whether the command was seen, and loads; and one that appends and commits. The caller's key
// comes with the load, as nearly everything personal is its caller's.
#include "aggregates/runtime/runtime.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "aggregates/runtime/runtime_internal.h"
#include "base/metrics.h"
#include "proto/sealed.h"

// How old a plan may become. One made while the outbox was a few pages reads all of them, and would
// still when they are many, until statistics are next taken.
enum { PLAN_US = 10 * 1000000 };

enum nova_status runtime_create(struct runtime **out, const char *service, struct pg *pg,
                                const struct seal_key *master, struct error *err)
{
    struct runtime *runtime = calloc(1, sizeof *runtime);
    if (runtime == NULL)
        return error_set(err, NOVA_RESOURCE_EXHAUSTED, "no memory for a runtime");
    assert(strlen(service) < sizeof runtime->service);
    strcpy(runtime->service, service);
    runtime->pg = pg;
    runtime->master = master;
    command_digest_key_make(&runtime->digest_key, master);
    runtime->sql = arena_create();
    runtime->round = arena_create();
    runtime_sql_make(runtime);
    *out = runtime;
    return NOVA_OK;
}

void runtime_destroy(struct runtime **runtime)
{
    if (runtime == NULL || *runtime == NULL)
        return;
    arena_destroy(&(*runtime)->sql);
    arena_destroy(&(*runtime)->round);
    command_digest_key_forget(&(*runtime)->digest_key);
    free(*runtime);
    *runtime = NULL;
}

static int64_t runtime_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

const struct rejection runtime_rejections[RUNTIME_REJECTION_COUNT] = {
#define REJECTION(name, status, text) {#name, NOVA_##status, text},
    RUNTIME_REJECTIONS(REJECTION)
#undef REJECTION
};

enum nova_status runtime_refuse(enum runtime_rejection rejection, struct error *err)
{
    const struct rejection *refused = &runtime_rejections[rejection];
    return error_set(err, refused->status, "%s: %s", refused->name, refused->text);
}

// ---- a repeated command -------------------------------------------------------------------------

enum repeat_column {
    REPEAT_POSITION,
    REPEAT_TYPE,
    REPEAT_AGGREGATE_ID,
    REPEAT_VERSION,
    REPEAT_OCCURRED_AT,
    REPEAT_PAYLOAD,
    REPEAT_DIGEST,
    LOOK_SYNCHRONOUS_COMMIT, // of the first look only
};

static enum nova_status runtime_recorded_of_row(struct recorded *out, struct attempt *a,
                                                const struct pg_result *rows, size_t row)
{
    out->type = contract_event_find(a->runtime->service, pg_get_text(rows, row, REPEAT_TYPE));
    if (out->type == NULL)
        return error_set(a->err, NOVA_DATA_LOSS, "the outbox holds an event of no contract");
    out->payload =
        message_unpack(a->arena, out->type->payload, pg_get_bytea(rows, row, REPEAT_PAYLOAD));
    if (out->payload == NULL)
        return error_set(a->err, NOVA_DATA_LOSS, "the payload of a %s is damaged", out->type->type);
    out->aggregate_id = pg_get_uuid(rows, row, REPEAT_AGGREGATE_ID);
    out->version = pg_get_int8(rows, row, REPEAT_VERSION);
    out->occurred_at_us = pg_get_time_us(rows, row, REPEAT_OCCURRED_AT);
    return NOVA_OK;
}

enum nova_status runtime_rejection_error(struct attempt *a, const struct rejection *rejection)
{
    return error_set(a->err, rejection->status, "%s: %s", rejection->name, rejection->text);
}

enum nova_status runtime_reply(struct attempt *a, const struct recorded *events, uint32_t count)
{
    struct reply reply = {.events = events,
                          .event_count = count,
                          .arena = a->arena,
                          .decision = a->out->repeated ? NULL : &a->decision};
    a->command->rule->reply(&reply);
    assert((reply.message == NULL) != (reply.rejection == NULL));
    a->out->reply = reply.message;
    a->out->event_count = count;
    return reply.rejection == NULL ? NOVA_OK : runtime_rejection_error(a, reply.rejection);
}

// What the digest leaves out is looked at first and always, so that time does not tell which of the
// two differs.
static enum nova_status runtime_is_same(bool *out, struct attempt *a, const struct recorded *first,
                                        const struct pg_result *rows)
{
    bool secret_matches = true;
    enum nova_status status = NOVA_OK;
    struct bytes digest = pg_get_bytea(rows, 0, REPEAT_DIGEST);
    if (a->hooks->secret_matches != NULL)
        status = a->hooks->secret_matches(a->hooks->context, &secret_matches, first, a->runtime->pg,
                                          a->arena, a->err);
    *out = secret_matches && digest.len == sizeof a->digest &&
           sodium_memcmp(digest.data, a->digest, sizeof a->digest) == 0;
    return status;
}

static enum nova_status runtime_answer_again(struct attempt *a, const struct pg_result *rows)
{
    struct recorded *events = arena_alloc(a->arena, pg_rows(rows) * sizeof *events);
    bool same = false;
    for (size_t row = 0; row < pg_rows(rows); row++) {
        enum nova_status status = runtime_recorded_of_row(&events[row], a, rows, row);
        if (status != NOVA_OK)
            return status;
    }
    enum nova_status status = runtime_is_same(&same, a, &events[0], rows);
    if (status == NOVA_OK && !same)
        status = runtime_refuse(RUNTIME_COMMAND_ID_TAKEN, a->err);
    if (status != NOVA_OK)
        return status;
    a->out->position = pg_get_int8(rows, pg_rows(rows) - 1, REPEAT_POSITION);
    a->out->repeated = true;
    return runtime_reply(a, events, (uint32_t)pg_rows(rows));
}

static enum nova_status runtime_looked(struct attempt *a, const struct pg_result *rows)
{
    if (strcmp(pg_get_text(rows, 0, LOOK_SYNCHRONOUS_COMMIT), "off") == 0)
        return error_set(a->err, NOVA_FAILED_PRECONDITION,
                         "synchronous_commit is off: an event would be published and then lost "
                         "in a crash; set it to on for this role");
    bool seen = !pg_is_null(rows, 0, REPEAT_POSITION);
    return seen ? runtime_answer_again(a, rows) : NOVA_OK;
}

// What is read together with the targets.
static size_t runtime_loads_add(struct attempt *a)
{
    const struct uuid *caller = &a->command->caller->user_id;
    runtime_load_add(a->runtime, a->targets, a->arena);
    if (uuid_is_nil(caller))
        return 1;
    runtime_key_add(a->runtime, caller);
    return 2;
}

static void runtime_loads_keep(struct attempt *a, struct pg_result **results, size_t count)
{
    a->loaded = results[0];
    a->caller_key = count > 1 ? results[1] : NULL;
}

size_t runtime_plans_discard(struct runtime *runtime)
{
    int64_t now_us = runtime_now_us();
    if (now_us - runtime->planned_us < PLAN_US && now_us >= runtime->planned_us)
        return 0;
    runtime->planned_us = now_us;
    pg_pipeline_add(runtime->pg, "DISCARD PLANS", NULL, 0);
    return 1;
}

// BEGIN, the durability that publishing relies on, and this command's own events, in one round
// trip; with them what decide needs when that is known already.
static enum nova_status runtime_begin(struct attempt *a, bool with_loads)
{
    struct pg_result *results[5] = {NULL};
    size_t loads = 0;
    struct pg_param params[] = {pg_text(a->command->caller->actor), pg_uuid(&a->command_id)};
    pg_pipeline_begin(a->runtime->pg);
    size_t before = runtime_plans_discard(a->runtime) + 1; // and BEGIN
    pg_pipeline_add(a->runtime->pg, "BEGIN", NULL, 0);
    pg_pipeline_add(a->runtime->pg, a->runtime->sql_look, params, 2);
    if (with_loads)
        loads = runtime_loads_add(a);
    enum nova_status status =
        pg_pipeline_end(results, before + 1 + loads, NULL, a->runtime->pg, a->err);
    if (status == NOVA_OK)
        status = runtime_looked(a, results[before]);
    for (size_t i = 0; i <= before; i++)
        pg_result_destroy(&results[i]);
    runtime_loads_keep(a, &results[before + 1], loads);
    return status;
}

// ---- decide -------------------------------------------------------------------------------------

// What stands in the way may be this very command's effect: another copy of it was appended between
// our first look and the load. Then its answer is ours.
static enum nova_status runtime_rejected(struct attempt *a, const struct rejection *rejection)
{
    struct pg_result *rows = NULL;
    struct pg_param params[] = {pg_text(a->command->caller->actor), pg_uuid(&a->command_id)};
    enum nova_status status =
        pg_query(&rows, a->runtime->pg, a->runtime->sql_command_events, params, 2, a->err);
    if (status == NOVA_OK)
        status = pg_rows(rows) > 0 ? runtime_answer_again(a, rows)
                                   : runtime_rejection_error(a, rejection);
    pg_result_destroy(&rows);
    return status;
}

void runtime_target(struct attempt *a)
{
    a->targets->count = 0;
    a->targets->arena = a->arena;
    a->no_targets = a->command->rule->target(a->targets, &a->decision);
}

static enum nova_status runtime_load_now(struct attempt *a)
{
    struct pg_result *results[2] = {NULL};
    pg_pipeline_begin(a->runtime->pg);
    size_t loads = runtime_loads_add(a);
    enum nova_status status = pg_pipeline_end(results, loads, NULL, a->runtime->pg, a->err);
    runtime_loads_keep(a, results, loads);
    return status;
}

static enum nova_status runtime_decide(struct attempt *a)
{
    enum nova_status status = NOVA_OK;
    if (a->hooks->look_up != NULL) {
        status = a->hooks->look_up(a->hooks->context, a->command, a->runtime->pg, a->arena,
                                   &a->decision.facts, a->err);
        if (status != NOVA_OK)
            return status;
        runtime_target(a);
    }
    if (a->no_targets != NULL)
        return runtime_rejected(a, a->no_targets);
    if (a->loaded == NULL)
        status = runtime_load_now(a);
    if (status != NOVA_OK)
        return status;
    a->decision.aggregate_count = a->targets->count;
    a->decision.aggregates =
        arena_alloc(a->arena, a->targets->count * sizeof *a->decision.aggregates);
    a->snapshot_versions = arena_alloc(a->arena, a->targets->count * sizeof *a->snapshot_versions);
    status = runtime_load_take(a->runtime, a->loaded, a->targets, a->decision.aggregates,
                               a->snapshot_versions, a->arena, a->err);
    if (status != NOVA_OK)
        return status;
    const struct rejection *rejection = a->command->rule->decide(&a->decision);
    return rejection == NULL ? NOVA_OK : runtime_rejected(a, rejection);
}

// ---- append -------------------------------------------------------------------------------------

static enum nova_status runtime_key(struct person_key *out, struct attempt *a,
                                    const struct uuid *person_id)
{
    bool found = false;
    enum nova_status status = NOVA_OK;
    if (a->caller_key != NULL && uuid_equal(person_id, &a->command->caller->user_id))
        status =
            runtime_key_take(out, &found, a->runtime, a->caller_key, a->caller_key_row, a->err);
    return status != NOVA_OK || found ? status
                                      : runtime_key_of_person(out, a->runtime, person_id, a->err);
}

// The key of the person of event i: often the same as the event's before.
static enum nova_status runtime_seal(struct attempt *a, struct pending_event *event,
                                     const struct uuid *event_id, struct person_key *key,
                                     struct uuid *key_person)
{
    if (event->personal == NULL)
        return NOVA_OK;
    if (!uuid_equal(key_person, &event->person_id)) {
        enum nova_status status = runtime_key(key, a, &event->person_id);
        if (status != NOVA_OK)
            return status;
        *key_person = event->person_id;
    }
    contract_sealed_put(
        event->type, event->payload,
        sealed_make(a->arena, event->type, event_id, event->personal, &key->key_id, &key->key));
    return NOVA_OK;
}

const struct uuid *runtime_or_command(const struct attempt *a, const struct uuid *id)
{
    return uuid_is_nil(id) ? &a->command_id : id;
}

static void runtime_append_one(struct attempt *a, const struct uuid *event_id, struct bytes payload)
{
    const struct command *command = a->command;
    const struct pending_event *event = &a->decision.events[0];
    struct pg_param params[] = {
        pg_uuid(event_id),
        pg_text(event->type->type),
        pg_text(event->type->aggregate_type),
        pg_uuid(&event->aggregate->id),
        pg_int8(event->version),
        pg_text(command->caller->actor),
        pg_uuid(&a->command_id),
        pg_int4(0),
        pg_bytea((struct bytes){a->digest, sizeof a->digest}),
        pg_uuid(runtime_or_command(a, &command->correlation_id)),
        pg_uuid(runtime_or_command(a, &command->causation_id)),
        pg_time_us(a->now_us),
        pg_text(command->traceparent),
        pg_bytea(payload),
    };
    pg_pipeline_add(a->runtime->pg, a->runtime->sql_append, params, sizeof params / sizeof *params);
}

static void runtime_append_many(struct attempt *a, const struct uuid *ids,
                                const struct bytes *payloads)
{
    const struct command *command = a->command;
    uint32_t count = a->decision.event_count;
    const char **types = arena_alloc(a->arena, count * sizeof *types);
    const char **aggregate_types = arena_alloc(a->arena, count * sizeof *aggregate_types);
    struct uuid *aggregate_ids = arena_alloc(a->arena, count * sizeof *aggregate_ids);
    int64_t *versions = arena_alloc(a->arena, count * sizeof *versions);
    for (uint32_t i = 0; i < count; i++) {
        const struct pending_event *event = &a->decision.events[i];
        types[i] = event->type->type;
        aggregate_types[i] = event->type->aggregate_type;
        aggregate_ids[i] = event->aggregate->id;
        versions[i] = event->version;
    }
    struct pg_param params[] = {
        pg_uuid_array(a->arena, ids, count),
        pg_text_array(a->arena, types, count),
        pg_text_array(a->arena, aggregate_types, count),
        pg_uuid_array(a->arena, aggregate_ids, count),
        pg_int8_array(a->arena, versions, count),
        pg_bytea_array(a->arena, payloads, count),
        pg_text(command->caller->actor),
        pg_uuid(&a->command_id),
        pg_bytea((struct bytes){a->digest, sizeof a->digest}),
        pg_uuid(runtime_or_command(a, &command->correlation_id)),
        pg_uuid(runtime_or_command(a, &command->causation_id)),
        pg_time_us(a->now_us),
        pg_text(command->traceparent),
    };
    pg_pipeline_add(a->runtime->pg, a->runtime->sql_append_many, params,
                    sizeof params / sizeof *params);
}

// Payloads are packed before the pipeline opens: sealing may need a round trip of its own.
enum nova_status runtime_pack(struct attempt *a, struct bytes *payloads, struct uuid *ids)
{
    struct person_key key;
    struct uuid key_person = {0};
    enum nova_status status = NOVA_OK;
    for (uint32_t i = 0; i < a->decision.event_count && status == NOVA_OK; i++) {
        ids[i] = uuid_v7();
        status = runtime_seal(a, &a->decision.events[i], &ids[i], &key, &key_person);
        if (status != NOVA_OK)
            break;
        payloads[i] = message_pack(a->arena, a->decision.events[i].payload);
        if (payloads[i].len > EVENT_PAYLOAD_BYTES_MAX)
            status = runtime_refuse(RUNTIME_EVENT_TOO_LARGE, a->err);
    }
    seal_key_forget(&key.key);
    return status;
}

static uint32_t runtime_snapshots_add(struct attempt *a)
{
    uint32_t added = 0;
    for (uint32_t i = 0; i < a->decision.aggregate_count; i++) {
        const struct aggregate *aggregate = &a->decision.aggregates[i];
        if (aggregate->version - a->snapshot_versions[i] < RUNTIME_SNAPSHOT_EVENTS)
            continue;
        struct bytes state = {aggregate->state, aggregate->type->state_bytes};
        uint8_t digest[SNAPSHOT_DIGEST_BYTES];
        snapshot_digest(digest, aggregate->type, &aggregate->id, aggregate->version, state);
        struct pg_param params[] = {
            pg_uuid(&aggregate->id),
            pg_text(aggregate->type->name),
            pg_int8(aggregate->version),
            pg_int4((int32_t)aggregate->type->state_version),
            pg_bytea(state),
            pg_bytea((struct bytes){digest, sizeof digest}),
        };
        pg_pipeline_add(a->runtime->pg, a->runtime->sql_snapshot_put, params, 6);
        added++;
    }
    return added;
}

enum nova_status runtime_answer(struct attempt *a)
{
    uint32_t count = a->decision.event_count;
    struct recorded *events = arena_alloc(a->arena, count * sizeof *events);
    for (uint32_t i = 0; i < count; i++) {
        const struct pending_event *event = &a->decision.events[i];
        events[i] = (struct recorded){event->type, event->payload, event->aggregate->id,
                                      event->version, a->now_us};
    }
    return runtime_reply(a, events, count);
}

static enum nova_status runtime_outcome(struct attempt *a, const struct pg_result *positions)
{
    for (uint32_t i = 0; i < a->decision.event_count; i++) {
        int64_t position = pg_get_int8(positions, i, 0);
        assert(position > a->out->position); // in the events' order, as sql.c asks for
        a->out->position = position;
    }
    return runtime_answer(a);
}

static enum nova_status runtime_append(struct attempt *a)
{
    uint32_t count = a->decision.event_count;
    struct bytes *payloads = arena_alloc(a->arena, count * sizeof *payloads);
    struct uuid *ids = arena_alloc(a->arena, count * sizeof *ids);
    enum nova_status status = runtime_pack(a, payloads, ids);
    if (status == NOVA_OK && a->hooks->write_inline != NULL)
        status = a->hooks->write_inline(a->hooks->context, a->command, &a->decision, a->runtime->pg,
                                        a->err);
    if (status != NOVA_OK)
        return status;

    pg_pipeline_begin(a->runtime->pg);
    if (count == 1)
        runtime_append_one(a, &ids[0], payloads[0]);
    else if (count > 1)
        runtime_append_many(a, ids, payloads);
    uint32_t added = (count > 0) + runtime_snapshots_add(a);
    pg_pipeline_add(a->runtime->pg, "COMMIT", NULL, 0);
    struct pg_result **results = arena_alloc(a->arena, (added + 1) * sizeof *results);
    status = pg_pipeline_end(results, added + 1, NULL, a->runtime->pg, a->err);
    if (status == NOVA_OK)
        status = runtime_outcome(a, results[0]);
    for (uint32_t i = 0; i <= added; i++)
        pg_result_destroy(&results[i]);
    return status;
}

// ---- one attempt, and again ---------------------------------------------------------------------

void runtime_attempt_begin(struct attempt *a)
{
    *a->out = (struct outcome){0};
    a->no_targets = NULL;
    a->decision = (struct decision){
        .caller = a->command->caller,
        .request = a->command->request,
        // The same at every repetition, also of a command whose first answer was lost.
        .new_id =
            uuid_v5(&a->command_id, a->command->rule->method, strlen(a->command->rule->method)),
        .now_us = a->now_us,
        .arena = a->arena,
    };
}

static enum nova_status runtime_attempt(struct attempt *a)
{
    runtime_attempt_begin(a);
    bool is_targeted = a->hooks->look_up == NULL; // else the targets depend on the facts
    if (is_targeted)
        runtime_target(a);
    enum nova_status status = runtime_begin(a, is_targeted && a->no_targets == NULL);
    if (status == NOVA_OK && !a->out->repeated)
        status = runtime_decide(a);
    bool writes = a->decision.event_count > 0 || a->decision.writes_inline;
    if (status == NOVA_OK && !a->out->repeated)
        status = writes ? runtime_append(a) : runtime_reply(a, NULL, 0);
    pg_result_destroy(&a->loaded);
    pg_result_destroy(&a->caller_key);
    return status;
}

// Another writer was first: at the version, the command id or a unique fact of an inline table, or
// PostgreSQL chose us as a deadlock's victim. The new state decides.
static bool runtime_lost_a_race(const struct pg *pg)
{
    static const char *const states[] = {"23505", "40001", "40P01"};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (strcmp(pg_failed_state(pg), states[i]) == 0)
            return true;
    return false;
}

void runtime_attempt_make(struct attempt *out, struct runtime *runtime,
                          const struct command *command, const struct runtime_hooks *hooks,
                          struct outcome *outcome, struct arena *arena, struct error *err)
{
    static const struct runtime_hooks no_hooks;
    *out = (struct attempt){
        .runtime = runtime,
        .command = command,
        .hooks = hooks == NULL ? &no_hooks : hooks,
        .arena = arena,
        .err = err,
        .command_id = uuid_is_nil(&command->command_id) ? uuid_v7() : command->command_id,
        .now_us = command->has_occurred_at ? command->occurred_at_us : runtime_now_us(),
        .targets = arena_alloc(arena, sizeof *out->targets),
        .out = outcome,
    };
    command_digest(out->digest, &runtime->digest_key, command->rule->method, command->request,
                   command->wire, arena);
}

enum nova_status runtime_execute(struct outcome *out, struct runtime *runtime,
                                 const struct command *command, const struct runtime_hooks *hooks,
                                 struct arena *arena, struct error *err)
{
    struct error own_err;
    struct attempt a;
    *out = (struct outcome){0};
    runtime_attempt_make(&a, runtime, command, hooks, out, arena, err == NULL ? &own_err : err);
    for (int attempt = 0; attempt < RUNTIME_ATTEMPTS_MAX; attempt++) {
        enum nova_status status = pg_ensure_connected(runtime->pg, a.err);
        if (status != NOVA_OK)
            return status;
        status = runtime_attempt(&a);
        bool lost_a_race = status != NOVA_OK && runtime_lost_a_race(runtime->pg);
        pg_rollback(runtime->pg); // nothing to do after a COMMIT
        if (!lost_a_race)
            return status;
        metrics_add(METRIC_SERVICE_RETRIES, 1);
    }
    return error_set_transient(a.err, NOVA_ABORTED,
                               "other writers were first %d times; try again later",
                               RUNTIME_ATTEMPTS_MAX);
}
