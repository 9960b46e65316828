// pg.c - see pg.h: the connection, its calls and pipelines. Every statement with parameters goes
// through a pipeline, pg_query's through one of its own: prepare and first run are one round trip,
// and there is one way to fail.
//
// libpq keeps its blocking mode: when it cannot send it reads (pqSendSome), so a long pipeline and
// a server with full buffers do not wait for each other.
#include "pg/pg.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "pg/internal.h"
#include "pg/sqlstate.h"
#include "pg/statements.h"

enum {
    CONNECT_OPTIONS_MAX = 64, // libpq 15 knows 42
    SQLSTATE_BYTES = 6,
    NAME_BYTES = 64, // PostgreSQL's names, with the NUL
};

// What was sent in the pipeline under way, and so what is answered, in this order.
struct sent {
    struct statement *statement; // NULL: unnamed
    bool is_prepare;
    bool is_sync;
    bool was_ready; // prepared by an earlier call
};

struct pg {
    PGconn *conn; // never NULL once created
    char *url;
    char *application;
    bool lost;
    struct statements *statements;
    char failed_state[SQLSTATE_BYTES];
    char failed_constraint[NAME_BYTES];

    bool in_pipeline;
    struct sent *sent;
    size_t sent_count;
    size_t sent_room;
    size_t added; // statements, of which each is one or two of sent

    bool deferring;
    size_t defer_done; // statements deferred whose answers were taken
    size_t defer_failed_at;
    struct error defer_failure; // the first; status NOVA_OK: none
};

// The URL's own options, then ours: its connect_timeout and options hold beside ours.
static enum nova_status pg_open(PGconn **out, const char *url, const char *application,
                                struct error *err)
{
    char *why = NULL;
    PQconninfoOption *parsed = PQconninfoParse(url, &why);
    if (!parsed) {
        error_set(err, NOVA_INVALID_ARGUMENT, "the PostgreSQL URL cannot be read: %s", why);
        PQfreemem(why);
        return NOVA_INVALID_ARGUMENT;
    }
    const char *names[CONNECT_OPTIONS_MAX] = {"connect_timeout", "keepalives_idle",
                                              "keepalives_interval", "keepalives_count"};
    const char *values[CONNECT_OPTIONS_MAX] = {"5", "30", "10", "3"};
    size_t count = 4;
    char options[ERROR_TEXT_BYTES_MAX] = "-c TimeZone=UTC";
    for (const PQconninfoOption *option = parsed; option->keyword; option++) {
        assert(count + 4 < CONNECT_OPTIONS_MAX);
        if (!option->val)
            continue;
        if (strcmp(option->keyword, "options") == 0) {
            snprintf(options, sizeof options, "%s -c TimeZone=UTC", option->val);
            continue;
        }
        names[count] = option->keyword;
        values[count++] = option->val;
    }
    names[count] = "options";
    values[count++] = options;
    names[count] = "client_encoding";
    values[count++] = "UTF8";
    names[count] = "application_name";
    values[count++] = application;

    PGconn *conn = PQconnectdbParams(names, values, 0);
    PQconninfoFree(parsed);
    if (!conn)
        abort(); // out of memory
    *out = conn;
    if (PQstatus(conn) != CONNECTION_OK) {
        int len = (int)strcspn(PQerrorMessage(conn), "\n");
        return error_set_transient(err, NOVA_UNAVAILABLE, "connecting to PostgreSQL: %.*s", len,
                                   PQerrorMessage(conn));
    }
    return NOVA_OK;
}

// What the server says by the way ("relation exists, skipping") is nothing to act on.
static void pg_drop_notice(void *nothing, const PGresult *notice)
{
    (void)nothing;
    (void)notice;
}

static void pg_fresh_connection(struct pg *pg, PGconn *conn)
{
    PQsetNoticeReceiver(conn, pg_drop_notice, NULL);
    pg->conn = conn;
    pg->lost = false;
    pg->statements = statements_create();
}

enum nova_status pg_connect(struct pg **out, const char *url, const char *application,
                            struct error *err)
{
    PGconn *conn = NULL;
    enum nova_status status = pg_open(&conn, url, application, err);
    if (status != NOVA_OK) {
        PQfinish(conn); // takes NULL
        return status;
    }
    struct pg *pg = calloc(1, sizeof *pg);
    if (!pg || !(pg->url = strdup(url)) || !(pg->application = strdup(application)))
        abort();
    pg_fresh_connection(pg, conn);
    *out = pg;
    return NOVA_OK;
}

void pg_destroy(struct pg **pg)
{
    if (!pg || !*pg)
        return;
    PQfinish((*pg)->conn);
    statements_destroy(&(*pg)->statements);
    free((*pg)->sent);
    free((*pg)->url);
    free((*pg)->application);
    free(*pg);
    *pg = NULL;
}

enum nova_status pg_reconnect(struct pg *pg, struct error *err)
{
    assert(!pg->in_pipeline);
    PGconn *conn = NULL;
    enum nova_status status = pg_open(&conn, pg->url, pg->application, err);
    if (status != NOVA_OK) {
        PQfinish(conn);
        return status;
    }
    PQfinish(pg->conn);
    statements_destroy(&pg->statements);
    pg_fresh_connection(pg, conn);
    return NOVA_OK;
}

bool pg_is_connected(const struct pg *pg)
{
    return !pg->lost && PQstatus(pg->conn) == CONNECTION_OK;
}

// What came while nobody asked is the server's farewell, or a notice that the next call reads.
static void pg_notice_farewell(struct pg *pg)
{
    struct pollfd arrived = {.fd = pg_socket(pg), .events = POLLIN};
    while (arrived.fd >= 0 && poll(&arrived, 1, 0) > 0) {
        if (PQconsumeInput(pg->conn) != 1)
            pg->lost = true;
        arrived.fd = pg_socket(pg);
    }
}

enum nova_status pg_ensure_connected(struct pg *pg, struct error *err)
{
    pg_notice_farewell(pg);
    return pg_is_connected(pg) ? NOVA_OK : pg_reconnect(pg, err);
}

int pg_socket(const struct pg *pg)
{
    return pg_is_connected(pg) ? PQsocket(pg->conn) : -1;
}

const char *pg_failed_state(const struct pg *pg)
{
    return pg->failed_state;
}

const char *pg_failed_constraint(const struct pg *pg)
{
    return pg->failed_constraint;
}

static void pg_forget_failure(struct pg *pg)
{
    pg->failed_state[0] = pg->failed_constraint[0] = '\0';
}

// After this every call fails until pg_reconnect: what the server did with the call under way is
// not known.
static enum nova_status pg_fail_lost(struct pg *pg, struct error *err)
{
    pg->lost = true;
    const char *why = PQerrorMessage(pg->conn);
    int len = (int)strcspn(why, "\n");
    return error_set_transient(err, NOVA_UNAVAILABLE, "the connection to PostgreSQL is lost%s%.*s",
                               len > 0 ? ": " : "", len, why);
}

static bool is_last_word(const PGresult *rows)
{
    const char *severity = PQresultErrorField(rows, PG_DIAG_SEVERITY_NONLOCALIZED);
    return severity && (!strcmp(severity, "FATAL") || !strcmp(severity, "PANIC"));
}

// Message and state only: details (the key that is there already) are somebody's data.
static enum nova_status pg_fail(struct pg *pg, const PGresult *rows, struct error *err)
{
    const char *state = PQresultErrorField(rows, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(rows, PG_DIAG_MESSAGE_PRIMARY);
    const char *constraint = PQresultErrorField(rows, PG_DIAG_CONSTRAINT_NAME);
    snprintf(pg->failed_state, sizeof pg->failed_state, "%s", state ? state : "");
    snprintf(pg->failed_constraint, sizeof pg->failed_constraint, "%s",
             constraint ? constraint : "");
    if (!state) // libpq's own words: nothing came from the server
        return pg_fail_lost(pg, err);
    if (is_last_word(rows) || PQstatus(pg->conn) != CONNECTION_OK) {
        pg->lost = true; // shut down, terminated, idle too long
        return error_set_transient(err, NOVA_UNAVAILABLE, "PostgreSQL: %s (SQLSTATE %s)", message,
                                   state);
    }
    bool transient;
    enum nova_status status = pg_status_of(&transient, state);
    return transient
               ? error_set_transient(err, status, "PostgreSQL: %s (SQLSTATE %s)", message, state)
               : error_set(err, status, "PostgreSQL: %s (SQLSTATE %s)", message, state);
}

// COMMIT in a transaction that failed before succeeds, as a ROLLBACK: nobody may take it for one.
static bool is_false_commit(const char *sql, const PGresult *rows)
{
    return strncasecmp(sql, "COMMIT", 6) == 0 &&
           strcmp(PQcmdStatus((PGresult *)rows), "ROLLBACK") == 0;
}

static enum nova_status pg_fail_commit(struct error *err)
{
    return error_set(err, NOVA_ABORTED, "nothing was committed: a statement before it had failed");
}

static enum nova_status pg_defer_wait(struct pg_result **last, struct pg *pg, struct error *err);

enum nova_status pg_exec(struct pg *pg, const char *sql, struct error *err)
{
    if (pg->deferring && pg_defer_wait(NULL, pg, err) != NOVA_OK)
        return pg->defer_failure.status;
    assert(!pg->in_pipeline);
    pg_forget_failure(pg);
    if (!pg_is_connected(pg))
        return pg_fail_lost(pg, err);
    PGresult *rows = PQexec(pg->conn, sql);
    enum nova_status status = NOVA_OK;
    switch (PQresultStatus(rows)) { // of NULL: PGRES_FATAL_ERROR
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
        if (is_false_commit(sql, rows))
            status = pg_fail_commit(err);
        break;
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT: // a connection in the middle of COPY is of no use to us
        pg->lost = true;
        status = error_set(err, NOVA_UNIMPLEMENTED, "COPY is not possible here");
        break;
    default:
        status = pg_fail(pg, rows, err);
    }
    PQclear(rows);
    return status;
}

static struct sent *pg_note_sent(struct pg *pg)
{
    if (pg->sent_count == pg->sent_room) {
        pg->sent_room = pg->sent_room ? 2 * pg->sent_room : 64;
        pg->sent = realloc(pg->sent, pg->sent_room * sizeof *pg->sent);
        if (!pg->sent)
            abort();
    }
    struct sent *sent = &pg->sent[pg->sent_count++];
    *sent = (struct sent){0};
    return sent;
}

void pg_pipeline_begin(struct pg *pg)
{
    assert(!pg->in_pipeline);
    pg->in_pipeline = true;
    pg->sent_count = pg->added = 0;
    pg_forget_failure(pg);
    if (pg_is_connected(pg) && PQenterPipelineMode(pg->conn) != 1)
        pg->lost = true;
}

void pg_pipeline_add(struct pg *pg, const char *sql, const struct pg_param *params,
                     size_t param_count)
{
    assert(pg->in_pipeline && param_count <= PG_PARAMS_MAX && pg->added < PG_PIPELINE_MAX);
    pg->added++;
    if (!pg_is_connected(pg))
        return; // end says so
    Oid types[PG_PARAMS_MAX];
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX], formats[PG_PARAMS_MAX];
    for (size_t i = 0; i < param_count; i++) {
        bool small = !params[i].data && params[i].len > 0;
        types[i] = params[i].type;
        values[i] = small ? (const char *)params[i].inline_bytes : params[i].data;
        lengths[i] = params[i].len;
        formats[i] = 1;
    }
    int count = (int)param_count;
    struct statement *statement = statements_use(pg->statements, sql, types, param_count);
    bool was_ready = statement && statement->ready;
    bool went = true;
    if (statement && !statement->asked) {
        went = PQsendPrepare(pg->conn, statement->name, sql, count, types) == 1;
        statement->asked = true;
        *pg_note_sent(pg) = (struct sent){.statement = statement, .is_prepare = true};
    }
    if (went && statement)
        went =
            PQsendQueryPrepared(pg->conn, statement->name, count, values, lengths, formats, 1) == 1;
    else if (went)
        went = PQsendQueryParams(pg->conn, sql, count, types, values, lengths, formats, 1) == 1;
    *pg_note_sent(pg) = (struct sent){.statement = statement, .was_ready = was_ready};
    pg->lost |= !went;
}

// The first failure of a pipeline, as it is put together from the answers.
struct outcome {
    enum nova_status status;
    size_t failed_at;
    struct error *err;
};

// A statement prepared long ago may have lost its plan (a view's columns changed) or be gone
// (DISCARD). Prepared anew it may work, so the failure is one that passes.
static void pg_drop_stale_plan(struct pg *pg, const struct sent *sent, struct outcome *outcome)
{
    bool changed = strcmp(pg->failed_state, "0A000") == 0;
    bool gone = strcmp(pg->failed_state, "26000") == 0;
    if (sent->was_ready && (changed || gone)) {
        sent->statement->stale = true;
        outcome->status = NOVA_UNAVAILABLE;
        if (outcome->err) {
            outcome->err->status = NOVA_UNAVAILABLE;
            outcome->err->transient = true;
        }
    }
}

// Takes the answer to one thing sent; returns the rows of a statement that ran, else NULL.
static PGresult *pg_take_answer(struct pg *pg, const struct sent *sent, size_t at,
                                struct outcome *outcome)
{
    PGresult *rows = PQgetResult(pg->conn);
    PGresult *kept = NULL;
    switch (PQresultStatus(rows)) { // of NULL: PGRES_FATAL_ERROR
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
        kept = rows;
        break;
    case PGRES_PIPELINE_ABORTED: // behind the failure
        break;
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
        pg->lost = true;
        outcome->failed_at = at;
        outcome->status = error_set(outcome->err, NOVA_UNIMPLEMENTED, "COPY is not possible here");
        break;
    default:
        if (outcome->status == NOVA_OK) {
            outcome->failed_at = at;
            outcome->status = pg_fail(pg, rows, outcome->err);
            pg_drop_stale_plan(pg, sent, outcome);
        } else if (!pg->deferring || !rows || is_last_word(rows)) {
            pg->lost = true; // only behind a sync something may fail again
        }
    }
    if (kept != rows)
        PQclear(rows);
    if (sent->is_prepare && kept)
        sent->statement->ready = true;
    for (PGresult *more; rows && !pg->lost && (more = PQgetResult(pg->conn));)
        PQclear(more); // libpq ends every answer with a NULL
    return kept;
}

// Reads up to the sync. A constraint that is checked at commit may still fail here.
static void pg_take_sync(struct pg *pg, struct outcome *outcome)
{
    while (pg_is_connected(pg)) {
        PGresult *rows = PQgetResult(pg->conn);
        bool synced = PQresultStatus(rows) == PGRES_PIPELINE_SYNC;
        if (rows && !synced && outcome->status == NOVA_OK) {
            outcome->failed_at = pg->added - 1;
            outcome->status = pg_fail(pg, rows, outcome->err);
        }
        PQclear(rows);
        if (synced)
            break;
    }
    if (pg_is_connected(pg) && PQexitPipelineMode(pg->conn) != 1)
        pg->lost = true;
    if (pg->lost && outcome->status == NOVA_OK) {
        outcome->failed_at = pg->added - 1;
        outcome->status = pg_fail_lost(pg, outcome->err);
    }
}

// The answer to a sync between deferred statements.
static void pg_take_inner_sync(struct pg *pg)
{
    PGresult *rows = PQgetResult(pg->conn);
    pg->lost |= PQresultStatus(rows) != PGRES_PIPELINE_SYNC;
    PQclear(rows);
}

// Fills results, as many as were added; the work behind pg_pipeline_end and pg_query.
static void pg_pipeline_finish(struct pg_result **results, struct outcome *outcome, struct pg *pg)
{
    if (pg_is_connected(pg) && PQpipelineSync(pg->conn) != 1)
        pg->lost = true;
    size_t at = 0;
    for (size_t i = 0; i < pg->added; i++)
        results[i] = NULL;
    for (size_t i = 0; i < pg->sent_count && pg_is_connected(pg); i++) {
        const struct sent *sent = &pg->sent[i];
        if (sent->is_sync) {
            pg_take_inner_sync(pg);
            continue;
        }
        PGresult *rows = pg_take_answer(pg, sent, at, outcome);
        if (sent->is_prepare)
            PQclear(rows);
        else if (rows)
            results[at] = pg_result_create(rows);
        at += !sent->is_prepare;
    }
    if (pg->lost && outcome->status == NOVA_OK) {
        outcome->failed_at = at < pg->added ? at : pg->added - 1;
        outcome->status = pg_fail_lost(pg, outcome->err);
    }
    pg_take_sync(pg, outcome);
    if (outcome->status != NOVA_OK)
        statements_sweep(pg->statements);
    pg->in_pipeline = false;
}

enum nova_status pg_pipeline_end(struct pg_result **results, size_t n, size_t *failed_at,
                                 struct pg *pg, struct error *err)
{
    assert(pg->in_pipeline && !pg->deferring && n == pg->added && n > 0);
    struct outcome outcome = {.status = NOVA_OK, .err = err};
    pg_pipeline_finish(results, &outcome, pg);
    if (outcome.status != NOVA_OK) {
        pg_rollback(pg);
        if (failed_at)
            *failed_at = outcome.failed_at;
    }
    return outcome.status;
}

// ---- deferred -----------------------------------------------------------------------------------

void pg_defer_begin(struct pg *pg)
{
    assert(!pg->in_pipeline && !pg->deferring);
    pg->deferring = true;
    pg->defer_done = pg->defer_failed_at = 0;
    pg->defer_failure = (struct error){0};
    pg_forget_failure(pg);
}

size_t pg_defer_count(const struct pg *pg)
{
    return pg->defer_done + (pg->in_pipeline ? pg->added : 0);
}

static void pg_defer_add(struct pg *pg, const char *sql, const struct pg_param *params,
                         size_t param_count)
{
    if (!pg->in_pipeline) {
        pg_pipeline_begin(pg);
    } else {
        // Behind what is there, so that the last one's is pg_pipeline_finish's.
        *pg_note_sent(pg) = (struct sent){.is_sync = true};
        if (pg_is_connected(pg) && PQpipelineSync(pg->conn) != 1)
            pg->lost = true;
    }
    pg_pipeline_add(pg, sql, params, param_count);
}

// Takes all answers; *last (may be NULL) is the last one's rows when everything ran.
static enum nova_status pg_defer_wait(struct pg_result **last, struct pg *pg, struct error *err)
{
    size_t added = pg->in_pipeline ? pg->added : 0;
    struct outcome outcome = {.status = NOVA_OK, .err = &pg->defer_failure};
    struct pg_result **results = calloc(added + 1, sizeof *results);
    if (!results)
        abort();
    if (added > 0)
        pg_pipeline_finish(results, &outcome, pg);
    if (added > 0 && outcome.status == NOVA_OK &&
        is_false_commit("COMMIT", pg_result_rows(results[added - 1]))) {
        outcome.failed_at = added - 1;
        outcome.status = pg_fail_commit(outcome.err);
    }
    if (outcome.status != NOVA_OK)
        pg->defer_failed_at = pg->defer_done + outcome.failed_at;
    pg->defer_done += added;
    for (size_t i = 0; i < added; i++) {
        if (last && i == added - 1 && outcome.status == NOVA_OK)
            *last = results[i];
        else
            pg_result_destroy(&results[i]);
    }
    free(results);
    if (err && pg->defer_failure.status != NOVA_OK)
        *err = pg->defer_failure;
    return pg->defer_failure.status;
}

enum nova_status pg_defer_end(size_t *failed_at, struct pg *pg, struct error *err)
{
    assert(pg->deferring);
    enum nova_status status = pg_defer_wait(NULL, pg, err);
    pg->deferring = false;
    if (failed_at && status != NOVA_OK)
        *failed_at = pg->defer_failed_at;
    return status;
}

// What waits learns of a failure before it, and is not sent then; what comes behind that is not
// sent either.
static enum nova_status pg_query_deferred(struct pg_result **out, struct pg *pg, const char *sql,
                                          const struct pg_param *params, size_t param_count,
                                          struct error *err)
{
    bool has_failed = pg->defer_failure.status != NOVA_OK;
    if ((out || has_failed) && pg_defer_wait(NULL, pg, err) != NOVA_OK)
        return pg->defer_failure.status;
    pg_defer_add(pg, sql, params, param_count);
    return out ? pg_defer_wait(out, pg, err) : NOVA_OK;
}

enum nova_status pg_query(struct pg_result **out, struct pg *pg, const char *sql,
                          const struct pg_param *params, size_t param_count, struct error *err)
{
    struct pg_result *result = NULL;
    struct outcome outcome = {.status = NOVA_OK, .err = err};
    if (out)
        *out = NULL;
    if (pg->deferring)
        return pg_query_deferred(out, pg, sql, params, param_count, err);
    pg_pipeline_begin(pg);
    pg_pipeline_add(pg, sql, params, param_count);
    pg_pipeline_finish(&result, &outcome, pg);
    if (outcome.status == NOVA_OK && is_false_commit(sql, pg_result_rows(result)))
        outcome.status = pg_fail_commit(err);
    if (out && outcome.status == NOVA_OK)
        *out = result;
    else
        pg_result_destroy(&result);
    return outcome.status;
}

void pg_rollback(struct pg *pg)
{
    assert(!pg->in_pipeline && !pg->deferring);
    if (!pg_is_connected(pg) || PQtransactionStatus(pg->conn) == PQTRANS_IDLE)
        return;
    PGresult *rows = PQexec(pg->conn, "ROLLBACK");
    if (PQresultStatus(rows) != PGRES_COMMAND_OK)
        pg->lost = true; // ROLLBACK fails only with its connection
    PQclear(rows);
}
