// verify.c - see verify.h.
#include "projections/verify.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SQL_BYTES = 512, KEEP_EVERY_MS = 250 };

static enum nova_status fold(struct fill *fill, struct error *err)
{
    fill_pause(fill);
    enum nova_status status = fill_begin(fill, err);
    return status == NOVA_OK ? fill_catch_up(fill, err) : status;
}

// ---- the shadow is kept -------------------------------------------------------------------------

// While its lease is held nobody takes the shadow for what somebody left behind, and drops it
// (migrations/inbox/functions/010_drop_former_generations.sql): the live consumer, which does so
// when a person is deleted, need not wait for what is compared.
struct keeper {
    struct inbox *inbox;
    atomic_bool done;
    pthread_t thread;
};

static void *keeper_run(void *argument)
{
    struct keeper *keeper = argument;
    struct error ignored; // a lease that is lost shows in what is compared: the tables are gone
    while (!atomic_load(&keeper->done) && inbox_tick(keeper->inbox, &ignored) == NOVA_OK)
        fill_sleep_ms(KEEP_EVERY_MS);
    return NULL;
}

static void keeper_begin(struct keeper *keeper, struct inbox *inbox)
{
    keeper->inbox = inbox;
    atomic_store(&keeper->done, false);
    if (pthread_create(&keeper->thread, NULL, keeper_run, keeper) != 0)
        abort(); // no memory for a thread
}

static void keeper_end(struct keeper *keeper)
{
    atomic_store(&keeper->done, true);
    pthread_join(keeper->thread, NULL);
}

// ---- comparing ----------------------------------------------------------------------------------

static enum nova_status count_parked(int64_t *out, struct pg *pg, const struct fill *fill,
                                     const char *consumer, struct error *err)
{
    char sql[SQL_BYTES];
    struct pg_result *row = NULL;
    const struct pg_param params[] = {pg_text(consumer)};
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s.dead_letter WHERE consumer = $1",
             fill->consumer->service);
    enum nova_status status = pg_query(&row, pg, sql, params, 1, err);
    if (status == NOVA_OK)
        *out = pg_get_int8(row, 0, 0);
    pg_result_destroy(&row);
    return status;
}

static enum nova_status compare(struct verify_result *out, struct fill *fill, struct pg *snapshot,
                                const struct verify_options *options, struct error *err)
{
    char live[GENERATION_SCHEMA_BYTES], shadow[GENERATION_SCHEMA_BYTES];
    generation_schema(live, options->fill.projection, fill->before.live);
    generation_schema(shadow, options->fill.projection, fill->number);
    const struct compare_options both = {.one = {snapshot, live},
                                         .other = {fill->pg, shadow},
                                         .differs = options->differs,
                                         .context = options->context,
                                         .cancelled = options->fill.cancelled};
    struct keeper keeper;
    out->generation = fill->before.live;
    memcpy(out->vector, fill->until, sizeof out->vector);
    enum nova_status status = pg_exec(fill->pg, "BEGIN READ ONLY", err);
    if (status == NOVA_OK) // the other side's rows may be sorted for long
        status = pg_exec(fill->pg, "SET LOCAL idle_in_transaction_session_timeout = 0", err);
    keeper_begin(&keeper, fill->inbox);
    if (status == NOVA_OK)
        status = compare_run(&out->counts, &both, err);
    keeper_end(&keeper);
    if (status == NOVA_OK)
        status = count_parked(&out->parked, snapshot, fill, fill->consumer->name, err);
    if (status == NOVA_OK)
        status = count_parked(&out->parked_log, fill->pg, fill, fill->name, err);
    pg_rollback(fill->pg);
    return status;
}

// The snapshot is open while the rest is folded and compared, however long that takes.
static enum nova_status verify_as_of_a_snapshot(struct verify_result *out, struct fill *fill,
                                                const struct verify_options *options,
                                                struct error *err)
{
    struct pg *snapshot = NULL;
    enum nova_status status = pg_connect(&snapshot, fill->url, "nova verify", err);
    if (status == NOVA_OK)
        status = pg_exec(snapshot, "SET idle_in_transaction_session_timeout = 0", err);
    if (status == NOVA_OK)
        status = pg_exec(snapshot, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err);
    if (status == NOVA_OK)
        status = fill_read_vector(fill, snapshot, err);
    if (status == NOVA_OK)
        status = fold(fill, err);
    if (status == NOVA_OK)
        status = compare(out, fill, snapshot, options, err);
    pg_destroy(&snapshot);
    return status;
}

static enum nova_status make_shadow(struct fill *fill, struct error *err)
{
    bool known;
    enum nova_status status = fill_forget_books(fill, err);
    return status == NOVA_OK
               ? generation_create(&known, fill->pg, fill->options->projection, fill->number, err)
               : status;
}

static enum nova_status verify_in_shadow(struct verify_result *out, struct fill *fill,
                                         const struct verify_options *options, struct error *err)
{
    struct error ignored;
    enum nova_status status = fill_read_vector(fill, fill->pg, err);
    if (status == NOVA_OK)
        status = fold(fill, err);
    if (status == NOVA_OK)
        status = verify_as_of_a_snapshot(out, fill, options, err);
    fill_pause(fill);
    fill_forget_durables(fill);
    if (status == NOVA_OK)
        return fill_transact(fill, fill_drop, err);
    if (fill_transact(fill, fill_drop, &ignored) != NOVA_OK)
        error_while(err, "generation %" PRId32 " of %s stays half made (./nova projection abort)",
                    fill->number, fill->options->projection->name);
    return status;
}

// Tables of another version cannot be compared with this one's.
static enum nova_status is_of_this_version(struct fill *fill, struct error *err)
{
    bool known = false;
    const struct projection *projection = fill->options->projection;
    enum nova_status status =
        generation_is_known(&known, fill->pg, projection, fill->before.live, err);
    return status != NOVA_OK || known
               ? status
               : error_set(err, NOVA_FAILED_PRECONDITION,
                           "the live generation of %s has the tables of another version: ./nova"
                           " projection rebuild %s",
                           projection->name, projection->name);
}

enum nova_status verify_run(struct verify_result *out, const struct verify_options *options,
                            struct error *err)
{
    struct fill fill;
    const char *name = options->fill.projection->name;
    *out = (struct verify_result){0};
    enum nova_status status = fill_open(&fill, &options->fill, err);
    if (status == NOVA_OK && fill.others.half_made != 0)
        status =
            error_set(err, NOVA_FAILED_PRECONDITION,
                      "generation %" PRId32 " of %s is half made: ./nova projection rebuild %s "
                      "goes on with it, ./nova projection abort %s discards it",
                      fill.others.half_made, name, name, name);
    if (status == NOVA_OK)
        status = is_of_this_version(&fill, err);
    if (status == NOVA_OK) {
        fill_choose(&fill, fill_next_number(&fill));
        fill.reads_outboxes =
            options->fill.from_outbox; // the live one has seen all of it published
        status = fill_transact(&fill, make_shadow, err);
    }
    if (status == NOVA_OK)
        status = verify_in_shadow(out, &fill, options, err);
    fill_close(&fill);
    return status;
}
