// outbox.c - see outbox.h.
#include "outbox-relay/outbox.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "pg/event_row.h"

#define COLUMNS EVENT_ROW_COLUMNS ", " EVENT_ROW_EXTRA

void outbox_open(struct outbox *out, const char *service, struct pg *pg)
{
    *out = (struct outbox){.service = service, .pg = pg, .sql = arena_create()};
    out->sql_rows = arena_printf(out->sql,
                                 "SELECT " COLUMNS " FROM (SELECT *, sum(octet_length(payload))"
                                 " OVER (ORDER BY position) - octet_length(payload) AS before"
                                 " FROM (SELECT " COLUMNS " FROM %s.outbox WHERE position > $1"
                                 " ORDER BY position LIMIT $2) few) fewer"
                                 " WHERE before < %d ORDER BY position",
                                 service, RELAY_BATCH_BYTES_MAX);
    out->sql_rows_to = arena_printf(out->sql,
                                    "SELECT " COLUMNS " FROM %s.outbox WHERE position > $1"
                                    " AND position <= $2 ORDER BY position",
                                    service);
    out->sql_holders = arena_printf(
        out->sql,
        "SELECT DISTINCT virtualtransaction FROM pg_locks WHERE locktype = 'relation'"
        " AND mode = 'RowExclusiveLock' AND granted AND relation = '%s.outbox'::regclass"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        service);
    out->sql_identities = arena_printf(out->sql,
                                       "SELECT position, event_id, log_id FROM %s.outbox"
                                       " WHERE position = ANY ($1) ORDER BY position",
                                       service);
    out->sql_count =
        arena_printf(out->sql, "SELECT count(*) FROM %s.outbox WHERE position <= $1", service);
    out->sql_head =
        arena_printf(out->sql, "SELECT coalesce(max(position), 0) FROM %s.outbox", service);
    out->sql_lease = arena_printf(
        out->sql,
        "UPDATE %s.relay_lease SET epoch = epoch + (owner IS DISTINCT FROM $1)::int, owner = $1,"
        " owner_name = $2, lease_until = clock_timestamp() + $3 * interval '1 ms', phase = $4,"
        " why = $5, n = $6, position = $7, told_at = clock_timestamp()"
        " WHERE owner = $1 OR lease_until < clock_timestamp()"
        " RETURNING paused_at IS NOT NULL, restored_at IS NOT NULL, epoch",
        service);
    out->sql_writers = arena_printf(
        out->sql,
        "SELECT pid, role, application, state, waits_for,"
        " (extract(epoch FROM clock_timestamp() - started_at) * 1000)::bigint"
        " FROM %s.outbox_writers() WHERE started_at < clock_timestamp() - $1 * interval '1 ms'",
        service);
    out->sql_end = arena_printf(out->sql, "SELECT %s.end_stuck_writer($1)", service);
    out->sql_admit = arena_printf(out->sql, "SELECT %s.outbox_admit()", service);
}

void outbox_close(struct outbox *outbox)
{
    arena_destroy(&outbox->sql);
}

// ---- preconditions ------------------------------------------------------------------------------

static const char *const wrong_names[] = {
    "this PostgreSQL is a standby: it shows no locks; name the primary",
    "outbox.position is not GENERATED ALWAYS AS IDENTITY",
    "outbox.position's sequence must have CACHE 1",
    "outbox.position's sequence must have INCREMENT 1",
    "outbox.position's sequence must have NO CYCLE",
    "outbox must be one ordinary, logged table, not partitioned",
    "the service's role may write position, recorded_at or log_id: grant it the other columns only",
    "the service's role may change or remove events: grant it SELECT and INSERT only",
    "max_prepared_transactions must be 0",
};

enum nova_status outbox_check(struct outbox *outbox, struct error *err)
{
    struct pg_result *row = NULL;
    const char *sql = arena_printf(
        outbox->sql,
        "SELECT pg_is_in_recovery(), a.attidentity <> 'a',"
        " coalesce(s.seqcache <> 1, true), coalesce(s.seqincrement <> 1, true),"
        " coalesce(s.seqcycle, true), c.relkind <> 'r' OR c.relpersistence <> 'p',"
        " has_column_privilege('%1$s_service', c.oid, 'position', 'INSERT')"
        " OR has_column_privilege('%1$s_service', c.oid, 'recorded_at', 'INSERT')"
        " OR has_column_privilege('%1$s_service', c.oid, 'log_id', 'INSERT'),"
        " has_any_column_privilege('%1$s_service', c.oid, 'UPDATE')"
        " OR has_table_privilege('%1$s_service', c.oid, 'DELETE, TRUNCATE'),"
        " current_setting('max_prepared_transactions') <> '0'"
        " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'position'"
        " LEFT JOIN pg_depend d ON d.refobjid = c.oid AND d.refobjsubid = a.attnum"
        "  AND d.deptype = 'i' AND d.classid = 'pg_class'::regclass"
        " LEFT JOIN pg_sequence s ON s.seqrelid = d.objid"
        " WHERE c.oid = '%1$s.outbox'::regclass",
        outbox->service);
    enum nova_status status = pg_query(&row, outbox->pg, sql, NULL, 0, err);
    if (status == NOVA_OK && pg_rows(row) != 1)
        status = error_set(err, NOVA_FAILED_PRECONDITION, "%s has no outbox: ./nova db migrate",
                           outbox->service);
    for (size_t i = 0; status == NOVA_OK && i < sizeof wrong_names / sizeof *wrong_names; i++)
        if (pg_get_bool(row, 0, (int)i))
            status =
                error_set(err, NOVA_FAILED_PRECONDITION, "%s: %s", outbox->service, wrong_names[i]);
    pg_result_destroy(&row);
    return status;
}

// ---- looks --------------------------------------------------------------------------------------

static struct bytes outbox_copy(struct arena *arena, struct bytes bytes)
{
    return (struct bytes){arena_memdup(arena, bytes.data, bytes.len), bytes.len};
}

// The batch outlives the result.
static void outbox_row_of(struct outbox_row *out, const struct pg_result *rows, size_t row,
                          struct arena *arena)
{
    const char *traceparent = event_row_traceparent(rows, row);
    struct event event = event_row_of(rows, row);
    event.type = arena_strdup(arena, event.type);
    event.aggregate_type = arena_strdup(arena, event.aggregate_type);
    event.actor = arena_strdup(arena, event.actor);
    event.payload = outbox_copy(arena, event.payload);
    *out = (struct outbox_row){
        .event = event,
        .extra = {.command_index = event_row_command_index(rows, row),
                  .command_digest = outbox_copy(arena, event_row_command_digest(rows, row)),
                  .traceparent = traceparent ? arena_strdup(arena, traceparent) : NULL},
    };
}

static enum nova_status outbox_holders(uint64_t **out, uint32_t *count, struct outbox *outbox,
                                       struct arena *arena, struct error *err)
{
    struct pg_result *rows = NULL;
    enum nova_status status = pg_query(&rows, outbox->pg, outbox->sql_holders, NULL, 0, err);
    if (status != NOVA_OK)
        return status;
    *count = (uint32_t)pg_rows(rows);
    *out = arena_alloc(arena, *count * sizeof **out);
    for (uint32_t i = 0; i < *count; i++) { // "3/1234": a backend and its local transaction
        int backend = 0;
        unsigned transaction = 0;
        sscanf(pg_get_text(rows, i, 0), "%d/%u", &backend, &transaction);
        (*out)[i] = (uint64_t)(uint32_t)backend << 32 | transaction;
    }
    pg_result_destroy(&rows);
    return NOVA_OK;
}

enum nova_status outbox_look_at(struct outbox_batch *out, struct outbox *outbox,
                                struct settle *settle, int32_t limit, struct arena *arena,
                                struct error *err)
{
    struct pg_result *rows = NULL;
    // The last read must show everything up to the horizon, however much came in meanwhile.
    bool last_read = settle->state == SETTLE_LAST_READ;
    struct pg_param params[] = {pg_int8(settle->cursor),
                                last_read ? pg_int8(settle->horizon) : pg_int8(limit)};
    enum nova_status status = pg_query(
        &rows, outbox->pg, last_read ? outbox->sql_rows_to : outbox->sql_rows, params, 2, err);
    if (status != NOVA_OK)
        return status;
    size_t count = pg_rows(rows), prefix = 0;
    while (prefix < count && pg_get_int8(rows, prefix, 0) == settle->cursor + (int64_t)prefix + 1)
        prefix++;
    struct outbox_look look = {.prefix_end = settle->cursor + (int64_t)prefix};
    look.highest = count == 0 ? look.prefix_end : pg_get_int8(rows, count - 1, 0);
    if (last_read && look.highest < settle->horizon)
        look.highest = settle->horizon;
    uint64_t *holders = NULL;
    if (look.highest > look.prefix_end || settle->state != SETTLE_FOLLOW)
        status = outbox_holders(&holders, &look.writer_count, outbox, arena, err);
    if (status == NOVA_OK) {
        look.writers = holders;
        int64_t settled = settle_look(settle, &look);
        out->rows = arena_alloc(arena, count * sizeof *out->rows);
        for (out->count = 0; out->count < count && pg_get_int8(rows, out->count, 0) <= settled;
             out->count++)
            outbox_row_of(&out->rows[out->count], rows, out->count, arena);
    }
    pg_result_destroy(&rows);
    return status;
}

static bool outbox_holds(const struct pg_result *rows, const struct outbox_event *event)
{
    size_t low = 0, high = pg_rows(rows); // by position
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (pg_get_int8(rows, middle, 0) < event->position)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < pg_rows(rows) && pg_get_int8(rows, low, 0) == event->position;
    struct uuid none = {{0}};
    struct uuid event_id = found ? pg_get_uuid(rows, low, 1) : none;
    struct uuid log_id = found ? pg_get_uuid(rows, low, 2) : none;
    return relay_event_is_same(&event->event_id, &event->log_id, found, &event_id, &log_id);
}

enum nova_status outbox_compare(struct outbox_event *events, size_t count, struct outbox *outbox,
                                struct arena *arena, struct error *err)
{
    struct pg_result *rows = NULL;
    int64_t *positions = arena_alloc(arena, count * sizeof *positions);
    for (size_t i = 0; i < count; i++)
        positions[i] = events[i].position;
    struct pg_param param = pg_int8_array(arena, positions, count);
    enum nova_status status = pg_query(&rows, outbox->pg, outbox->sql_identities, &param, 1, err);
    for (size_t i = 0; status == NOVA_OK && i < count; i++)
        events[i].same = outbox_holds(rows, &events[i]);
    pg_result_destroy(&rows);
    return status;
}

enum nova_status outbox_count(int64_t *count, struct outbox *outbox, int64_t position,
                              struct error *err)
{
    struct pg_result *row = NULL;
    struct pg_param param = pg_int8(position);
    enum nova_status status = pg_query(&row, outbox->pg, outbox->sql_count, &param, 1, err);
    *count = status == NOVA_OK ? pg_get_int8(row, 0, 0) : 0;
    pg_result_destroy(&row);
    return status;
}

enum nova_status outbox_head(int64_t *position, struct outbox *outbox, struct error *err)
{
    struct pg_result *row = NULL;
    enum nova_status status = pg_query(&row, outbox->pg, outbox->sql_head, NULL, 0, err);
    *position = status == NOVA_OK ? pg_get_int8(row, 0, 0) : 0;
    pg_result_destroy(&row);
    return status;
}

// ---- lease and stuck writers --------------------------------------------------------------------

enum nova_status outbox_lease(struct outbox_leased *out, struct outbox *outbox,
                              const struct outbox_leaser *leaser, struct error *err)
{
    struct pg_result *row = NULL;
    struct pg_param params[] = {pg_uuid(leaser->owner),    pg_text(leaser->owner_name),
                                pg_int8(leaser->lease_ms), pg_text(leaser->phase),
                                pg_text(leaser->why),      pg_int8(leaser->n),
                                pg_int8(leaser->position)};
    *out = (struct outbox_leased){false};
    enum nova_status status = pg_query(&row, outbox->pg, outbox->sql_lease, params, 7, err);
    if (pg_rows(row) == 1)
        *out = (struct outbox_leased){true, pg_get_bool(row, 0, 0), pg_get_bool(row, 0, 1),
                                      pg_get_int8(row, 0, 2)};
    pg_result_destroy(&row);
    return status;
}

enum nova_status outbox_admit(struct outbox *outbox, struct error *err)
{
    return pg_query(NULL, outbox->pg, outbox->sql_admit, NULL, 0, err);
}

enum nova_status outbox_end_stuck(int *ended, struct outbox *outbox, int64_t limit_ms,
                                  struct error *err)
{
    struct pg_result *rows = NULL;
    struct pg_param limit = pg_int8(limit_ms);
    *ended = 0;
    enum nova_status status = pg_query(&rows, outbox->pg, outbox->sql_writers, &limit, 1, err);
    for (size_t i = 0; status == NOVA_OK && i < pg_rows(rows); i++) {
        struct pg_param pid = pg_int4(pg_get_int4(rows, i, 0));
        log_warn("relay: a stuck writer is ended", LOG_INT("pid", pg_get_int4(rows, i, 0)),
                 LOG_TEXT("role", pg_get_text(rows, i, 1)),
                 LOG_TEXT("application", pg_get_text(rows, i, 2)),
                 LOG_TEXT("state", pg_get_text(rows, i, 3)),
                 LOG_TEXT("waits_for", pg_get_text(rows, i, 4)),
                 LOG_INT("age_ms", pg_get_int8(rows, i, 5)));
        status = pg_query(NULL, outbox->pg, outbox->sql_end, &pid, 1, err);
        *ended += status == NOVA_OK;
    }
    pg_result_destroy(&rows);
    return status;
}
