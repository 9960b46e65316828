// load.c - the states of a command's aggregates: a snapshot where a good one is, and the events
// after it. A snapshot that is not exactly what we would write is thrown away.
#include <assert.h>
#include <string.h>

#include "aggregates/runtime/runtime_internal.h"
#include "proto/sealed.h"

enum load_column {
    LOAD_AGGREGATE_ID,
    LOAD_VERSION,
    LOAD_TYPE, // NULL: the row is a snapshot
    LOAD_BYTES,
    LOAD_OCCURRED_AT,
    LOAD_STATE_VERSION,
    LOAD_DIGEST,
};

static bool load_snapshot(struct aggregate *aggregate, const struct pg_result *rows, size_t row)
{
    const struct aggregate_type *type = aggregate->type;
    struct bytes state = pg_get_bytea(rows, row, LOAD_BYTES);
    struct bytes digest = pg_get_bytea(rows, row, LOAD_DIGEST);
    int64_t version = pg_get_int8(rows, row, LOAD_VERSION);
    uint8_t expected[SNAPSHOT_DIGEST_BYTES];
    snapshot_digest(expected, type, &aggregate->id, version, state);
    if (state.len != type->state_bytes || digest.len != sizeof expected ||
        (uint32_t)pg_get_int4(rows, row, LOAD_STATE_VERSION) != type->state_version ||
        memcmp(expected, digest.data, sizeof expected) != 0)
        return false;
    memcpy(aggregate->state, state.data, state.len);
    aggregate->version = version;
    return true;
}

// *type is the event's before: most often the same, and then not looked for.
static enum nova_status load_type(const struct contract_event **type, struct runtime *runtime,
                                  const struct aggregate *aggregate, const char *name,
                                  struct error *err)
{
    if (*type != NULL && strcmp((*type)->type, name) == 0 &&
        strcmp((*type)->aggregate_type, aggregate->type->name) == 0)
        return NOVA_OK;
    *type = contract_event_find(runtime->service, name);
    if (*type == NULL)
        return error_set(err, NOVA_DATA_LOSS,
                         "the outbox holds an event type %s that no contract has", name);
    if (strcmp((*type)->aggregate_type, aggregate->type->name) != 0)
        return runtime_refuse(RUNTIME_ID_OF_ANOTHER_KIND, err);
    return NOVA_OK;
}

static enum nova_status load_event(const struct contract_event **last_type, struct runtime *runtime,
                                   struct aggregate *aggregate, const struct pg_result *rows,
                                   size_t row, struct arena *arena, struct error *err)
{
    const char *name = pg_get_text(rows, row, LOAD_TYPE);
    enum nova_status status = load_type(last_type, runtime, aggregate, name, err);
    const struct contract_event *type = *last_type;
    if (status != NOVA_OK)
        return status;
    int64_t version = pg_get_int8(rows, row, LOAD_VERSION);
    if (version != aggregate->version + 1)
        return error_set(err, NOVA_DATA_LOSS, "a %s has version %lld after %lld",
                         aggregate->type->name, (long long)version, (long long)aggregate->version);
    struct recorded recorded = {
        .type = type,
        .payload = message_unpack(arena, type->payload, pg_get_bytea(rows, row, LOAD_BYTES)),
        .aggregate_id = aggregate->id,
        .version = version,
        .occurred_at_us = pg_get_time_us(rows, row, LOAD_OCCURRED_AT),
    };
    if (recorded.payload == NULL)
        return error_set(err, NOVA_DATA_LOSS, "the payload of a %s is no %s", name,
                         type->payload->short_name);
    aggregate->version = version;
    aggregate->type->evolve(aggregate->state, &recorded);
    return NOVA_OK;
}

static struct aggregate *load_find(struct aggregate *aggregates, uint32_t count,
                                   const struct uuid *id)
{
    for (uint32_t i = 0; i < count; i++)
        if (uuid_equal(&aggregates[i].id, id))
            return &aggregates[i];
    return NULL;
}

struct load_rows {
    const struct pg_result *rows;
    size_t first, end;
};

static struct load_rows load_all_rows(const struct pg_result *rows)
{
    return (struct load_rows){rows, 0, pg_rows(rows)};
}

// Folds the rows. *bad_snapshot: one was of no use; the caller loads again without.
static enum nova_status load_fold(struct runtime *runtime, struct load_rows of,
                                  struct aggregate *aggregates, uint32_t count,
                                  int64_t *snapshot_versions, bool *bad_snapshot,
                                  struct arena *arena, struct error *err)
{
    const struct pg_result *rows = of.rows;
    struct aggregate *aggregate = NULL;
    const struct contract_event *type = NULL;
    for (size_t row = of.first; row < of.end; row++) {
        struct uuid id = pg_get_uuid(rows, row, LOAD_AGGREGATE_ID);
        if (aggregate == NULL || !uuid_equal(&aggregate->id, &id))
            aggregate = load_find(aggregates, count, &id);
        assert(aggregate != NULL); // we asked for these ids only
        if (pg_is_null(rows, row, LOAD_TYPE)) {
            if (!load_snapshot(aggregate, rows, row)) {
                *bad_snapshot = true;
                return NOVA_OK;
            }
            snapshot_versions[aggregate - aggregates] = aggregate->version;
            continue;
        }
        enum nova_status status = load_event(&type, runtime, aggregate, rows, row, arena, err);
        if (status != NOVA_OK)
            return status;
    }
    return NOVA_OK;
}

static void load_begin(struct aggregate *aggregates, int64_t *snapshot_versions,
                       const struct targets *targets, struct arena *arena)
{
    for (uint32_t i = 0; i < targets->count; i++) {
        aggregates[i].type = targets->at[i].type;
        aggregates[i].id = targets->at[i].id;
        aggregates[i].version = 0;
        aggregates[i].state = arena_alloc(arena, targets->at[i].type->state_bytes);
        snapshot_versions[i] = 0;
    }
}

// One target has a statement of its own, whose plan PostgreSQL keeps (sql.c).
static const char *load_statement(struct pg_param params[2], struct runtime *runtime,
                                  const struct targets *targets, bool with_snapshots,
                                  struct arena *arena)
{
    params[1] = pg_bool(with_snapshots);
    if (targets->count == 1) {
        params[0] = pg_uuid(&targets->at[0].id);
        return runtime->sql_load_one;
    }
    struct uuid *ids = arena_alloc(arena, targets->count * sizeof *ids);
    for (uint32_t i = 0; i < targets->count; i++)
        ids[i] = targets->at[i].id;
    params[0] = pg_uuid_array(arena, ids, targets->count);
    return runtime->sql_load;
}

static enum nova_status load_drop_snapshots(struct runtime *runtime, const struct targets *targets,
                                            struct arena *arena, struct error *err)
{
    struct uuid *ids = arena_alloc(arena, targets->count * sizeof *ids);
    for (uint32_t i = 0; i < targets->count; i++)
        ids[i] = targets->at[i].id;
    struct pg_param param = pg_uuid_array(arena, ids, targets->count);
    return pg_query(NULL, runtime->pg, runtime->sql_snapshot_drop, &param, 1, err);
}

void runtime_load_add(struct runtime *runtime, const struct targets *targets, struct arena *arena)
{
    struct pg_param params[2];
    const char *sql = load_statement(params, runtime, targets, true, arena);
    pg_pipeline_add(runtime->pg, sql, params, 2);
}

enum nova_status runtime_load_take(struct runtime *runtime, const struct pg_result *rows,
                                   const struct targets *targets, struct aggregate *aggregates,
                                   int64_t *snapshot_versions, struct arena *arena,
                                   struct error *err)
{
    bool bad_snapshot = false;
    load_begin(aggregates, snapshot_versions, targets, arena);
    enum nova_status status = load_fold(runtime, load_all_rows(rows), aggregates, targets->count,
                                        snapshot_versions, &bad_snapshot, arena, err);
    if (status != NOVA_OK || !bad_snapshot)
        return status;
    struct pg_param params[2];
    struct pg_result *all = NULL;
    status = load_drop_snapshots(runtime, targets, arena, err);
    if (status == NOVA_OK)
        status = pg_query(&all, runtime->pg, load_statement(params, runtime, targets, false, arena),
                          params, 2, err);
    load_begin(aggregates, snapshot_versions, targets, arena);
    if (status == NOVA_OK)
        status = load_fold(runtime, load_all_rows(all), aggregates, targets->count,
                           snapshot_versions, &bad_snapshot, arena, err);
    pg_result_destroy(&all);
    return status;
}

enum nova_status runtime_load(struct runtime *runtime, const struct targets *targets,
                              struct aggregate *aggregates, int64_t *snapshot_versions,
                              struct arena *arena, struct error *err)
{
    struct pg_param params[2];
    struct pg_result *rows = NULL;
    const char *sql = load_statement(params, runtime, targets, true, arena);
    enum nova_status status = pg_query(&rows, runtime->pg, sql, params, 2, err);
    if (status == NOVA_OK)
        status =
            runtime_load_take(runtime, rows, targets, aggregates, snapshot_versions, arena, err);
    pg_result_destroy(&rows);
    return status;
}

// ---- several commands at once -------------------------------------------------------------------

void runtime_load_together_add(struct runtime *runtime, const struct uuid *ids, size_t count,
                               struct arena *arena)
{
    struct pg_param params[] = {pg_uuid_array(arena, ids, count), pg_bool(true)};
    pg_pipeline_add(runtime->pg, runtime->sql_load, params, 2);
}

size_t runtime_row_of_id(const struct pg_result *rows, int column, const struct uuid *id)
{
    size_t low = 0, high = pg_rows(rows);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct uuid at = pg_get_uuid(rows, middle, column);
        if (memcmp(at.bytes, id->bytes, sizeof at.bytes) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct load_rows load_rows_of(const struct pg_result *rows, const struct uuid *id)
{
    size_t first = runtime_row_of_id(rows, LOAD_AGGREGATE_ID, id), end = first;
    for (; end < pg_rows(rows); end++) {
        struct uuid at = pg_get_uuid(rows, end, LOAD_AGGREGATE_ID);
        if (!uuid_equal(&at, id))
            break;
    }
    return (struct load_rows){rows, first, end};
}

// Each command has states of its own, also of an aggregate that several of them read: decide
// changes what it decides on.
enum nova_status runtime_load_together_take(bool *usable, struct attempt *a,
                                            const struct pg_result *rows)
{
    bool bad_snapshot = false;
    enum nova_status status = NOVA_OK;
    load_begin(a->decision.aggregates, a->snapshot_versions, a->targets, a->arena);
    for (uint32_t i = 0; i < a->targets->count && status == NOVA_OK && !bad_snapshot; i++)
        status = load_fold(a->runtime, load_rows_of(rows, &a->targets->at[i].id),
                           &a->decision.aggregates[i], 1, &a->snapshot_versions[i], &bad_snapshot,
                           a->arena, a->err);
    *usable = !bad_snapshot;
    return status;
}
