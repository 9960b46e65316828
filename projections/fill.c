// fill.c - see fill.h.
#include "projections/fill.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bus/topology.h"

enum {
    SQL_BYTES = 1024,
    TICK_MS = 50,
    LEASE_MS = 5000,
    CONNECT_WAIT_MS = 10000,
    LOCK_MS_MAX = 2000,
    STANDBY_MS_MAX = 2 * LEASE_MS,
};

void fill_sleep_ms(int64_t ms)
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

static enum nova_status fill_connect(struct fill *fill, struct error *err)
{
    char seed[PATH_MAX];
    const struct settings *settings = fill->options->settings;
    enum nova_status status = seal_start(err);
    if (status == NOVA_OK)
        status = access_postgres_url(fill->url, settings, fill->consumer->service, "operator", err);
    if (status == NOVA_OK)
        status = pg_connect(&fill->pg, fill->url, "nova rebuild", err);
    if (status == NOVA_OK)
        status = connect_bus(&fill->streams, seed, settings, "operator", err);
    if (status == NOVA_OK)
        status = connect_bus(&fill->services, seed, settings, "operator_rpc", err);
    if (status == NOVA_OK)
        status = process_token_create(&fill->token, "operator_rpc", seed, err);
    fill->keys = (struct keys_rpc){fill->services, fill->token};
    for (size_t i = 0; i < inbox_source_count(fill->consumer) && status == NOVA_OK; i++) {
        fill->outboxes[i] = fill->outbox_urls[i];
        status = access_postgres_url(fill->outbox_urls[i], settings,
                                     fill->consumer->sources[i].service, "operator", err);
    }
    return status;
}

// Held until the connection ends, however it ends; before the generation's number is read, which
// is live when another one is done. PostgreSQL may notice a moment late that a killed one is gone.
static enum nova_status fill_lock(struct fill *fill, struct error *err)
{
    static const char sql[] =
        "SELECT pg_try_advisory_lock(hashtextextended('nova rebuild ' || $1, 0))";
    const struct pg_param name[] = {pg_text(fill->options->projection->name)};
    int64_t began_ms = worker_now_ms();
    enum nova_status status = NOVA_OK;
    bool taken = false;
    while (status == NOVA_OK && !taken && worker_now_ms() - began_ms < LOCK_MS_MAX) {
        struct pg_result *rows = NULL;
        status = pg_query(&rows, fill->pg, sql, name, 1, err);
        taken = status == NOVA_OK && pg_get_bool(rows, 0, 0);
        pg_result_destroy(&rows);
        if (!taken)
            fill_sleep_ms(TICK_MS);
    }
    if (status == NOVA_OK && !taken)
        status = error_set(err, NOVA_ABORTED, "another rebuild of %s is at work",
                           fill->options->projection->name);
    return status;
}

enum nova_status fill_open(struct fill *fill, const struct fill_options *options, struct error *err)
{
    const struct projection *projection = options->projection;
    *fill = (struct fill){.options = options, .consumer = projection->consumer};
    enum nova_status status = fill_connect(fill, err);
    if (status == NOVA_OK)
        status = fill_lock(fill, err);
    if (status == NOVA_OK)
        status = generation_read(&fill->before, fill->pg, projection, err);
    if (status == NOVA_OK && fill->before.live == 0)
        status = error_set(err, NOVA_FAILED_PRECONDITION,
                           "%s was never installed: ./nova db migrate", projection->name);
    if (status == NOVA_OK)
        status = generation_others(&fill->others, fill->pg, projection, &fill->before, err);
    return status;
}

void fill_close(struct fill *fill)
{
    fill_pause(fill);
    process_token_destroy(&fill->token);
    bus_connection_destroy(&fill->streams);
    bus_connection_destroy(&fill->services);
    pg_destroy(&fill->pg);
    explicit_bzero(fill->url, sizeof fill->url);
    explicit_bzero(fill->outbox_urls, sizeof fill->outbox_urls);
}

// ---- which one ----------------------------------------------------------------------------------

void fill_choose(struct fill *fill, int32_t number)
{
    fill->number = number;
    snprintf(fill->name, sizeof fill->name, "%s@%" PRId32, fill->consumer->name, number);
    for (char *c = strcpy(fill->durable, fill->consumer->name); *c != '\0'; c++)
        if (*c == '/')
            *c = '-';
    strcat(fill->durable, "-rebuild");
}

int32_t fill_next_number(const struct fill *fill)
{
    const struct generation *before = &fill->before;
    return (before->live > before->previous ? before->live : before->previous) + 1;
}

enum nova_status fill_books(struct fill *fill, const char *format, struct error *err)
{
    char sql[SQL_BYTES];
    const char *service = fill->consumer->service;
    const struct pg_param params[] = {pg_text(fill->name), pg_text(fill->consumer->name)};
    snprintf(sql, sizeof sql, format, service, service);
    return pg_query(NULL, fill->pg, sql, params, 2, err);
}

enum nova_status fill_transact(struct fill *fill,
                               enum nova_status (*step)(struct fill *fill, struct error *err),
                               struct error *err)
{
    enum nova_status status = pg_exec(fill->pg, "BEGIN", err);
    if (status == NOVA_OK)
        status = step(fill, err);
    if (status == NOVA_OK)
        status = pg_exec(fill->pg, "COMMIT", err);
    if (status != NOVA_OK)
        pg_rollback(fill->pg);
    return status;
}

enum nova_status fill_forget_books(struct fill *fill, struct error *err)
{
    enum nova_status status =
        fill_books(fill, "DELETE FROM %s.checkpoint WHERE consumer = $1 AND $2 <> ''", err);
    return status == NOVA_OK
               ? fill_books(fill, "DELETE FROM %s.dead_letter WHERE consumer = $1 AND $2 <> ''",
                            err)
               : status;
}

enum nova_status fill_drop(struct fill *fill, struct error *err)
{
    enum nova_status status =
        generation_drop(fill->pg, fill->options->projection, fill->number, err);
    return status == NOVA_OK ? fill_forget_books(fill, err) : status;
}

void fill_forget_durables(struct fill *fill)
{
    jsCtx *js = NULL;
    struct error ignored;
    if (fill->streams == NULL || bus_jetstream(&js, fill->streams, &ignored) != NOVA_OK)
        return;
    for (size_t i = 0; i < inbox_source_count(fill->consumer); i++)
        js_DeleteConsumer(js, topology_stream_of(fill->consumer->sources[i].service), fill->durable,
                          NULL, NULL);
    jsCtx_Destroy(js);
}

// ---- applying -----------------------------------------------------------------------------------

enum nova_status fill_read_vector(struct fill *fill, struct pg *pg, struct error *err)
{
    char sql[SQL_BYTES];
    enum nova_status status = NOVA_OK;
    snprintf(sql, sizeof sql,
             "SELECT COALESCE(max(position), 0) FROM %s.checkpoint WHERE consumer = $1"
             " AND source = $2",
             fill->consumer->service);
    fill->is_bounded = true;
    for (size_t i = 0; i < inbox_source_count(fill->consumer) && status == NOVA_OK; i++) {
        struct pg_result *row = NULL;
        const struct pg_param params[] = {pg_text(fill->consumer->name),
                                          pg_text(fill->consumer->sources[i].service)};
        status = pg_query(&row, pg, sql, params, 2, err);
        if (status == NOVA_OK)
            fill->until[i] = pg_get_int8(row, 0, 0);
        pg_result_destroy(&row);
    }
    return status;
}

enum nova_status fill_begin(struct fill *fill, struct error *err)
{
    const struct settings *settings = fill->options->settings;
    // Who holds the projection's lock need not wait until the lease of a killed one has run out:
    // its epoch is the next one's, and what the killed one has on its way changes nothing any more.
    enum nova_status status = fill_books(fill,
                                         "UPDATE %s.consumer_lease SET owner = NULL, lease_until ="
                                         " '-infinity' WHERE consumer = $1 AND $2 <> ''",
                                         err);
    if (status != NOVA_OK)
        return status;
    fill->inbox = inbox_create(&(struct inbox_options){
        .owner_name = "rebuild",
        .worker = {
            .consumer = fill->consumer,
            .name = fill->name,
            .generation = fill->number,
            .until = fill->is_bounded ? fill->until : NULL,
            .outbox_urls = fill->is_bounded && fill->reads_outboxes ? fill->outboxes : NULL,
            .postgres_url = fill->url,
            .connection = fill->streams,
            .durable = fill->durable,
            .fetch_keys = keys_rpc_fetch,
            .keys_context = &fill->keys,
            .upcasters = upcasters,
            .batch_max = (uint32_t)settings_int(settings, SETTING_INBOX_BATCH),
            .retry_ms_max = settings_int(settings, SETTING_INBOX_RETRY_MS_MAX),
            .lease_ms = LEASE_MS,
        }});
    return NOVA_OK;
}

void fill_pause(struct fill *fill)
{
    if (fill->inbox != NULL)
        inbox_destroy(&fill->inbox);
}

enum nova_status fill_tick(bool *caught_up, struct fill *fill, struct error *err)
{
    struct inbox_status status;
    struct fill_progress progress = {.generation = fill->number};
    if (fill->options->cancelled != NULL && *fill->options->cancelled)
        return error_set(err, NOVA_CANCELLED, "interrupted");
    enum nova_status ticked = inbox_tick(fill->inbox, err);
    if (ticked == NOVA_OK)
        ticked = bus_connection_check(fill->streams, err);
    if (ticked == NOVA_OK)
        ticked = bus_connection_check(fill->services, err);
    if (ticked != NOVA_OK)
        return ticked;
    inbox_status(&status, fill->inbox);
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
    if (fill->options->progress != NULL)
        fill->options->progress(fill->options->context, &progress);
    if (status.failing)
        return error_set(err, NOVA_FAILED_PRECONDITION, "%s", status.trouble);
    return NOVA_OK;
}

enum nova_status fill_catch_up(struct fill *fill, struct error *err)
{
    bool caught_up = false;
    int64_t began_ms = worker_now_ms();
    struct inbox_status status;
    for (;;) {
        enum nova_status ticked = fill_tick(&caught_up, fill, err);
        if (ticked != NOVA_OK || caught_up)
            return ticked;
        inbox_status(&status, fill->inbox);
        if (!status.active && worker_now_ms() - began_ms > STANDBY_MS_MAX)
            return error_set(err, NOVA_ABORTED, "another rebuild of %s is at work",
                             fill->options->projection->name);
        fill_sleep_ms(TICK_MS);
    }
}
