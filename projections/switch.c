// switch.c - see switch.h.
#include "projections/switch.h"

#include <inttypes.h>
#include <stdio.h>

#include "bus/topology.h"
#include "inbox/books.h"

enum {
    SQL_BYTES = 1024,
    TICK_MS = 10,
    HOLD_MS_MAX = 3000, // the live consumer waits this long; its lock gives up after 5 s
    HOLDS_MAX = 100,
};

// Where each source's stream ends now.
static enum nova_status source_ends(int64_t *ends, const char **services, struct fill *fill,
                                    struct error *err)
{
    jsCtx *js = NULL;
    size_t count = inbox_source_count(fill->consumer);
    enum nova_status status = bus_jetstream(&js, fill->streams, err);
    for (size_t i = 0; i < count && status == NOVA_OK; i++) {
        jsStreamInfo *info = NULL;
        jsErrCode code = 0;
        services[i] = fill->consumer->sources[i].service;
        const char *stream = topology_stream_of(services[i]);
        natsStatus s = js_GetStreamInfo(&info, js, stream, NULL, &code);
        if (s != NATS_OK)
            status = error_set_transient(err, NOVA_UNAVAILABLE, "asking for %s: %s", stream,
                                         natsStatus_GetText(s));
        else
            ends[i] = (int64_t)info->State.LastSeq;
        jsStreamInfo_Destroy(info);
    }
    jsCtx_Destroy(js);
    return status;
}

// True when the new generation is nowhere behind the live one, whose lock we hold; nor behind the
// end of its stream, where the live one stands beyond it: on events of a log that is gone.
static enum nova_status is_not_behind(bool *out, struct fill *fill, struct error *err)
{
    char sql[SQL_BYTES];
    int64_t ends[INBOX_SOURCES_MAX];
    const char *services[INBOX_SOURCES_MAX];
    struct pg_result *rows = NULL;
    const char *service = fill->consumer->service;
    size_t count = inbox_source_count(fill->consumer);
    struct arena *arena = arena_create();
    enum nova_status status = source_ends(ends, services, fill, err);
    snprintf(sql, sizeof sql,
             "SELECT NOT EXISTS (SELECT FROM %s.checkpoint AS live JOIN unnest($3::text[],"
             " $4::bigint[]) AS stream (source, last_n) USING (source) WHERE consumer = $2 AND"
             " NOT EXISTS (SELECT FROM %s.checkpoint AS next WHERE next.consumer = $1"
             " AND next.source = live.source AND next.partition_from = live.partition_from"
             " AND (next.n >= least(live.n, stream.last_n) OR live.n = 0)))",
             service, service);
    if (status == NOVA_OK) {
        const struct pg_param params[] = {pg_text(fill->name), pg_text(fill->consumer->name),
                                          pg_text_array(arena, services, count),
                                          pg_int8_array(arena, ends, count)};
        status = pg_query(&rows, fill->pg, sql, params, 4, err);
    }
    *out = status == NOVA_OK && pg_get_bool(rows, 0, 0);
    pg_result_destroy(&rows);
    arena_destroy(&arena);
    return status;
}

// What the live one's rows say becomes the former generation's, and what the filled one's say the
// live one's. $1: the filled one's name, $2: the live one's, $3: the former generation's.
static enum nova_status switch_books(struct fill *fill, struct error *err)
{
    static const char *const steps[] = {
        "INSERT INTO %s.checkpoint (consumer, source, log_id, partition_from, partition_to, "
        "position,"
        " n, generation, event_id) SELECT $3, source, log_id, partition_from, partition_to, "
        "position,"
        " n, generation, event_id FROM %s.checkpoint WHERE consumer = $2 AND $1 <> ''",
        "UPDATE %s.checkpoint AS live SET log_id = next.log_id, position = next.position,"
        " n = next.n, event_id = next.event_id, generation = next.generation"
        " FROM %s.checkpoint AS next WHERE next.consumer = $1 AND live.consumer = $2 AND $3 <> ''"
        " AND next.source = live.source AND next.partition_from = live.partition_from",
        "DELETE FROM %s.checkpoint WHERE consumer = $1 AND $2 <> $3",
        "DELETE FROM %s.dead_letter WHERE consumer = $3 AND $1 <> $2",
        "UPDATE %s.dead_letter SET consumer = $3 WHERE consumer = $2 AND $1 <> ''",
        "UPDATE %s.dead_letter SET consumer = $2 WHERE consumer = $1 AND $3 <> ''",
    };
    char former[sizeof fill->name], sql[SQL_BYTES];
    const char *service = fill->consumer->service;
    snprintf(former, sizeof former, "%s@%" PRId32, fill->consumer->name, fill->before.live);
    const struct pg_param params[] = {pg_text(fill->name), pg_text(fill->consumer->name),
                                      pg_text(former)};
    enum nova_status status = NOVA_OK;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && status == NOVA_OK; i++) {
        snprintf(sql, sizeof sql, steps[i], service, service);
        status = pg_query(NULL, fill->pg, sql, params, 3, err);
    }
    return status;
}

static enum nova_status switch_generation(struct fill *fill, struct error *err)
{
    char sql[SQL_BYTES];
    const struct projection *projection = fill->options->projection;
    snprintf(sql, sizeof sql,
             "UPDATE %s.generation SET previous = $2, generation = $3,"
             " switched_at = clock_timestamp() WHERE projection = $1 AND generation = $2",
             fill->consumer->service);
    const struct pg_param params[] = {pg_text(projection->name), pg_int4(fill->before.live),
                                      pg_int4(fill->number)};
    struct pg_result *rows = NULL;
    enum nova_status status = pg_query(&rows, fill->pg, sql, params, 3, err);
    if (status == NOVA_OK && pg_affected(rows) != 1)
        status = error_set(err, NOVA_ABORTED, "another rebuild of %s was first", projection->name);
    pg_result_destroy(&rows);
    if (status == NOVA_OK)
        status = generation_show(fill->pg, projection, fill->number, err);
    return status == NOVA_OK ? switch_books(fill, err) : status;
}

// Holds the live consumer, lets the new generation pass it, and switches. *switched false: it did
// not come as far in time, and the live consumer goes on.
static enum nova_status switch_in_transaction(bool *switched, struct fill *fill, struct error *err)
{
    char hold[SQL_BYTES];
    bool ready = false, caught_up;
    const struct pg_param name[] = {pg_text(fill->consumer->name)};
    int64_t began_ms = worker_now_ms();
    snprintf(hold, sizeof hold, BOOKS_HOLD_SQL, fill->consumer->service);
    enum nova_status status = pg_query(NULL, fill->pg, hold, name, 1, err);
    while (status == NOVA_OK && !ready && worker_now_ms() - began_ms < HOLD_MS_MAX) {
        status = fill_tick(&caught_up, fill, err);
        if (status == NOVA_OK)
            status = is_not_behind(&ready, fill, err);
        if (status == NOVA_OK && !ready)
            fill_sleep_ms(TICK_MS);
    }
    if (status != NOVA_OK || !ready)
        return status;
    fill_pause(fill); // its last batch is committed, or was never applied
    status = switch_generation(fill, err);
    *switched = status == NOVA_OK;
    return status;
}

enum nova_status switch_over(struct fill *fill, struct error *err)
{
    bool switched = false;
    enum nova_status status = NOVA_OK;
    for (int i = 0; i < HOLDS_MAX && status == NOVA_OK && !switched; i++) {
        status = pg_exec(fill->pg, "BEGIN", err);
        if (status == NOVA_OK)
            status = switch_in_transaction(&switched, fill, err);
        if (status == NOVA_OK && switched)
            status = pg_exec(fill->pg, "COMMIT", err);
        if (status != NOVA_OK || !switched)
            pg_rollback(fill->pg);
        bool again = status != NOVA_OK && err->transient && fill->inbox != NULL;
        status = again ? NOVA_OK : status; // the lock was not to be had in time
        if (status == NOVA_OK && !switched)
            status = fill_catch_up(fill, err);
    }
    if (status == NOVA_OK && !switched)
        status = error_set(err, NOVA_ABORTED,
                           "generation %" PRId32 " never came as far as the live one, which stays: "
                           "run it again when less is written",
                           fill->number);
    return status;
}
