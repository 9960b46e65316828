// projection_list.c - see projection_list.h.
#include "cli/projection_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/timestamp.h"
#include "cli/command.h"
#include "cli/figures.h"
#include "cli/projection_state.h"
#include "cli/up.h"
#include "projections/generation.h"

enum { SQL_BYTES = 2048, RATE_OVER_MS = 1000 };

// ---- what is seen -------------------------------------------------------------------------------

// Of the consumer's rows: is an instance at work, and how much is parked. Of its half-made
// generation, if there is one: the number, how far it is, and whether somebody is at work on it.
static enum nova_status look_at_books(struct pg_result **out, struct pg *pg,
                                      const struct projection *projection, int32_t half_made,
                                      struct error *err)
{
    char sql[SQL_BYTES], name[128];
    const char *service = projection->consumer->service;
    snprintf(name, sizeof name, "%s@%" PRId32, projection->consumer->name, half_made);
    snprintf(sql, sizeof sql,
             "SELECT EXISTS (SELECT FROM %1$s.consumer_lease WHERE consumer = $1 AND owner IS NOT"
             " NULL AND lease_until > clock_timestamp()), (SELECT COALESCE(max(aggregates), 0) FROM"
             " (SELECT count(DISTINCT aggregate_id) AS aggregates FROM %1$s.dead_letter"
             " WHERE consumer = $1 GROUP BY source) AS parked), EXISTS (SELECT FROM"
             " %1$s.consumer_lease WHERE consumer = $2 AND owner IS NOT NULL AND lease_until >"
             " clock_timestamp()), (SELECT COALESCE(sum(n), 0)::bigint FROM %1$s.checkpoint"
             " WHERE consumer = $2)",
             service);
    const struct pg_param params[] = {pg_text(projection->consumer->name), pg_text(name)};
    return pg_query(out, pg, sql, params, 2, err);
}

static json_t *half_made_json(int32_t number, const struct pg_result *books)
{
    if (number == 0)
        return json_null();
    return json_pack("{si sI sb}", "generation", (int)number, "applied",
                     (json_int_t)pg_get_int8(books, 0, 3), "at_work",
                     (int)pg_get_bool(books, 0, 2));
}

static json_t *sources_of(const struct projection *projection, const json_t *consumers)
{
    size_t i;
    json_t *entry, *sources = json_array();
    json_array_foreach((json_t *)consumers, i, entry)
    {
        const char *name = json_string_value(json_object_get(entry, "consumer"));
        if (strcmp(name, projection->consumer->name) == 0)
            json_array_append(sources, entry);
    }
    return sources;
}

static enum nova_status projection_json(json_t *list, struct sessions *sessions,
                                        const struct projection *projection,
                                        const json_t *consumers, struct error *err)
{
    struct pg *pg = NULL;
    struct generation generation = {0};
    struct generation_others others = {0};
    struct pg_result *books = NULL;
    char switched[TIMESTAMP_BYTES] = "";
    enum nova_status status = sessions_of(&pg, sessions, projection->consumer->service, err);
    if (status == NOVA_OK)
        status = generation_read(&generation, pg, projection, err);
    if (status == NOVA_OK)
        status = generation_others(&others, pg, projection, &generation, err);
    if (status == NOVA_OK)
        status = look_at_books(&books, pg, projection, others.half_made, err);
    if (status != NOVA_OK)
        return status;
    json_t *sources = sources_of(projection, consumers);
    const struct projection_seen seen = {
        .generation = generation.live,
        .at_work = pg_get_bool(books, 0, 0),
        .parked_aggregates_max = pg_get_int8(books, 0, 1),
        .lag_events = figures_sum(sources, "lag_events"),
    };
    if (generation.live != 0)
        timestamp_format(switched, generation.switched_at_us);
    json_array_append_new(
        list, json_pack("{ss ss ss si ss ss so so so}", "projection", projection->name, "service",
                        projection->consumer->service, "consumer", projection->consumer->name,
                        "generation", (int)generation.live, "switched_at", switched, "state",
                        projection_state_name(projection_state_of(&seen)), "kept",
                        others.kept != 0 ? json_integer(others.kept) : json_null(), "half_made",
                        half_made_json(others.half_made, books), "sources", sources));
    pg_result_destroy(&books);
    return NOVA_OK;
}

// ---- the rate -----------------------------------------------------------------------------------

static int64_t number_of(const json_t *entry, const char *key)
{
    return json_integer_value(json_object_get(entry, key));
}

// Two looks at the consumers, a second apart when something is behind: only then has a rate a
// meaning. Every entry of *out gets its "rate", or null.
static enum nova_status look_twice(json_t **out, const struct settings *settings, struct error *err)
{
    size_t i;
    json_t *entry, *first = NULL;
    int64_t began_ms = up_clock_ms(), ms = 0;
    enum nova_status status = figures_consumers(&first, settings, err);
    *out = json_incref(first);
    if (status == NOVA_OK && figures_sum(first, "lag_events") > 0) {
        nanosleep(&(struct timespec){RATE_OVER_MS / 1000, RATE_OVER_MS % 1000 * 1000000}, NULL);
        json_decref(*out);
        ms = up_clock_ms() - began_ms;
        status = figures_consumers(out, settings, err);
    }
    json_array_foreach(*out, i, entry)
    {
        double rate =
            projection_rate(number_of(json_array_get(first, i), "n"), number_of(entry, "n"), ms);
        json_object_set_new(entry, "rate", rate < 0 ? json_null() : json_real(rate));
    }
    json_decref(first);
    return status;
}

// ---- for people ---------------------------------------------------------------------------------

static void print_source(const json_t *projection, const json_t *source, bool first)
{
    char rate[24] = "-", generation[16] = "";
    const json_t *known = json_object_get(source, "rate");
    if (json_is_number(known))
        snprintf(rate, sizeof rate, "%.0f", json_number_value(known));
    if (first)
        snprintf(generation, sizeof generation, "%lld",
                 (long long)number_of(projection, "generation"));
    printf("%-22s %3s %-8s %-14s %10lld %10lld %8lld %8.1f %8s %7lld\n",
           first ? json_string_value(json_object_get(projection, "projection")) : "", generation,
           first ? json_string_value(json_object_get(projection, "state")) : "",
           json_string_value(json_object_get(source, "source")),
           (long long)number_of(source, "position"), (long long)number_of(source, "head"),
           (long long)number_of(source, "lag_events"),
           json_number_value(json_object_get(source, "lag_seconds")), rate,
           (long long)number_of(source, "parked"));
}

static void print_projection(const json_t *projection)
{
    size_t i;
    json_t *source, *half_made = json_object_get(projection, "half_made");
    const char *name = json_string_value(json_object_get(projection, "projection"));
    json_array_foreach(json_object_get(projection, "sources"), i, source)
        print_source(projection, source, i == 0);
    if (json_is_integer(json_object_get(projection, "kept")))
        printf("  kept: generation %lld (./nova projection switch %s --generation %lld)\n",
               (long long)number_of(projection, "kept"), name,
               (long long)number_of(projection, "kept"));
    if (!json_is_object(half_made))
        return;
    printf(
        "  half made: generation %lld, %lld events applied, %s\n",
        (long long)number_of(half_made, "generation"), (long long)number_of(half_made, "applied"),
        json_is_true(json_object_get(half_made, "at_work"))
            ? "somebody is at work on it"
            : "nobody is at work (projection rebuild goes on with it, projection abort ends it)");
}

int projection_list(const struct settings *settings, bool as_json)
{
    struct error err;
    size_t i;
    json_t *entry, *consumers = NULL, *list = json_array();
    struct sessions sessions = {
        .settings = settings, .role = "operator", .name = "nova projection list"};
    enum nova_status status = look_twice(&consumers, settings, &err);
    for (size_t k = 0; k < projection_count() && status == NOVA_OK; k++)
        status = projection_json(list, &sessions, projection_at(k), consumers, &err);
    sessions_close(&sessions);
    if (status == NOVA_OK && as_json) {
        json_dumpf(list, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (status == NOVA_OK) {
        printf("%-22s %3s %-8s %-14s %10s %10s %8s %8s %8s %7s\n", "PROJECTION", "GEN", "STATE",
               "SOURCE", "POSITION", "HEAD", "LAG", "LAG s", "EVENTS/s", "PARKED");
        json_array_foreach(list, i, entry) print_projection(entry);
    }
    json_decref(consumers);
    json_decref(list);
    return status == NOVA_OK ? EXIT_CODE_OK : command_failed(&err);
}
