// recover.c - see recover.h: connections, the hold, and the changes. recover_walk.c compares.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/access.h"
#include "outbox-relay/recover_internal.h"

enum {
    CONNECT_MS = 10000,
    LOOK_MS = 100,
    LOCK_MS_MAX = 10000,
    HOLD_MS_MAX = 60000,
    FILL_MS_MAX = 60000
};

#define OURS "./nova relay recover" // who paused the relay: then it is ours to resume

// ---- life ---------------------------------------------------------------------------------------

static enum nova_status recover_connect(struct recover *recover, const struct settings *settings,
                                        struct error *err)
{
    char url[ACCESS_URL_BYTES], seed[PATH_MAX], user[ACCESS_NAME_BYTES];
    snprintf(user, sizeof user, "%s_relay", recover->service);
    enum nova_status status =
        access_postgres_url(url, settings, recover->service, ACCESS_SUPERUSER, err);
    if (status == NOVA_OK)
        status = pg_connect(&recover->pg, url, "nova recover", err);
    if (status == NOVA_OK)
        status = access_nats_url(url, settings, err);
    if (status == NOVA_OK)
        status = access_nats_seed_path(seed, settings, user, err);
    const struct bus_options options = {url, "nova recover", user, seed, CONNECT_MS};
    if (status == NOVA_OK)
        status = bus_connect(&recover->connection, &options, err);
    explicit_bzero(url, sizeof url);
    return status == NOVA_OK
               ? stream_create(&recover->stream, recover->connection, recover->service, err)
               : status;
}

enum nova_status recover_query(struct pg_result **out, struct recover *recover,
                               const struct pg_param *params, size_t count, struct error *err,
                               const char *format)
{
    // The format names the schema at most four times.
    const char *s = recover->service;
    char sql[RECOVER_SQL_BYTES];
    snprintf(sql, sizeof sql, format, s, s, s, s);
    return pg_query(out, recover->pg, sql, params, count, err);
}

// Asks until the answer is yes. *out false: it never was.
static enum nova_status recover_wait(bool *out, struct recover *recover, const char *format,
                                     int64_t ms_max, struct error *err)
{
    enum nova_status status = NOVA_OK;
    *out = false;
    for (int64_t ms = 0; ms < ms_max && status == NOVA_OK && !*out; ms += LOOK_MS) {
        struct pg_result *row = NULL;
        if (ms > 0)
            nanosleep(&(struct timespec){0, LOOK_MS * 1000000}, NULL);
        status = recover_query(&row, recover, NULL, 0, err, format);
        *out = pg_rows(row) == 1 && pg_get_bool(row, 0, 0);
        pg_result_destroy(&row);
    }
    return status;
}

// One that was killed holds it until PostgreSQL has noticed.
static enum nova_status recover_lock(struct recover *recover, struct error *err)
{
    bool alone;
    enum nova_status status = recover_wait(
        &alone, recover, "SELECT pg_try_advisory_lock(hashtextextended('nova recover %s', 0))",
        LOCK_MS_MAX, err);
    if (status == NOVA_OK && !alone)
        status =
            error_set(err, NOVA_ABORTED, "another recovery of %s is at work", recover->service);
    return status;
}

enum nova_status recover_open(struct recover **out, const struct settings *settings,
                              const char *service, struct error *err)
{
    struct recover *recover = calloc(1, sizeof *recover);
    if (recover == NULL)
        abort();
    recover->service = service;
    recover->chunk_arena = arena_create();
    *out = recover;
    enum nova_status status = recover_connect(recover, settings, err);
    return status == NOVA_OK ? recover_lock(recover, err) : status;
}

void recover_close(struct recover **recover)
{
    if (*recover == NULL)
        return;
    stream_destroy(&(*recover)->stream);
    bus_connection_destroy(&(*recover)->connection);
    pg_destroy(&(*recover)->pg);
    arena_destroy(&(*recover)->chunk_arena);
    free(*recover);
    *recover = NULL;
}

struct pg *recover_pg(struct recover *recover)
{
    return recover->pg;
}

// ---- the hold -----------------------------------------------------------------------------------

enum nova_status recover_hold(struct recover *recover, const char *way, struct error *err)
{
    bool held;
    const struct pg_param params[] = {pg_text(way), pg_text(OURS)};
    enum nova_status status = recover_query(
        NULL, recover, params, 2, err,
        "UPDATE %s.relay_lease SET recovery = $1, paused_at ="
        " coalesce(paused_at, clock_timestamp()), paused_by = coalesce(paused_by, $2)");
    // A relay that was stopped by SIGSTOP loses its lease, and finds the pause when it wakes up.
    if (status == NOVA_OK)
        status = recover_wait(&held, recover,
                              "SELECT lease_until < clock_timestamp() OR coalesce(phase = 'paused'"
                              " AND told_at > paused_at, false) FROM %s.relay_lease",
                              HOLD_MS_MAX, err);
    if (status == NOVA_OK && !held)
        status = error_set(err, NOVA_DEADLINE_EXCEEDED,
                           "%s's relay does not give way: ./nova relay status %s", recover->service,
                           recover->service);
    return status;
}

enum nova_status recover_release(struct recover *recover, bool ended, struct error *err)
{
    const struct pg_param params[] = {pg_text(OURS), pg_bool(ended)};
    return recover_query(NULL, recover, params, 2, err,
                         "UPDATE %s.relay_lease SET"
                         " recovery = CASE WHEN $2 THEN NULL ELSE recovery END,"
                         " paused_at = CASE WHEN paused_by <> $1 THEN paused_at END,"
                         " paused_by = CASE WHEN paused_by <> $1 THEN paused_by END");
}

// Whether the relay follows, and the outbox has no more events than these.
static enum nova_status recover_is_filled(bool *out, struct recover *recover, int64_t last_n,
                                          struct error *err)
{
    struct pg_result *row = NULL;
    const struct pg_param n = pg_int8(last_n);
    enum nova_status status =
        recover_query(&row, recover, &n, 1, err,
                      "SELECT CASE WHEN phase = 'following' AND lease_until > clock_timestamp()"
                      " THEN (SELECT count(*) FROM %s.outbox) <= $1 ELSE false END"
                      " FROM %s.relay_lease");
    *out = pg_rows(row) == 1 && pg_get_bool(row, 0, 0);
    pg_result_destroy(&row);
    return status;
}

enum nova_status recover_wait_filled(struct recover *recover, struct error *err)
{
    struct relay_stream_seen now = {0};
    int64_t last_n = -1;
    bool filled = false;
    for (int64_t still_ms = 0; !filled; still_ms += LOOK_MS) {
        enum nova_status status = stream_account(&now, recover->stream, err);
        if (status == NOVA_OK && now.last_n != last_n) // it goes on
            still_ms = 0;
        else if (status == NOVA_OK)
            status = recover_is_filled(&filled, recover, now.last_n, err);
        if (status != NOVA_OK)
            return status;
        if (still_ms >= FILL_MS_MAX)
            return error_set(err, NOVA_DEADLINE_EXCEEDED,
                             "no relay of %s fills the stream: ./nova up and ./nova relay status, "
                             "then this command again",
                             recover->service);
        last_n = now.last_n;
        nanosleep(&(struct timespec){0, LOOK_MS * 1000000}, NULL);
    }
    return NOVA_OK;
}

// ---- transactions -------------------------------------------------------------------------------

static enum nova_status recover_begin(struct recover *recover, bool locks, struct error *err)
{
    char sql[256];
    enum nova_status status = pg_exec(recover->pg, "BEGIN; SET LOCAL lock_timeout = '10s'", err);
    snprintf(sql, sizeof sql, "LOCK TABLE %s.outbox IN SHARE ROW EXCLUSIVE MODE", recover->service);
    return status == NOVA_OK && locks ? pg_exec(recover->pg, sql, err) : status;
}

static enum nova_status recover_end(struct recover *recover, enum nova_status status,
                                    struct error *err)
{
    if (status == NOVA_OK)
        status = pg_exec(recover->pg, "COMMIT", err);
    if (status != NOVA_OK)
        pg_rollback(recover->pg);
    return status;
}

enum nova_status recover_look(struct recover_state *out, struct recover *recover,
                              const struct recover_visitor *visitor, struct error *err)
{
    enum nova_status status = recover_begin(recover, false, err);
    if (status == NOVA_OK)
        status = recover_walk(out, recover, visitor, err);
    pg_rollback(recover->pg);
    return status;
}

// ---- import -------------------------------------------------------------------------------------

// What an import does with each event, around the caller's own visitor.
struct importing {
    struct recover *recover;
    const struct recover_visitor *inner;
};

static enum nova_status import_row(struct recover *recover, const struct stream_message *message,
                                   struct error *err)
{
    const struct event *event = &message->event;
    const struct pg_param params[] = {
        pg_int8(event->position),
        pg_uuid(&event->log_id),
        pg_uuid(&event->event_id),
        pg_text(event->type),
        pg_text(event->aggregate_type),
        pg_uuid(&event->aggregate_id),
        pg_int8(event->version),
        pg_text(event->actor),
        pg_uuid(&event->command_id),
        pg_int4(message->extra.command_index),
        pg_bytea(message->extra.command_digest),
        pg_uuid(&event->correlation_id),
        pg_uuid(&event->causation_id),
        pg_time_us(event->occurred_at_us),
        pg_time_us(event->recorded_at_us),
        pg_text(message->extra.traceparent),
        pg_bytea(event->payload.data == NULL ? (struct bytes){(const uint8_t *)"", 0}
                                             : event->payload),
    };
    return recover_query(NULL, recover, params, sizeof params / sizeof *params, err,
                         "INSERT INTO %s.outbox (position, log_id, event_id, type, aggregate_type,"
                         " aggregate_id, version, actor, command_id, command_index, command_digest,"
                         " correlation_id, causation_id, occurred_at, recorded_at, traceparent,"
                         " payload) OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, $7, $8,"
                         " $9, $10, $11, $12, $13, $14, $15, $16, $17)");
}

static enum nova_status import_visit(void *context, struct pg *pg,
                                     const struct stream_message *message, struct arena *arena,
                                     struct error *err)
{
    struct importing *importing = context;
    const struct recover_visitor *inner = importing->inner;
    enum nova_status status = import_row(importing->recover, message, err);
    if (status == NOVA_OK)
        status = recover_note_key(importing->recover, message, arena, err);
    if (status == NOVA_OK && inner != NULL)
        status = inner->visit(inner->context, pg, message, arena, err);
    return status == NOVA_OK ? NOVA_OK
                             : error_while(err, "taking back event %" PRId64, message->event.n);
}

// New events go on behind the stream's last one, under its log id.
static enum nova_status import_log(struct recover *recover, const struct recover_state *state,
                                   struct error *err)
{
    char sql[RECOVER_SQL_BYTES], log_id[UUID_TEXT_BYTES];
    const struct pg_param log = pg_uuid(&state->stream_log);
    uuid_format(log_id, &state->stream_log);
    enum nova_status status =
        recover_query(NULL, recover, &log, 1, err,
                      "INSERT INTO %s.log (log_id, reason) SELECT $1, 'taken back from the stream'"
                      " WHERE $1 IS DISTINCT FROM (SELECT log_id FROM %s.log"
                      " ORDER BY started_at DESC LIMIT 1)"
                      " ON CONFLICT (log_id) DO UPDATE SET started_at = clock_timestamp(),"
                      " reason = excluded.reason");
    if (status == NOVA_OK)
        status = recover_query(NULL, recover, &log, 1, err,
                               "UPDATE %s.outbox SET log_id = $1 WHERE log_id <> $1");
    snprintf(sql, sizeof sql, "ALTER TABLE %s.outbox ALTER COLUMN log_id SET DEFAULT '%s'",
             recover->service, log_id);
    return status == NOVA_OK ? pg_exec(recover->pg, sql, err) : status;
}

static enum nova_status import_sequence(struct recover *recover, const struct recover_state *state,
                                        struct error *err)
{
    struct pg_result *row = NULL;
    char sql[RECOVER_SQL_BYTES];
    int64_t next = state->seen.last_missing.position + 1;
    enum nova_status status =
        recover_query(&row, recover, NULL, 0, err,
                      "SELECT last_value + is_called::int::bigint FROM %s.outbox_position_seq");
    if (status == NOVA_OK && pg_get_int8(row, 0, 0) > next)
        next = pg_get_int8(row, 0, 0);
    pg_result_destroy(&row);
    // Of this transaction, as setval would not be.
    snprintf(sql, sizeof sql, "ALTER TABLE %s.outbox ALTER COLUMN position RESTART WITH %" PRId64,
             recover->service, next);
    return status == NOVA_OK ? pg_exec(recover->pg, sql, err) : status;
}

static enum nova_status import_in_transaction(struct recover_state *state,
                                              struct recover_lost_keys *lost,
                                              struct recover *recover,
                                              const struct recover_visitor *visitor, bool dry_run,
                                              struct error *err)
{
    // What may be done is decided before the first row is written, under the lock.
    enum nova_status status = recover_walk(state, recover, NULL, err);
    const char *refused = status == NOVA_OK ? recover_import_refused(state) : NULL;
    if (refused != NULL)
        return error_set(err, NOVA_FAILED_PRECONDITION, "%s: %s", recover->service, refused);
    if (status == NOVA_OK) // the table is shut for us as well
        status = recover_query(NULL, recover, NULL, 0, err,
                               "SELECT %s.outbox_admit() FROM %s.relay_lease"
                               " WHERE restored_at IS NOT NULL");
    struct importing importing = {recover, visitor};
    const struct recover_visitor own = {import_visit, &importing};
    if (status == NOVA_OK)
        status = recover_keys_begin(recover, err);
    if (status == NOVA_OK)
        status = recover_walk(state, recover, &own, err);
    if (status == NOVA_OK)
        status = recover_keys_lost(lost, recover, err);
    if (status == NOVA_OK && !dry_run)
        status = import_log(recover, state, err);
    if (status == NOVA_OK && !dry_run)
        status = import_sequence(recover, state, err);
    return status == NOVA_OK && !dry_run ? recover_release(recover, true, err) : status;
}

enum nova_status recover_import(struct recover_state *out, struct recover_lost_keys *lost,
                                struct recover *recover, const struct recover_visitor *visitor,
                                bool dry_run, struct error *err)
{
    *lost = (struct recover_lost_keys){0};
    enum nova_status status = recover_begin(recover, !dry_run, err);
    if (status == NOVA_OK)
        status = import_in_transaction(out, lost, recover, visitor, dry_run, err);
    if (dry_run) {
        pg_rollback(recover->pg);
        return status;
    }
    return recover_end(recover, status, err);
}

// ---- fork ---------------------------------------------------------------------------------------

static enum nova_status relog_in_transaction(struct uuid *log_id, struct recover *recover,
                                             const struct recover_state *state, struct error *err)
{
    char sql[RECOVER_SQL_BYTES], from[UUID_TEXT_BYTES], to[UUID_TEXT_BYTES], reason[128];
    struct pg_result *row = NULL;
    uuid_format(from, &state->stream_log);
    snprintf(reason, sizeof reason, RECOVER_FORK_OF "%s behind event %" PRId64, from,
             state->seen.common.n);
    const struct pg_param why = pg_text(reason);
    enum nova_status status = recover_query(
        &row, recover, &why, 1, err, "INSERT INTO %s.log (reason) VALUES ($1) RETURNING log_id");
    if (status != NOVA_OK)
        return status;
    *log_id = pg_get_uuid(row, 0, 0);
    pg_result_destroy(&row);
    uuid_format(to, log_id);
    snprintf(sql, sizeof sql, "ALTER TABLE %s.outbox ALTER COLUMN log_id SET DEFAULT '%s'",
             recover->service, to);
    status = pg_exec(recover->pg, sql, err);
    const struct pg_param log = pg_uuid(log_id);
    if (status == NOVA_OK)
        status = recover_query(NULL, recover, &log, 1, err, "UPDATE %s.outbox SET log_id = $1");
    return status == NOVA_OK
               ? recover_query(NULL, recover, NULL, 0, err, "SELECT %s.outbox_admit()")
               : status;
}

enum nova_status recover_relog(struct uuid *log_id, struct recover *recover,
                               const struct recover_state *state, struct error *err)
{
    enum nova_status status = recover_begin(recover, true, err);
    if (status == NOVA_OK)
        status = relog_in_transaction(log_id, recover, state, err);
    return recover_end(recover, status, err);
}

enum nova_status recover_empty_stream(struct recover *recover, struct error *err)
{
    return stream_make_again(recover->stream, err);
}
