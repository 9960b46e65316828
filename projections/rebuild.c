// rebuild.c - see rebuild.h.
#include "projections/rebuild.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "projections/switch.h"

enum { SQL_BYTES = 512, DROPS_MAX = 6 };

// ---- the next generation ------------------------------------------------------------------------

// What generations of other numbers left behind.
static enum nova_status forget_others(struct fill *fill, struct error *err)
{
    static const char *const steps[] = {
        "DELETE FROM %s.checkpoint WHERE consumer LIKE $2 || '@%%' AND consumer <> $1",
        "DELETE FROM %s.dead_letter WHERE consumer LIKE $2 || '@%%' AND consumer <> $1"};
    enum nova_status status = fill_books(fill, steps[0], err);
    return status == NOVA_OK ? fill_books(fill, steps[1], err) : status;
}

// A generation of another binary's tables is made anew, and begins at the beginning.
static enum nova_status make(struct fill *fill, struct error *err)
{
    bool known = false;
    const struct projection *projection = fill->options->projection;
    enum nova_status status = forget_others(fill, err);
    if (status == NOVA_OK && fill->others.kept != 0)
        status = generation_drop(fill->pg, projection, fill->others.kept, err);
    if (status == NOVA_OK)
        status = generation_create(&known, fill->pg, projection, fill->number, err);
    return status == NOVA_OK && !known ? fill_forget_books(fill, err) : status;
}

// ---- until a time -------------------------------------------------------------------------------

// The last position of a source before the first one that was recorded at that time or later.
// (Times of overlapping transactions are not in the order of their positions.)
static enum nova_status last_before(int64_t *out, const struct settings *settings,
                                    const char *source, int64_t until_us, struct error *err)
{
    char sql[SQL_BYTES], url[ACCESS_URL_BYTES];
    struct pg *pg = NULL;
    struct pg_result *row = NULL;
    const struct pg_param params[] = {pg_time_us(until_us)};
    snprintf(sql, sizeof sql,
             "SELECT COALESCE(max(position), 0) FROM %s.outbox WHERE position < COALESCE((SELECT"
             " min(position) FROM %s.outbox WHERE recorded_at >= $1), 9223372036854775807)",
             source, source);
    enum nova_status status = access_postgres_url(url, settings, source, "operator", err);
    if (status == NOVA_OK)
        status = pg_connect(&pg, url, "nova rebuild", err);
    explicit_bzero(url, sizeof url);
    if (status == NOVA_OK)
        status = pg_query(&row, pg, sql, params, 1, err);
    if (status == NOVA_OK)
        *out = pg_get_int8(row, 0, 0);
    pg_result_destroy(&row);
    pg_destroy(&pg);
    return status;
}

static enum nova_status is_not_beyond(struct fill *fill, size_t source, struct error *err)
{
    char sql[SQL_BYTES];
    struct pg_result *row = NULL;
    const char *name = fill->consumer->sources[source].service;
    const struct pg_param params[] = {pg_text(fill->name), pg_text(name)};
    snprintf(sql, sizeof sql,
             "SELECT COALESCE(max(position), 0) FROM %s.checkpoint WHERE consumer = $1"
             " AND source = $2",
             fill->consumer->service);
    enum nova_status status = pg_query(&row, fill->pg, sql, params, 2, err);
    int64_t position = status == NOVA_OK ? pg_get_int8(row, 0, 0) : 0;
    pg_result_destroy(&row);
    return position <= fill->until[source]
               ? status
               : error_set(err, NOVA_FAILED_PRECONDITION,
                           "generation %" PRId32 " of %s, which is half made, is at position"
                           " %" PRId64 " of %s, and that time was at %" PRId64
                           ": ./nova projection abort %s",
                           fill->number, fill->options->projection->name, position, name,
                           fill->until[source], fill->options->projection->name);
}

static enum nova_status bound(struct fill *fill, int64_t until_us, struct error *err)
{
    enum nova_status status = NOVA_OK;
    fill->is_bounded = true;
    for (size_t i = 0; i < inbox_source_count(fill->consumer) && status == NOVA_OK; i++) {
        status = last_before(&fill->until[i], fill->options->settings,
                             fill->consumer->sources[i].service, until_us, err);
        if (status == NOVA_OK)
            status = is_not_beyond(fill, i, err);
    }
    return status;
}

// ---- applying -----------------------------------------------------------------------------------

static enum nova_status apply(struct fill *fill, struct error *err)
{
    enum nova_status status = fill_begin(fill, err);
    return status == NOVA_OK ? fill_catch_up(fill, err) : status;
}

// As far as the live one is, or less: all of that is published, and so settled.
static enum nova_status apply_outboxes(struct fill *fill, struct error *err)
{
    int64_t until[INBOX_SOURCES_MAX];
    bool was_bounded = fill->is_bounded;
    memcpy(until, fill->until, sizeof until);
    enum nova_status status = fill_read_vector(fill, fill->pg, err);
    for (size_t i = 0; i < INBOX_SOURCES_MAX && was_bounded; i++)
        if (fill->until[i] > until[i])
            fill->until[i] = until[i];
    fill->reads_outboxes = true;
    if (status == NOVA_OK)
        status = apply(fill, err);
    fill_pause(fill);
    fill->reads_outboxes = false;
    fill->is_bounded = was_bounded;
    memcpy(fill->until, until, sizeof until);
    return status;
}

// ---- the whole ----------------------------------------------------------------------------------

static enum nova_status drop_former(struct fill *fill, struct error *err)
{
    char sql[SQL_BYTES];
    const struct pg_param name[] = {pg_text(fill->options->projection->name)};
    snprintf(sql, sizeof sql, "UPDATE %s.generation SET previous = NULL WHERE projection = $1",
             fill->consumer->service);
    enum nova_status status = fill_drop(fill, err);
    return status == NOVA_OK ? pg_query(NULL, fill->pg, sql, name, 1, err) : status;
}

enum nova_status rebuild_run(int32_t *out, const struct rebuild_options *options, struct error *err)
{
    struct fill fill;
    enum nova_status status = fill_open(&fill, &options->fill, err);
    if (status == NOVA_OK)
        fill_choose(&fill,
                    fill.others.half_made != 0 ? fill.others.half_made : fill_next_number(&fill));
    if (status == NOVA_OK && options->until_us != 0)
        status = bound(&fill, options->until_us, err);
    if (status == NOVA_OK)
        status = fill_transact(&fill, make, err);
    if (status == NOVA_OK && options->fill.from_outbox)
        status = apply_outboxes(&fill, err);
    if (status == NOVA_OK)
        status = apply(&fill, err);
    if (status == NOVA_OK && options->until_us == 0)
        status = switch_over(&fill, err);
    fill_pause(&fill);
    if (status == NOVA_OK)
        fill_forget_durables(&fill);
    *out = fill.number;
    if (status == NOVA_OK && options->until_us == 0 && options->drop_former) {
        fill_choose(&fill, fill.before.live);
        // A query that began before the switch may still read it, for as long as it is given.
        status = fill_transact(&fill, drop_former, err);
        for (int i = 1; i < DROPS_MAX && status != NOVA_OK && err->transient; i++)
            status = fill_transact(&fill, drop_former, err);
        if (status != NOVA_OK)
            error_while(err, "generation %" PRId32 " is live; dropping the former one", *out);
    }
    fill_close(&fill);
    return status;
}

// ---- back to a kept one -------------------------------------------------------------------------

static enum nova_status is_the_kept_one(struct fill *fill, int32_t number, struct error *err)
{
    const char *name = fill->options->projection->name;
    if (number == fill->before.live)
        return error_set(err, NOVA_FAILED_PRECONDITION, "generation %" PRId32 " of %s is live",
                         number, name);
    if (number == fill->others.half_made)
        return error_set(err, NOVA_FAILED_PRECONDITION,
                         "generation %" PRId32 " of %s is half made: ./nova projection rebuild %s",
                         number, name, name);
    if (number == fill->others.kept)
        return NOVA_OK;
    if (fill->others.kept == 0)
        return error_set(err, NOVA_NOT_FOUND,
                         "no generation of %s but the live one, %" PRId32
                         ", is left: ./nova projection rebuild %s",
                         name, fill->before.live, name);
    return error_set(err, NOVA_NOT_FOUND,
                     "generation %" PRId32 " of %s is gone; %" PRId32 " is kept", number, name,
                     fill->others.kept);
}

// Without its own checkpoints nobody knows what it lacks.
static enum nova_status has_books(struct fill *fill, struct error *err)
{
    char sql[SQL_BYTES];
    struct pg_result *row = NULL;
    const struct pg_param params[] = {pg_text(fill->name), pg_int4(fill->number)};
    snprintf(sql, sizeof sql,
             "SELECT count(DISTINCT source) FROM %s.checkpoint WHERE consumer = $1"
             " AND generation = $2",
             fill->consumer->service);
    enum nova_status status = pg_query(&row, fill->pg, sql, params, 2, err);
    if (status == NOVA_OK && pg_get_int8(row, 0, 0) != (int64_t)inbox_source_count(fill->consumer))
        status = error_set(err, NOVA_FAILED_PRECONDITION,
                           "it is not known how far generation %" PRId32 " of %s is: ./nova"
                           " projection rebuild %s",
                           fill->number, fill->options->projection->name,
                           fill->options->projection->name);
    pg_result_destroy(&row);
    return status;
}

static enum nova_status is_of_this_version(struct fill *fill, struct error *err)
{
    bool known = false;
    const struct projection *projection = fill->options->projection;
    enum nova_status status = generation_is_known(&known, fill->pg, projection, fill->number, err);
    return status != NOVA_OK || known
               ? status
               : error_set(err, NOVA_FAILED_PRECONDITION,
                           "generation %" PRId32 " of %s has the tables of another version, which "
                           "this one cannot keep up to date: ./nova projection rebuild %s",
                           fill->number, projection->name, projection->name);
}

enum nova_status rebuild_back(const struct fill_options *options, int32_t number, struct error *err)
{
    struct fill fill;
    enum nova_status status = fill_open(&fill, options, err);
    if (status == NOVA_OK)
        status = is_the_kept_one(&fill, number, err);
    if (status == NOVA_OK) {
        fill_choose(&fill, number);
        status = has_books(&fill, err);
    }
    if (status == NOVA_OK)
        status = is_of_this_version(&fill, err);
    if (status == NOVA_OK)
        status = apply(&fill, err);
    if (status == NOVA_OK)
        status = switch_over(&fill, err);
    fill_pause(&fill);
    if (status == NOVA_OK)
        fill_forget_durables(&fill);
    fill_close(&fill);
    return status;
}

// ---- discarded ----------------------------------------------------------------------------------

enum nova_status rebuild_abort(int32_t *out, const struct fill_options *options, struct error *err)
{
    struct fill fill;
    enum nova_status status = fill_open(&fill, options, err);
    *out = status == NOVA_OK ? fill.others.half_made : 0;
    if (*out != 0) {
        fill_choose(&fill, *out);
        status = fill_transact(&fill, fill_drop, err);
        if (status == NOVA_OK)
            fill_forget_durables(&fill);
    }
    fill_close(&fill);
    return status;
}
