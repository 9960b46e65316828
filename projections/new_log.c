// new_log.c - see new_log.h.
#include "projections/new_log.h"

#include <stdio.h>
#include <string.h>

#include "base/access.h"
#include "projections/consumers.h"
#include "projections/rebuild.h"

enum { SQL_BYTES = 1024 };

static bool is_reactor(const struct inbox_consumer *consumer)
{
    for (size_t i = 0; i < projection_count(); i++)
        if (projection_at(i)->consumer == consumer)
            return false;
    return true;
}

// What it parked of events that are gone goes with them.
static enum nova_status move_in_transaction(struct pg *pg, const struct inbox_consumer *consumer,
                                            const char *source,
                                            const struct inbox_checkpoint *common,
                                            struct error *err)
{
    char sql[SQL_BYTES];
    const struct pg_param params[] = {pg_text(consumer->name),   pg_text(source),
                                      pg_uuid(&common->log_id),  pg_int8(common->n),
                                      pg_int8(common->position), pg_uuid(&common->event_id)};
    snprintf(sql, sizeof sql,
             "UPDATE %s.checkpoint SET log_id = CASE WHEN least(n, $4) = 0 THEN"
             " '00000000-0000-0000-0000-000000000000' ELSE $3 END,"
             " position = CASE WHEN n > $4 THEN $5 ELSE position END,"
             " event_id = CASE WHEN n > $4 THEN $6 ELSE event_id END, n = least(n, $4)"
             " WHERE consumer = $1 AND source = $2",
             consumer->service);
    enum nova_status status = pg_query(NULL, pg, sql, params, 6, err);
    snprintf(sql, sizeof sql,
             "DELETE FROM %s.dead_letter WHERE consumer = $1 AND source = $2 AND n > $3",
             consumer->service);
    const struct pg_param parked[] = {params[0], params[1], params[3]};
    return status == NOVA_OK ? pg_query(NULL, pg, sql, parked, 3, err) : status;
}

static enum nova_status move_reactor(const struct settings *settings,
                                     const struct inbox_consumer *consumer, const char *source,
                                     const struct inbox_checkpoint *common, struct error *err)
{
    char url[ACCESS_URL_BYTES];
    struct pg *pg = NULL;
    enum nova_status status =
        access_postgres_url(url, settings, consumer->service, "operator", err);
    if (status == NOVA_OK)
        status = pg_connect(&pg, url, "nova recover", err);
    explicit_bzero(url, sizeof url);
    if (status == NOVA_OK)
        status = pg_exec(pg, "BEGIN", err);
    if (status == NOVA_OK)
        status = move_in_transaction(pg, consumer, source, common, err);
    if (status == NOVA_OK)
        status = pg_exec(pg, "COMMIT", err);
    pg_destroy(&pg);
    return status == NOVA_OK ? NOVA_OK : error_while(err, "the checkpoint of %s", consumer->name);
}

enum nova_status new_log_reactors(size_t *count, const struct settings *settings,
                                  const char *source, const struct inbox_checkpoint *common,
                                  struct error *err)
{
    enum nova_status status = NOVA_OK;
    *count = 0;
    for (size_t i = 0; i < consumer_count() && status == NOVA_OK; i++) {
        const struct inbox_consumer *consumer = consumer_at(i);
        if (!is_reactor(consumer) || !consumer_reads(consumer, source))
            continue;
        status = move_reactor(settings, consumer, source, common, err);
        *count += status == NOVA_OK;
    }
    return status;
}

enum nova_status new_log_projections(const struct settings *settings, const char *source,
                                     void (*told)(const char *projection), struct error *err)
{
    enum nova_status status = NOVA_OK;
    for (size_t i = 0; i < projection_count() && status == NOVA_OK; i++) {
        int32_t generation;
        const struct projection *projection = projection_at(i);
        // The former generation is of a log that is gone: there is no way back to it.
        const struct rebuild_options options = {
            .fill = {.settings = settings, .projection = projection}, .drop_former = true};
        if (!consumer_reads(projection->consumer, source))
            continue;
        told(projection->name);
        status = rebuild_run(&generation, &options, err);
        if (status != NOVA_OK)
            error_while(err, "rebuilding %s", projection->name);
    }
    return status;
}
