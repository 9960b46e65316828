// books.c - see books.h.
//
// Why a batch is applied once, whoever else is there: the checkpoint's row moves first in each
// transaction, and only from exactly where this instance believes it to be. Another instance, a
// commit whose answer was lost, or a new generation has moved it; then no row is found, the
// statement fails (it divides by the number of rows), and with it all that was sent behind it.
// Should not even BEGIN have been carried out, what is behind it may not write: the session is
// read-only outside of such a transaction (books_ready_session). The lock before it keeps the
// sources of one consumer from writing at the same time, so that each sees what the other committed
// (a message and its sender's deletion): the consumer's own checkpoint rows, of all its sources and
// in their order. Advisory locks are anybody's who may log in; rows only theirs who may write them.
// (The lease's row would do, but for its renewal, that must not wait for a batch.)
#include "inbox/books.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SQL_BYTES = 768, IDLE_IN_TRANSACTION_MS_MIN = 5000 };

// What books_begin sends, in this order.
enum { BOOKS_BEGIN, BOOKS_HOLD, BOOKS_MOVE };

static const char sql_begin[] = "BEGIN READ WRITE";
static const char no_row[] = "22012"; // division by zero

struct books {
    struct books_options options;
    char lease_take[SQL_BYTES], lease_renew[SQL_BYTES], lease_release[SQL_BYTES];
    char lease_epoch[SQL_BYTES];
    char load[SQL_BYTES], make[SQL_BYTES], parked[SQL_BYTES];
    char hold[SQL_BYTES], move[SQL_BYTES], park[SQL_BYTES], forget[SQL_BYTES];
};

static void sql_of(char out[SQL_BYTES], const char *format, const char *service)
{
    // The format names the schema at most twice.
    int len = snprintf(out, SQL_BYTES, format, service, service);
    assert(len > 0 && len < SQL_BYTES);
}

struct books *books_create(const struct books_options *options)
{
    struct books *books = calloc(1, sizeof *books);
    const char *service = options->service;
    if (!books)
        abort();
    books->options = *options;
    sql_of(books->lease_take,
           "INSERT INTO %s.consumer_lease AS l (consumer, owner, owner_name, epoch, lease_until)"
           " VALUES ($1, $2, $3, 1, clock_timestamp() + $4 * interval '1 ms')"
           " ON CONFLICT (consumer) DO UPDATE SET owner = excluded.owner,"
           " owner_name = excluded.owner_name, epoch = l.epoch + 1,"
           " lease_until = excluded.lease_until"
           " WHERE l.owner IS NULL OR l.lease_until < clock_timestamp() RETURNING epoch",
           service);
    sql_of(books->lease_renew,
           "UPDATE %s.consumer_lease SET lease_until = clock_timestamp() + $4 * interval '1 ms'"
           " WHERE consumer = $1 AND owner = $2 AND epoch = $3",
           service);
    sql_of(books->lease_release,
           "UPDATE %s.consumer_lease SET owner = NULL, lease_until = '-infinity'"
           " WHERE consumer = $1 AND owner = $2 AND epoch = $3",
           service);
    sql_of(books->lease_epoch, "SELECT epoch FROM %s.consumer_lease WHERE consumer = $1", service);
    sql_of(books->load,
           "SELECT log_id, position, n, generation, event_id FROM %s.checkpoint"
           " WHERE consumer = $1 AND source = $2 AND partition_from = 0",
           service);
    // $3: the projection, $4: the generation of a reactor (0) or of a rebuild.
    sql_of(books->make,
           "INSERT INTO %s.checkpoint (consumer, source, log_id, partition_from, partition_to,"
           " position, n, generation)"
           " SELECT $1, $2, '00000000-0000-0000-0000-000000000000', 0, 63, 0, 0, g FROM"
           " (SELECT CASE WHEN $4 = 0 THEN generation WHEN $4 > generation THEN $4 END"
           " FROM %s.generation WHERE projection = $3"
           " UNION ALL SELECT $4 WHERE $3 IS NULL) AS live (g) WHERE g IS NOT NULL"
           " ON CONFLICT DO NOTHING",
           service);
    sql_of(books->parked,
           "SELECT aggregate_id, count(*) FROM %s.dead_letter WHERE consumer = $1 AND source = $2"
           " GROUP BY 1 ORDER BY 1",
           service);
    sql_of(books->hold, BOOKS_HOLD_SQL, service);
    sql_of(books->move,
           "WITH moved AS (UPDATE %s.checkpoint SET log_id = $4, position = $5, n = $6,"
           " event_id = $9 WHERE consumer = $1"
           " AND source = $2 AND partition_from = 0 AND n = $3 AND generation = $7"
           " AND EXISTS (SELECT FROM %s.consumer_lease WHERE consumer = $1 AND epoch = $8)"
           " RETURNING 1) SELECT 1 / count(*) FROM moved",
           service);
    sql_of(books->forget, "SELECT %s.drop_former_generations($1, $2)", service);
    sql_of(
        books->park,
        "INSERT INTO %s.dead_letter (consumer, source, n, position, event_id, aggregate_id, type,"
        " event, error, attempts) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        service);
    return books;
}

void books_destroy(struct books **books)
{
    free(*books);
    *books = NULL;
}

enum nova_status books_ready_session(struct books *books, int64_t lease_ms, struct error *err)
{
    char sql[192];
    int64_t idle_ms = lease_ms > IDLE_IN_TRANSACTION_MS_MIN ? lease_ms : IDLE_IN_TRANSACTION_MS_MIN;
    snprintf(sql, sizeof sql,
             "SET idle_in_transaction_session_timeout = %" PRId64
             "; SET default_transaction_read_only = on",
             idle_ms);
    return pg_exec(books->options.pg, sql, err);
}

// ---- the lease ----------------------------------------------------------------------------------

enum nova_status books_lease_take(int64_t *epoch, struct books *books, const struct uuid *owner,
                                  const char *owner_name, int64_t lease_ms, struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_text(books->options.name), pg_uuid(owner),
                                      pg_text(owner_name), pg_int8(lease_ms)};
    enum nova_status status = pg_query(&rows, books->options.pg, books->lease_take, params, 4, err);
    *epoch = pg_rows(rows) > 0 ? pg_get_int8(rows, 0, 0) : 0;
    pg_result_destroy(&rows);
    return status;
}

// A statement that changes the lease if it is ours; *held tells.
static enum nova_status books_lease_change(bool *held, struct books *books, const char *sql,
                                           const struct uuid *owner, int64_t epoch,
                                           const int64_t *lease_ms, struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_text(books->options.name), pg_uuid(owner), pg_int8(epoch),
                                      pg_int8(lease_ms ? *lease_ms : 0)};
    enum nova_status status =
        pg_query(&rows, books->options.pg, sql, params, lease_ms ? 4 : 3, err);
    *held = status == NOVA_OK && pg_affected(rows) == 1;
    pg_result_destroy(&rows);
    return status;
}

enum nova_status books_lease_renew(bool *held, struct books *books, const struct uuid *owner,
                                   int64_t epoch, int64_t lease_ms, struct error *err)
{
    return books_lease_change(held, books, books->lease_renew, owner, epoch, &lease_ms, err);
}

enum nova_status books_lease_release(struct books *books, const struct uuid *owner, int64_t epoch,
                                     struct error *err)
{
    bool held;
    return books_lease_change(&held, books, books->lease_release, owner, epoch, NULL, err);
}

// ---- the checkpoint -----------------------------------------------------------------------------

static enum nova_status books_make(struct books *books, const char *source, struct error *err)
{
    struct pg_result *results[3] = {NULL};
    const struct pg_param params[] = {pg_text(books->options.name), pg_text(source),
                                      pg_text(books->options.projection),
                                      pg_int4(books->options.generation)};
    pg_pipeline_begin(books->options.pg);
    pg_pipeline_add(books->options.pg, sql_begin, NULL, 0);
    pg_pipeline_add(books->options.pg, books->make, params, 4);
    pg_pipeline_add(books->options.pg, "COMMIT", NULL, 0);
    enum nova_status status = pg_pipeline_end(results, 3, NULL, books->options.pg, err);
    for (size_t i = 0; i < 3; i++)
        pg_result_destroy(&results[i]);
    return status;
}

enum nova_status books_load(struct inbox_checkpoint *checkpoint, int32_t *generation,
                            struct books *books, const char *source, struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_text(books->options.name), pg_text(source)};
    enum nova_status status = pg_query(&rows, books->options.pg, books->load, params, 2, err);
    if (status == NOVA_OK && pg_rows(rows) == 0) {
        pg_result_destroy(&rows);
        status = books_make(books, source, err);
        if (status == NOVA_OK)
            status = pg_query(&rows, books->options.pg, books->load, params, 2, err);
    }
    if (status == NOVA_OK && pg_rows(rows) == 0)
        status = error_set_transient(err, NOVA_FAILED_PRECONDITION,
                                     "%s has no generation yet: run `nova db migrate`",
                                     books->options.name);
    if (status == NOVA_OK) {
        checkpoint->log_id = pg_get_uuid(rows, 0, 0);
        checkpoint->position = pg_get_int8(rows, 0, 1);
        checkpoint->n = pg_get_int8(rows, 0, 2);
        *generation = pg_get_int4(rows, 0, 3);
        checkpoint->event_id = pg_get_uuid(rows, 0, 4);
    }
    pg_result_destroy(&rows);
    return status;
}

enum nova_status books_parked(struct uuid parked[INBOX_PARKED_MAX + 1], uint32_t *count,
                              int64_t *events, struct books *books, const char *source,
                              struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_text(books->options.name), pg_text(source)};
    enum nova_status status = pg_query(&rows, books->options.pg, books->parked, params, 2, err);
    *count = (uint32_t)pg_rows(rows);
    *events = 0;
    for (size_t row = 0; row < pg_rows(rows); row++) {
        *events += pg_get_int8(rows, row, 1);
        if (row <= INBOX_PARKED_MAX)
            parked[row] = pg_get_uuid(rows, row, 0);
    }
    pg_result_destroy(&rows);
    return status;
}

// Nothing moved: is it the lease, or the checkpoint?
static enum nova_status books_why_not(enum inbox_outcome *outcome, struct books *books,
                                      int64_t epoch, struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_text(books->options.name)};
    enum nova_status status =
        pg_query(&rows, books->options.pg, books->lease_epoch, params, 1, err);
    bool ours = pg_rows(rows) > 0 && pg_get_int8(rows, 0, 0) == epoch;
    *outcome = ours ? INBOX_MOVED : INBOX_FENCED;
    pg_result_destroy(&rows);
    return status;
}

void books_begin(struct books *books, const char *source, int32_t generation, int64_t epoch,
                 const struct inbox_checkpoint *from, const struct inbox_checkpoint *up)
{
    struct pg *pg = books->options.pg;
    const struct pg_param params[] = {
        pg_text(books->options.name), pg_text(source),       pg_int8(from->n),
        pg_uuid(&up->log_id),         pg_int8(up->position), pg_int8(up->n),
        pg_int4(generation),          pg_int8(epoch),        pg_uuid(&up->event_id),
    };
    assert(up->n > from->n && up->position > from->position);
    pg_defer_begin(pg);
    // None of these can fail: their failures are told by books_end.
    const struct {
        const char *sql;
        size_t param_count;
    } statements[] = {[BOOKS_BEGIN] = {sql_begin, 0},
                      [BOOKS_HOLD] = {books->hold, 1},
                      [BOOKS_MOVE] = {books->move, 9}};
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
        if (pg_query(NULL, pg, statements[i].sql, params, statements[i].param_count, NULL) !=
            NOVA_OK)
            abort(); // what is deferred answers NOVA_OK before anything was waited for
}

void books_commit(struct books *books)
{
    // Not sent when something before it is known to have failed: then books_end tells.
    struct error known;
    if (pg_query(NULL, books->options.pg, "COMMIT", NULL, 0, &known) != NOVA_OK)
        return;
}

void books_end(enum inbox_outcome *outcome, struct books *books, int64_t epoch, size_t handler_from,
               size_t handler_to, struct error *err)
{
    struct pg *pg = books->options.pg;
    struct error failure = {0};
    size_t failed_at = 0;
    enum nova_status status = pg_defer_end(&failed_at, pg, &failure);
    bool no_move =
        status != NOVA_OK && failed_at == BOOKS_MOVE && strcmp(pg_failed_state(pg), no_row) == 0;
    pg_rollback(pg);
    if (no_move)
        status = books_why_not(outcome, books, epoch, &failure);
    else if (status != NOVA_OK)
        *outcome = failed_at >= handler_from && failed_at < handler_to && !failure.transient
                       ? INBOX_PERMANENT
                       : INBOX_TRANSIENT;
    if (no_move && status != NOVA_OK)
        *outcome = INBOX_TRANSIENT;
    if (status != NOVA_OK)
        *err = failure;
}

enum nova_status books_park(struct books *books, const char *source, const struct decoded *decoded,
                            const char *why, int32_t attempts, struct error *err)
{
    const struct event *event = &decoded->inbox.event;
    const struct pg_param params[] = {
        pg_text(books->options.name),
        pg_text(source),
        pg_int8(event->n),
        pg_int8(event->position),
        pg_uuid(&event->event_id),
        pg_uuid(&event->aggregate_id),
        pg_text(event->type),
        pg_bytea(decoded->message),
        pg_text(why),
        pg_int4(attempts),
    };
    return pg_query(NULL, books->options.pg, books->park, params, 10, err);
}

enum nova_status books_forget_former(struct books *books, struct error *err)
{
    const struct pg_param params[] = {pg_text(books->options.projection),
                                      pg_text(books->options.name)};
    return pg_query(NULL, books->options.pg, books->forget, params, 2, err);
}
