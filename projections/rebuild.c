// rebuild.c - see rebuild.h. The operator's roles do it: the operator of PostgreSQL writes the new
// generation, the operator of the bus reads the streams, and operator_rpc asks for persons' keys.
#include "projections/rebuild.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/access.h"
#include "bus/topology.h"
#include "inbox/books.h"
#include "inbox/inbox.h"
#include "inbox/keys_rpc.h"
#include "projections/generation.h"

enum {
    SQL_BYTES = 1024,
    TICK_MS = 50,
    LEASE_MS = 5000,
    CONNECT_WAIT_MS = 10000,
    HOLD_MS_MAX = 3000, // the live consumer waits this long; its lock gives up after 5 s
    HOLDS_MAX = 100,
    LOCK_MS_MAX = 2000,
    STANDBY_MS_MAX = 2 * LEASE_MS,
};

struct rebuild {
    const struct rebuild_options *options;
    const struct inbox_consumer *consumer;
    struct generation before;
    int32_t number;
    char name[128], durable[128], url[ACCESS_URL_BYTES];
    struct pg *pg;
    struct bus_connection *streams, *services;
    struct process_token *token;
    struct keys_rpc keys;
    struct inbox *inbox;
};

static void sleep_ms(int64_t ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

// ---- connections --------------------------------------------------------------------------------

static enum nova_status connect_bus(struct bus_connection **out, char seed[PATH_MAX],
                                    const struct settings *settings, const char *user,
                                    struct error *err)
{
    char url[ACCESS_URL_BYTES];
    enum nova_status status = access_nats_url(url, settings, err);
    if (status == NOVA_OK)
        status = access_nats_seed_path(seed, settings, user, err);
    const struct bus_options options = {url, "nova rebuild", user, seed, CONNECT_WAIT_MS};
    return status == NOVA_OK ? bus_connect(out, &options, err) : status;
}

static enum nova_status rebuild_connect(struct rebuild *rebuild, struct error *err)
{
    char seed[PATH_MAX];
    const struct settings *settings = rebuild->options->settings;
    enum nova_status status = seal_start(err);
    if (status == NOVA_OK)
        status = access_postgres_url(rebuild->url, settings, rebuild->consumer->service, "operator",
                                     err);
    if (status == NOVA_OK)
        status = pg_connect(&rebuild->pg, rebuild->url, "nova rebuild", err);
    if (status == NOVA_OK)
        status = connect_bus(&rebuild->streams, seed, settings, "operator", err);
    if (status == NOVA_OK)
        status = connect_bus(&rebuild->services, seed, settings, "operator_rpc", err);
    if (status == NOVA_OK)
        status = process_token_create(&rebuild->token, "operator_rpc", seed, err);
    rebuild->keys = (struct keys_rpc){rebuild->services, rebuild->token};
    return status;
}

// Held until the connection ends, however it ends; before the generation's number is read, which
// is live when another one is done. PostgreSQL may notice a moment late that a killed one is gone.
static enum nova_status rebuild_lock(struct rebuild *rebuild, struct error *err)
{
    static const char sql[] =
        "SELECT pg_try_advisory_lock(hashtextextended('nova rebuild ' || $1, 0))";
    const struct pg_param name[] = {pg_text(rebuild->options->projection->name)};
    int64_t began_ms = worker_now_ms();
    enum nova_status status = NOVA_OK;
    bool taken = false;
    while (status == NOVA_OK && !taken && worker_now_ms() - began_ms < LOCK_MS_MAX) {
        struct pg_result *rows = NULL;
        status = pg_query(&rows, rebuild->pg, sql, name, 1, err);
        taken = status == NOVA_OK && pg_get_bool(rows, 0, 0);
        pg_result_destroy(&rows);
        if (!taken)
            sleep_ms(TICK_MS);
    }
    if (status == NOVA_OK && !taken)
        status = error_set(err, NOVA_ABORTED, "another rebuild of %s is at work",
                           rebuild->options->projection->name);
    return status;
}

// ---- the next generation ------------------------------------------------------------------------

// Runs SQL whose %s are the consumer's schema, with $1 the rebuild's name and $2 the consumer's.
static enum nova_status run_books(struct rebuild *rebuild, const char *format, struct error *err)
{
    char sql[SQL_BYTES];
    const char *service = rebuild->consumer->service;
    const struct pg_param params[] = {pg_text(rebuild->name), pg_text(rebuild->consumer->name)};
    snprintf(sql, sizeof sql, format, service, service);
    return pg_query(NULL, rebuild->pg, sql, params, 2, err);
}

// A generation of another binary's tables was made anew, and begins at the beginning.
static enum nova_status forget_books(struct rebuild *rebuild, struct error *err)
{
    enum nova_status status =
        run_books(rebuild, "DELETE FROM %s.checkpoint WHERE consumer = $1 AND $2 <> ''", err);
    return status == NOVA_OK
               ? run_books(rebuild, "DELETE FROM %s.dead_letter WHERE consumer = $1 AND $2 <> ''",
                           err)
               : status;
}

// What rebuilds of other numbers left behind.
static enum nova_status forget_others(struct rebuild *rebuild, struct error *err)
{
    static const char *const steps[] = {
        "DELETE FROM %s.checkpoint WHERE consumer LIKE $2 || '@%%' AND consumer <> $1",
        "DELETE FROM %s.dead_letter WHERE consumer LIKE $2 || '@%%' AND consumer <> $1"};
    enum nova_status status = run_books(rebuild, steps[0], err);
    return status == NOVA_OK ? run_books(rebuild, steps[1], err) : status;
}

static enum nova_status make_in_transaction(struct rebuild *rebuild, struct error *err)
{
    bool known = false;
    const struct projection *projection = rebuild->options->projection;
    enum nova_status status = forget_others(rebuild, err);
    if (status == NOVA_OK && rebuild->before.previous > 0)
        status = generation_drop(rebuild->pg, projection, rebuild->before.previous, err);
    if (status == NOVA_OK)
        status = generation_create(&known, rebuild->pg, projection, rebuild->number, err);
    return status == NOVA_OK && !known ? forget_books(rebuild, err) : status;
}

static enum nova_status rebuild_make(struct rebuild *rebuild, struct error *err)
{
    const struct projection *projection = rebuild->options->projection;
    enum nova_status status = generation_read(&rebuild->before, rebuild->pg, projection, err);
    if (status == NOVA_OK && rebuild->before.live == 0)
        status = error_set(err, NOVA_FAILED_PRECONDITION,
                           "%s was never installed: ./nova db migrate", projection->name);
    if (status != NOVA_OK)
        return status;
    rebuild->number = rebuild->before.live + 1;
    snprintf(rebuild->name, sizeof rebuild->name, "%s@%" PRId32, rebuild->consumer->name,
             rebuild->number);
    status = pg_exec(rebuild->pg, "BEGIN", err);
    if (status == NOVA_OK)
        status = make_in_transaction(rebuild, err);
    if (status == NOVA_OK)
        status = pg_exec(rebuild->pg, "COMMIT", err);
    if (status != NOVA_OK)
        pg_rollback(rebuild->pg);
    return status;
}

// ---- applying -----------------------------------------------------------------------------------

static void rebuild_begin(struct rebuild *rebuild)
{
    const struct settings *settings = rebuild->options->settings;
    for (char *c = strcpy(rebuild->durable, rebuild->consumer->name); *c != '\0'; c++)
        if (*c == '/')
            *c = '-';
    strcat(rebuild->durable, "-rebuild");
    rebuild->inbox = inbox_create(&(struct inbox_options){
        .owner_name = "rebuild",
        .worker = {
            .consumer = rebuild->consumer,
            .name = rebuild->name,
            .generation = rebuild->number,
            .postgres_url = rebuild->url,
            .connection = rebuild->streams,
            .durable = rebuild->durable,
            .fetch_keys = keys_rpc_fetch,
            .keys_context = &rebuild->keys,
            .upcasters = upcasters,
            .batch_max = (uint32_t)settings_int(settings, SETTING_INBOX_BATCH),
            .retry_ms_max = settings_int(settings, SETTING_INBOX_RETRY_MS_MAX),
            .lease_ms = LEASE_MS,
        }});
}

// One tick; *caught_up: nothing was pending in any stream a moment ago.
static enum nova_status rebuild_tick(bool *caught_up, struct rebuild *rebuild, struct error *err)
{
    struct inbox_status status;
    struct rebuild_progress progress = {.generation = rebuild->number};
    enum nova_status ticked = inbox_tick(rebuild->inbox, err);
    if (ticked == NOVA_OK)
        ticked = bus_connection_check(rebuild->streams, err);
    if (ticked == NOVA_OK)
        ticked = bus_connection_check(rebuild->services, err);
    if (ticked != NOVA_OK)
        return ticked;
    inbox_status(&status, rebuild->inbox);
    *caught_up = status.active && status.source_count > 0;
    for (size_t i = 0; i < status.source_count; i++) {
        progress.applied += status.sources[i].checkpoint.n;
        progress.all += status.sources[i].head_n;
        *caught_up &= status.sources[i].is_caught_up;
    }
    if (!status.active || status.pending < 0)
        progress.all = -1;
    else if (progress.all < progress.applied)
        progress.all = progress.applied;
    if (rebuild->options->progress != NULL)
        rebuild->options->progress(rebuild->options->context, &progress);
    if (status.failing)
        return error_set(err, NOVA_FAILED_PRECONDITION, "%s", status.trouble);
    return NOVA_OK;
}

static enum nova_status rebuild_catch_up(struct rebuild *rebuild, struct error *err)
{
    bool caught_up = false;
    int64_t began_ms = worker_now_ms();
    struct inbox_status status;
    for (;;) {
        enum nova_status ticked = rebuild_tick(&caught_up, rebuild, err);
        if (ticked != NOVA_OK || caught_up)
            return ticked;
        inbox_status(&status, rebuild->inbox);
        if (!status.active && worker_now_ms() - began_ms > STANDBY_MS_MAX)
            return error_set(err, NOVA_ABORTED, "another rebuild of %s is at work",
                             rebuild->options->projection->name);
        sleep_ms(TICK_MS);
    }
}

// ---- switching ----------------------------------------------------------------------------------

// Where each source's stream ends now.
static enum nova_status source_ends(int64_t *ends, const char **services, struct rebuild *rebuild,
                                    struct error *err)
{
    jsCtx *js = NULL;
    size_t count = inbox_source_count(rebuild->consumer);
    enum nova_status status = bus_jetstream(&js, rebuild->streams, err);
    for (size_t i = 0; i < count && status == NOVA_OK; i++) {
        jsStreamInfo *info = NULL;
        jsErrCode code = 0;
        services[i] = rebuild->consumer->sources[i].service;
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
static enum nova_status is_not_behind(bool *out, struct rebuild *rebuild, struct error *err)
{
    char sql[SQL_BYTES];
    int64_t ends[INBOX_SOURCES_MAX];
    const char *services[INBOX_SOURCES_MAX];
    struct pg_result *rows = NULL;
    const char *service = rebuild->consumer->service;
    size_t count = inbox_source_count(rebuild->consumer);
    struct arena *arena = arena_create();
    enum nova_status status = source_ends(ends, services, rebuild, err);
    snprintf(sql, sizeof sql,
             "SELECT NOT EXISTS (SELECT FROM %s.checkpoint AS live JOIN unnest($3::text[],"
             " $4::bigint[]) AS stream (source, last_n) USING (source) WHERE consumer = $2 AND"
             " NOT EXISTS (SELECT FROM %s.checkpoint AS next WHERE next.consumer = $1"
             " AND next.source = live.source AND next.partition_from = live.partition_from"
             " AND (next.n >= least(live.n, stream.last_n) OR live.n = 0)))",
             service, service);
    if (status == NOVA_OK) {
        const struct pg_param params[] = {pg_text(rebuild->name), pg_text(rebuild->consumer->name),
                                          pg_text_array(arena, services, count),
                                          pg_int8_array(arena, ends, count)};
        status = pg_query(&rows, rebuild->pg, sql, params, 4, err);
    }
    *out = status == NOVA_OK && pg_get_bool(rows, 0, 0);
    pg_result_destroy(&rows);
    arena_destroy(&arena);
    return status;
}

static enum nova_status switch_books(struct rebuild *rebuild, struct error *err)
{
    static const char *const steps[] = {
        "UPDATE %s.checkpoint AS live SET log_id = next.log_id, position = next.position,"
        " n = next.n, event_id = next.event_id, generation = next.generation"
        " FROM %s.checkpoint AS next WHERE next.consumer = $1 AND live.consumer = $2 AND "
        "next.source = live.source"
        " AND next.partition_from = live.partition_from",
        "DELETE FROM %s.checkpoint WHERE consumer = $1 AND $2 <> ''",
        "DELETE FROM %s.dead_letter WHERE consumer = $2 AND $1 <> ''",
        "UPDATE %s.dead_letter SET consumer = $2 WHERE consumer = $1",
    };
    enum nova_status status = NOVA_OK;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && status == NOVA_OK; i++)
        status = run_books(rebuild, steps[i], err);
    return status;
}

static enum nova_status switch_generation(struct rebuild *rebuild, struct error *err)
{
    char sql[SQL_BYTES];
    const struct projection *projection = rebuild->options->projection;
    snprintf(sql, sizeof sql,
             "UPDATE %s.generation SET previous = $2, generation = $3,"
             " switched_at = clock_timestamp() WHERE projection = $1 AND generation = $2",
             rebuild->consumer->service);
    const struct pg_param params[] = {pg_text(projection->name), pg_int4(rebuild->before.live),
                                      pg_int4(rebuild->number)};
    struct pg_result *rows = NULL;
    enum nova_status status = pg_query(&rows, rebuild->pg, sql, params, 3, err);
    if (status == NOVA_OK && pg_affected(rows) != 1)
        status = error_set(err, NOVA_ABORTED, "another rebuild of %s was first", projection->name);
    pg_result_destroy(&rows);
    if (status == NOVA_OK)
        status = generation_show(rebuild->pg, projection, rebuild->number, err);
    return status == NOVA_OK ? switch_books(rebuild, err) : status;
}

// Holds the live consumer, lets the new generation pass it, and switches. *switched false: it did
// not come as far in time, and the live consumer goes on.
static enum nova_status switch_in_transaction(bool *switched, struct rebuild *rebuild,
                                              struct error *err)
{
    char hold[SQL_BYTES];
    bool ready = false, caught_up;
    const struct pg_param name[] = {pg_text(rebuild->consumer->name)};
    int64_t began_ms = worker_now_ms();
    snprintf(hold, sizeof hold, BOOKS_HOLD_SQL, rebuild->consumer->service);
    enum nova_status status = pg_query(NULL, rebuild->pg, hold, name, 1, err);
    while (status == NOVA_OK && !ready && worker_now_ms() - began_ms < HOLD_MS_MAX) {
        status = rebuild_tick(&caught_up, rebuild, err);
        if (status == NOVA_OK)
            status = is_not_behind(&ready, rebuild, err);
        if (status == NOVA_OK && !ready)
            sleep_ms(TICK_MS / 5);
    }
    if (status != NOVA_OK || !ready)
        return status;
    inbox_destroy(&rebuild->inbox); // its last batch is committed, or was never applied
    status = switch_generation(rebuild, err);
    *switched = status == NOVA_OK;
    return status;
}

static enum nova_status rebuild_switch(struct rebuild *rebuild, struct error *err)
{
    bool switched = false;
    enum nova_status status = NOVA_OK;
    for (int i = 0; i < HOLDS_MAX && status == NOVA_OK && !switched; i++) {
        status = pg_exec(rebuild->pg, "BEGIN", err);
        if (status == NOVA_OK)
            status = switch_in_transaction(&switched, rebuild, err);
        if (status == NOVA_OK && switched)
            status = pg_exec(rebuild->pg, "COMMIT", err);
        if (status != NOVA_OK || !switched)
            pg_rollback(rebuild->pg);
        bool again = status != NOVA_OK && err->transient && rebuild->inbox != NULL;
        status = again ? NOVA_OK : status; // the lock was not to be had in time
        if (status == NOVA_OK && !switched)
            status = rebuild_catch_up(rebuild, err);
    }
    if (status == NOVA_OK && !switched)
        status = error_set(err, NOVA_ABORTED,
                           "the new generation never came as far as the live one; the old one "
                           "stays: run it again when less is written");
    return status;
}

// ---- the whole ----------------------------------------------------------------------------------

// The streams need not remember a reader that is done.
static void forget_durables(struct rebuild *rebuild)
{
    jsCtx *js = NULL;
    struct error ignored;
    if (rebuild->streams == NULL || bus_jetstream(&js, rebuild->streams, &ignored) != NOVA_OK)
        return;
    for (size_t i = 0; i < inbox_source_count(rebuild->consumer); i++)
        js_DeleteConsumer(js, topology_stream_of(rebuild->consumer->sources[i].service),
                          rebuild->durable, NULL, NULL);
    jsCtx_Destroy(js);
}

enum nova_status rebuild_run(int32_t *out, const struct rebuild_options *options, struct error *err)
{
    struct rebuild rebuild = {.options = options, .consumer = options->projection->consumer};
    enum nova_status status = rebuild_connect(&rebuild, err);
    if (status == NOVA_OK)
        status = rebuild_lock(&rebuild, err);
    if (status == NOVA_OK)
        status = rebuild_make(&rebuild, err);
    if (status == NOVA_OK) {
        rebuild_begin(&rebuild);
        status = rebuild_catch_up(&rebuild, err);
    }
    if (status == NOVA_OK)
        status = rebuild_switch(&rebuild, err);
    if (rebuild.inbox != NULL)
        inbox_destroy(&rebuild.inbox);
    if (status == NOVA_OK)
        forget_durables(&rebuild);
    *out = rebuild.number;
    process_token_destroy(&rebuild.token);
    bus_connection_destroy(&rebuild.streams);
    bus_connection_destroy(&rebuild.services);
    pg_destroy(&rebuild.pg);
    explicit_bzero(rebuild.url, sizeof rebuild.url);
    return status;
}
