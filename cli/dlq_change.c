// dlq_change.c - `nova dlq retry` and `nova dlq discard`. Each leaves an audit event in the
// transaction of its deed (docs/decisions/0037).
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/dlq.h"
#include "inbox/books.h"
#include "inbox/keys_rpc.h"
#include "inbox/retry.h"
#include "projections/consumers.h"

enum { SQL_BYTES = 2048, AGGREGATES_MAX = 5000, ANSWER_BYTES = 16 };

// How many are meant, and whether they may be touched. *go false with EXIT_CODE_OK: there are none.
static int confirm(bool *go, const struct settings *settings, const struct dlq_filter *filter,
                   const char *verb)
{
    struct error err;
    int64_t count = 0;
    char answer[ANSWER_BYTES] = "";
    *go = false;
    if (dlq_count(&count, settings, filter, &err) != NOVA_OK)
        return command_failed(&err);
    if (count == 0) {
        command_say(filter->all ? "nothing of that kind is parked"
                                : "no consumer has parked that event: ./nova dlq list");
        return filter->all ? EXIT_CODE_OK : EXIT_CODE_FAILED;
    }
    if (filter->all && !filter->yes) {
        fprintf(stderr, "%s %" PRId64 " parked event%s? yes or no: ", verb, count,
                count == 1 ? "" : "s");
        if (fgets(answer, sizeof answer, stdin) == NULL || strcmp(answer, "yes\n") != 0) {
            command_say("nothing was changed");
            return EXIT_CODE_FAILED;
        }
    }
    *go = true;
    return EXIT_CODE_OK;
}

// ---- retry --------------------------------------------------------------------------------------

struct retrying {
    const struct settings *settings;
    const struct dlq_filter *filter;
    struct client client;
    struct keys_rpc keys;
    int64_t applied, refused;
};

// All of one aggregate, until one is refused.
static enum nova_status retry_aggregate(struct retrying *retrying, struct pg *pg,
                                        const char *consumer, const char *source,
                                        const struct uuid *aggregate_id, struct error *err)
{
    char id[UUID_TEXT_BYTES];
    int64_t applied = 0;
    enum retry_outcome outcome = RETRY_APPLIED;
    struct error refusal = {0};
    struct retry_options options = {.pg = pg,
                                    .consumer = consumer_find(consumer),
                                    .fetch_keys = keys_rpc_fetch,
                                    .keys_context = &retrying->keys,
                                    .upcasters = upcasters,
                                    .person = dlq_person()};
    uuid_format(id, aggregate_id);
    if (options.consumer == NULL)
        return error_set(err, NOVA_FAILED_PRECONDITION,
                         "this version has no consumer %s; one that has it can retry, or discard",
                         consumer);
    size_t count = inbox_source_count(options.consumer);
    while (options.source < count &&
           strcmp(options.consumer->sources[options.source].service, source) != 0)
        options.source++;
    if (options.source == count)
        return error_set(err, NOVA_FAILED_PRECONDITION, "%s does not read %s in this version",
                         consumer, source);
    struct retry *retry = retry_create(&options);
    enum nova_status status = NOVA_OK;
    while (status == NOVA_OK && outcome == RETRY_APPLIED) {
        status = retry_first(&outcome, &refusal, retry, aggregate_id, err);
        applied += status == NOVA_OK && outcome == RETRY_APPLIED;
    }
    retry_destroy(&retry);
    retrying->applied += applied;
    retrying->refused += outcome == RETRY_REFUSED;
    printf("%s %s %s: %" PRId64 " applied%s%s\n", consumer, source, id, applied,
           outcome == RETRY_REFUSED ? ", then refused again: " : "",
           outcome == RETRY_REFUSED ? refusal.text : "");
    return status == NOVA_OK ? NOVA_OK : error_while(err, "%s of aggregate %s", consumer, id);
}

// The aggregates that are meant, the one that was parked first before the others. What a rebuild
// parked is not retried: it becomes the live consumer's with the switch.
static enum nova_status retry_service(struct retrying *retrying, const char *service,
                                      struct error *err)
{
    char sql[SQL_BYTES];
    struct pg *pg = NULL;
    struct pg_result *rows = NULL;
    struct pg_param params[DLQ_PARAMS + 1];
    dlq_params(params, retrying->filter);
    params[DLQ_PARAMS] = pg_int4(AGGREGATES_MAX);
    snprintf(sql, sizeof sql,
             "SELECT consumer, source, aggregate_id FROM %s.dead_letter WHERE " DLQ_WHERE
             " AND strpos(consumer, '@') = 0 GROUP BY 1, 2, 3 ORDER BY 1, 2, min(n) LIMIT $5",
             service);
    enum nova_status status = dlq_connect(&pg, retrying->settings, service, "operator", err);
    if (status == NOVA_OK)
        status = pg_query(&rows, pg, sql, params, DLQ_PARAMS + 1, err);
    for (size_t row = 0; row < pg_rows(rows) && status == NOVA_OK; row++) {
        struct uuid aggregate_id = pg_get_uuid(rows, row, 2);
        status = retry_aggregate(retrying, pg, pg_get_text(rows, row, 0), pg_get_text(rows, row, 1),
                                 &aggregate_id, err);
    }
    pg_result_destroy(&rows);
    pg_destroy(&pg);
    return status;
}

int dlq_retry(const struct settings *settings, const struct dlq_filter *filter)
{
    struct error err = {0};
    struct retrying retrying = {.settings = settings, .filter = filter};
    bool go;
    int code = confirm(&go, settings, filter, "retry");
    if (!go)
        return code;
    log_start("dlq");
    log_set_level(LOG_LEVEL_WARN);
    enum nova_status status = client_open(&retrying.client, settings, "operator_rpc", &err);
    retrying.keys = (struct keys_rpc){retrying.client.connection, retrying.client.token};
    for (size_t i = 0; i < dlq_service_count() && status == NOVA_OK; i++)
        status = retry_service(&retrying, dlq_service_at(i), &err);
    client_close(&retrying.client);
    if (status != NOVA_OK)
        return command_failed(&err);
    command_say("%" PRId64 " applied; %" PRId64 " aggregate%s refused again", retrying.applied,
                retrying.refused, retrying.refused == 1 ? "" : "s");
    return retrying.refused == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

// ---- discard ------------------------------------------------------------------------------------

// Of one consumer, under its lock: between its look at what is parked and its putting an event
// behind it nothing may go. $5: the consumer's whole name; $6, $7: who and why.
static enum nova_status discard_of(int64_t *discarded, struct pg *pg, const char *service,
                                   const char *consumer, const struct dlq_filter *filter,
                                   struct error *err)
{
    char sql[SQL_BYTES], hold[SQL_BYTES];
    struct pg_result *gone = NULL;
    struct pg_param params[DLQ_PARAMS + 3];
    const struct pg_param name[] = {pg_text(consumer)};
    dlq_params(params, filter);
    params[DLQ_PARAMS] = pg_text(consumer);
    params[DLQ_PARAMS + 1] = pg_text(dlq_person());
    params[DLQ_PARAMS + 2] = pg_text(filter->why);
    snprintf(hold, sizeof hold, BOOKS_HOLD_SQL, service);
    snprintf(sql, sizeof sql,
             "WITH gone AS (DELETE FROM %s.dead_letter WHERE " DLQ_WHERE
             " AND consumer = $5 RETURNING *) INSERT INTO %s.audit_event (person, action, consumer,"
             " source, n, position, event_id, aggregate_id, type, attempts, reason, why) SELECT $6,"
             " 'discarded', consumer, source, n, position, event_id, aggregate_id, type, attempts,"
             " error, $7 FROM gone ORDER BY source, n",
             service, service);
    enum nova_status status = pg_exec(pg, "BEGIN", err);
    if (status == NOVA_OK)
        status = pg_query(NULL, pg, hold, name, 1, err);
    if (status == NOVA_OK)
        status = pg_query(&gone, pg, sql, params, DLQ_PARAMS + 3, err);
    if (status == NOVA_OK)
        status = pg_exec(pg, "COMMIT", err);
    if (status == NOVA_OK)
        *discarded += pg_affected(gone);
    else
        pg_rollback(pg);
    pg_result_destroy(&gone);
    return status;
}

static enum nova_status discard_service(int64_t *discarded, const struct settings *settings,
                                        const char *service, const struct dlq_filter *filter,
                                        struct error *err)
{
    char sql[SQL_BYTES];
    struct pg *pg = NULL;
    struct pg_result *rows = NULL;
    struct pg_param params[DLQ_PARAMS];
    dlq_params(params, filter);
    snprintf(sql, sizeof sql,
             "SELECT DISTINCT consumer FROM %s.dead_letter WHERE " DLQ_WHERE " ORDER BY 1",
             service);
    enum nova_status status = dlq_connect(&pg, settings, service, "operator", err);
    if (status == NOVA_OK)
        status = pg_query(&rows, pg, sql, params, DLQ_PARAMS, err);
    for (size_t row = 0; row < pg_rows(rows) && status == NOVA_OK; row++)
        status = discard_of(discarded, pg, service, pg_get_text(rows, row, 0), filter, err);
    pg_result_destroy(&rows);
    pg_destroy(&pg);
    return status;
}

int dlq_discard(const struct settings *settings, const struct dlq_filter *filter)
{
    struct error err = {0};
    int64_t discarded = 0, left = 0;
    bool go;
    int code = confirm(&go, settings, filter, "discard");
    if (!go)
        return code;
    enum nova_status status = NOVA_OK;
    for (size_t i = 0; i < dlq_service_count() && status == NOVA_OK; i++)
        status = discard_service(&discarded, settings, dlq_service_at(i), filter, &err);
    if (status == NOVA_OK)
        status = dlq_count(&left, settings, &(struct dlq_filter){0}, &err);
    if (status != NOVA_OK)
        return command_failed(&err);
    command_say("%" PRId64 " discarded; they stay in the log", discarded);
    if (left > 0)
        command_say("%" PRId64 " still parked, also what waited behind those: ./nova dlq retry",
                    left);
    return EXIT_CODE_OK;
}
