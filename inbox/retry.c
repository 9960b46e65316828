// retry.c - see retry.h.
//
// Keys are asked for before the transaction: another service may take its time, and the live
// consumer waits for the lock that the transaction holds. So the letter is read twice, and only the
// one that was prepared is applied.
#include "inbox/retry.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/cloudevents.h"
#include "inbox/books.h"
#include "inbox/decode.h"

enum { SQL_BYTES = 768 };

struct retry {
    struct retry_options options;
    const struct inbox_source *source;
    struct books *books;
    struct keys *keys;
    struct arena *arena; // of the letter in hand
    struct pg_result *row;
    struct decoded letter;
    int64_t n; // of the letter in hand
};

struct retry *retry_create(const struct retry_options *options)
{
    struct retry *retry = calloc(1, sizeof *retry);
    if (!retry)
        abort();
    const struct inbox_consumer *consumer = options->consumer;
    retry->options = *options;
    retry->source = &consumer->sources[options->source];
    retry->arena = arena_create();
    retry->keys = keys_create(retry->source->service, options->fetch_keys, options->keys_context);
    retry->books = books_create(&(struct books_options){options->pg, consumer->service,
                                                        consumer->name, consumer->projection, 0});
    return retry;
}

void retry_destroy(struct retry **retry)
{
    struct retry *gone = *retry;
    if (!gone)
        return;
    pg_result_destroy(&gone->row);
    books_destroy(&gone->books);
    keys_destroy(&gone->keys);
    arena_destroy(&gone->arena);
    free(gone);
    *retry = NULL;
}

// Runs SQL whose %s are the consumer's schema, with $1 its name, $2 the source and $3.
static enum nova_status retry_query(struct pg_result **out, struct retry *retry, const char *format,
                                    struct pg_param third, struct error *err)
{
    char sql[SQL_BYTES];
    const struct inbox_consumer *consumer = retry->options.consumer;
    const struct pg_param params[] = {pg_text(consumer->name), pg_text(retry->source->service),
                                      third};
    snprintf(sql, sizeof sql, format, consumer->service, consumer->service);
    return pg_query(out, retry->options.pg, sql, params, 3, err);
}

// ---- the letter ---------------------------------------------------------------------------------

static enum nova_status retry_read(bool *found, struct retry *retry,
                                   const struct uuid *aggregate_id, struct error *err)
{
    struct event event;
    arena_reset(retry->arena);
    pg_result_destroy(&retry->row);
    enum nova_status status =
        retry_query(&retry->row, retry,
                    "SELECT n, event FROM %s.dead_letter WHERE consumer = $1 AND source = $2"
                    " AND aggregate_id = $3 ORDER BY n LIMIT 1",
                    pg_uuid(aggregate_id), err);
    *found = pg_rows(retry->row) > 0;
    if (!*found)
        return status;
    retry->n = pg_get_int8(retry->row, 0, 0);
    struct bytes message = pg_get_bytea(retry->row, 0, 1);
    status = cloudevents_decode(&event, NULL, retry->arena, retry->source->service, message, err);
    if (status != NOVA_OK)
        return error_while(err, "the parked event %" PRId64 " of %s", retry->n,
                           retry->source->service);
    event.n = retry->n;
    decode_envelope(&retry->letter, &event, message, retry->source, retry->options.upcasters);
    return decode_batch(&retry->letter, 1, retry->keys, retry->options.upcasters, retry->arena,
                        err);
}

// ---- the transaction ----------------------------------------------------------------------------

// Takes the consumer's lock; *still: the letter is the aggregate's first as before.
static enum nova_status retry_begin(bool *still, struct retry *retry,
                                    const struct uuid *aggregate_id, struct error *err)
{
    char sql[SQL_BYTES];
    struct pg_result *row = NULL;
    const struct inbox_consumer *consumer = retry->options.consumer;
    const struct pg_param name[] = {pg_text(consumer->name)};
    snprintf(sql, sizeof sql, BOOKS_HOLD_SQL, consumer->service);
    *still = false;
    enum nova_status status = pg_exec(retry->options.pg, "BEGIN", err);
    if (status == NOVA_OK)
        status = pg_query(NULL, retry->options.pg, sql, name, 1, err);
    if (status == NOVA_OK)
        status = retry_query(&row, retry,
                             "SELECT min(n) FROM %s.dead_letter WHERE consumer = $1"
                             " AND source = $2 AND aggregate_id = $3",
                             pg_uuid(aggregate_id), err);
    *still = status == NOVA_OK && !pg_is_null(row, 0, 0) && pg_get_int8(row, 0, 0) == retry->n;
    pg_result_destroy(&row);
    return status;
}

// From here on with the consumer's rights, on the tables of the generation that is live.
static enum nova_status retry_become(struct retry *retry, struct error *err)
{
    char sql[SQL_BYTES];
    struct pg_result *row = NULL;
    const struct inbox_consumer *consumer = retry->options.consumer;
    enum nova_status status =
        retry_query(&row, retry,
                    "SELECT generation FROM %s.checkpoint WHERE consumer = $1 AND source = $2"
                    " AND partition_from = $3",
                    pg_int4(0), err);
    if (status == NOVA_OK && pg_rows(row) == 0)
        status = error_set(err, NOVA_FAILED_PRECONDITION, "%s has no checkpoint in %s",
                           consumer->name, retry->source->service);
    if (status == NOVA_OK) {
        if (consumer->kind == INBOX_PROJECTION)
            snprintf(sql, sizeof sql,
                     "SET LOCAL search_path = %s_g%" PRId32 ", %s;"
                     " SET LOCAL ROLE %s_consumer",
                     consumer->projection, pg_get_int4(row, 0, 0), consumer->service,
                     consumer->service);
        else
            snprintf(sql, sizeof sql, "SET LOCAL search_path = %s; SET LOCAL ROLE %s_consumer",
                     consumer->service, consumer->service);
        status = pg_exec(retry->options.pg, sql, err);
    }
    pg_result_destroy(&row);
    return status;
}

static enum nova_status retry_apply(struct retry *retry, struct error *err)
{
    const struct inbox_consumer *consumer = retry->options.consumer;
    const struct inbox_event *event = &retry->letter.inbox;
    struct inbox_batch batch = {retry->source->service, retry->arena, &event, 1};
    if (retry->letter.bad) {
        *err = *retry->letter.bad;
        return err->status;
    }
    if (!retry->letter.wanted) // by the version that is at work now
        return NOVA_OK;
    enum nova_status status = retry->source->apply(&batch, retry->options.pg, err);
    if (status == NOVA_OK && consumer->forgets && strcmp(consumer->forgets, event->type->type) == 0)
        status = books_forget_former(retry->books, err);
    return status;
}

// Who did what, beside the letter as it stands; reason NULL: that for which it was parked.
static enum nova_status retry_note(struct retry *retry, const char *action, const char *reason,
                                   struct error *err)
{
    char sql[SQL_BYTES];
    const char *service = retry->options.consumer->service;
    const struct pg_param params[] = {pg_text(retry->options.consumer->name),
                                      pg_text(retry->source->service),
                                      pg_int8(retry->n),
                                      pg_text(retry->options.person),
                                      pg_text(action),
                                      pg_text(reason)};
    snprintf(sql, sizeof sql,
             "INSERT INTO %s.audit_event (person, action, consumer, source, n, position, event_id,"
             " aggregate_id, type, attempts, reason) SELECT $4, $5, consumer, source, n, position,"
             " event_id, aggregate_id, type, attempts + 1, coalesce($6, error) FROM %s.dead_letter"
             " WHERE consumer = $1 AND source = $2 AND n = $3",
             service, service);
    return pg_query(NULL, retry->options.pg, sql, params, 6, err);
}

static enum nova_status retry_finish(struct retry *retry, struct error *err)
{
    enum nova_status status = pg_exec(retry->options.pg, "SET LOCAL ROLE NONE", err);
    if (status == NOVA_OK)
        status = retry_note(retry, "retried", NULL, err);
    if (status == NOVA_OK)
        status = retry_query(NULL, retry,
                             "DELETE FROM %s.dead_letter WHERE consumer = $1 AND source = $2"
                             " AND n = $3",
                             pg_int8(retry->n), err);
    return status == NOVA_OK ? pg_exec(retry->options.pg, "COMMIT", err) : status;
}

// Nothing of the attempt stays but that it was made. *still: as of retry_begin.
static enum nova_status retry_refuse(bool *still, struct retry *retry,
                                     const struct uuid *aggregate_id, const struct error *refusal,
                                     struct error *err)
{
    char sql[SQL_BYTES];
    const struct inbox_consumer *consumer = retry->options.consumer;
    const struct pg_param params[] = {pg_text(consumer->name), pg_text(retry->source->service),
                                      pg_int8(retry->n), pg_text(refusal->text)};
    snprintf(sql, sizeof sql,
             "UPDATE %s.dead_letter SET attempts = attempts + 1, error = $4"
             " WHERE consumer = $1 AND source = $2 AND n = $3",
             consumer->service);
    enum nova_status status = retry_begin(still, retry, aggregate_id, err);
    if (status == NOVA_OK && *still)
        status = retry_note(retry, "refused again", refusal->text, err);
    if (status == NOVA_OK && *still)
        status = pg_query(NULL, retry->options.pg, sql, params, 4, err);
    return status == NOVA_OK ? pg_exec(retry->options.pg, "COMMIT", err) : status;
}

// *still false: somebody else was at it meanwhile, and nothing was done.
static enum nova_status retry_transact(bool *still, bool *refused, struct error *refusal,
                                       struct retry *retry, const struct uuid *aggregate_id,
                                       struct error *err)
{
    *refused = false;
    enum nova_status status = retry_begin(still, retry, aggregate_id, err);
    if (status == NOVA_OK && *still)
        status = retry_become(retry, err);
    if (status == NOVA_OK && *still) {
        status = retry_apply(retry, refusal);
        *refused = status != NOVA_OK && !refusal->transient;
        if (status != NOVA_OK)
            *err = *refusal;
    }
    if (status == NOVA_OK && *still)
        status = retry_finish(retry, err);
    if (status == NOVA_OK && *still)
        return NOVA_OK;
    pg_rollback(retry->options.pg);
    return *refused ? retry_refuse(still, retry, aggregate_id, refusal, err) : status;
}

enum nova_status retry_first(enum retry_outcome *outcome, struct error *refusal,
                             struct retry *retry, const struct uuid *aggregate_id,
                             struct error *err)
{
    bool found = false, still = false, refused = false;
    enum nova_status status = NOVA_OK;
    *outcome = RETRY_NOTHING;
    while (status == NOVA_OK && !still) {
        status = retry_read(&found, retry, aggregate_id, err);
        if (status != NOVA_OK || !found)
            return status;
        status = retry_transact(&still, &refused, refusal, retry, aggregate_id, err);
    }
    if (status == NOVA_OK)
        *outcome = refused ? RETRY_REFUSED : RETRY_APPLIED;
    else
        pg_rollback(retry->options.pg);
    return status;
}
