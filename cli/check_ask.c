// check_ask.c - the figures of `nova check`. Each is asked for by itself, so that what does not
// answer hides nothing else.
#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bus/cloudevents.h"
#include "bus/topology.h"
#include "cli/check.h"
#include "cli/client.h"
#include "cli/figures.h"
#include "cli/home.h"
#include "cli/path.h"
#include "cli/server.h"
#include "cli/sessions.h"
#include "projections/consumers.h"

enum { SQL_BYTES = 512, SERVICES_MAX = SESSIONS_MAX };

struct asking {
    const struct settings *settings;
    struct check_list *list;
    struct sessions sessions;
    struct client client;
    jsCtx *js; // NULL: NATS does not answer
};

// ---- results ------------------------------------------------------------------------------------

static void failed(struct asking *asking, const char *check, const char *of, enum check_level level,
                   const struct error *err)
{
    struct check_result *result = check_add(asking->list, check, of);
    result->level = level;
    snprintf(result->text, sizeof result->text, "%.500s", err->text);
}

// Limits that are set the wrong way round judge nothing.
static struct check_result *measured(struct asking *asking, const char *check, const char *of,
                                     double value, const char *unit, enum setting warn,
                                     enum setting critical, bool least)
{
    struct check_result *result = check_add(asking->list, check, of);
    result->has_value = result->has_limits = true;
    result->value = value;
    result->unit = unit;
    result->limits = (struct check_limits){(double)settings_int(asking->settings, warn),
                                           (double)settings_int(asking->settings, critical), least};
    result->level = check_limits_are_ordered(&result->limits) ? check_judge(value, &result->limits)
                                                              : CHECK_UNKNOWN;
    if (result->level == CHECK_UNKNOWN)
        snprintf(result->text, sizeof result->text, "%s is beyond %s: change one of them",
                 settings_key(warn), settings_key(critical));
    return result;
}

// What is said beside the figure, unless the limits are wrong.
static void say(struct check_result *result, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(struct check_result *result, const char *format, ...)
{
    va_list arguments;
    if (result->level == CHECK_UNKNOWN)
        return;
    va_start(arguments, format);
    vsnprintf(result->text, sizeof result->text, format, arguments);
    va_end(arguments);
}

// ---- the servers, and their clocks --------------------------------------------------------------

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// The services that have a schema somewhere: those with a log, and those with consumers.
static size_t services_of(const char *services[SERVICES_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < topology_stream_count(); i++)
        services[count++] = topology_stream_service(i);
    for (size_t i = 0; i < consumer_count(); i++) {
        bool known = false;
        for (size_t k = 0; k < count && !known; k++)
            known = strcmp(services[k], consumer_at(i)->service) == 0;
        assert(known || count < SERVICES_MAX);
        if (!known)
            services[count++] = consumer_at(i)->service;
    }
    return count;
}

// The server's time lies between the two looks at our own: half of the way is the best guess.
static void ask_clock(struct asking *asking, const char *service)
{
    struct pg *pg = NULL;
    struct pg_result *row = NULL;
    struct error err;
    enum nova_status status = sessions_of(&pg, &asking->sessions, service, &err);
    if (status != NOVA_OK) {
        failed(asking, "postgres", service, CHECK_CRITICAL, &err);
        return;
    }
    // Once, so that nothing is planned between the looks.
    status = pg_query(NULL, pg, "SELECT clock_timestamp()", NULL, 0, &err);
    int64_t before_us = now_us();
    if (status == NOVA_OK)
        status = pg_query(&row, pg, "SELECT clock_timestamp()", NULL, 0, &err);
    int64_t after_us = now_us();
    if (status == NOVA_OK) {
        double ms =
            ((double)pg_get_time_us(row, 0, 0) - ((double)before_us + (double)after_us) / 2) / 1000;
        struct check_result *result =
            measured(asking, "clock", service, fabs(ms), "ms", SETTING_CHECK_CLOCK_WARN_MS,
                     SETTING_CHECK_CLOCK_CRITICAL_MS, false);
        say(result, "PostgreSQL is %.0f ms %s this machine", fabs(ms),
            ms < 0 ? "behind" : "ahead of");
    } else {
        failed(asking, "postgres", service, CHECK_CRITICAL, &err);
    }
    pg_result_destroy(&row);
}

static void ask_bus(struct asking *asking)
{
    struct error err;
    enum nova_status status = client_open(&asking->client, asking->settings, "operator", &err);
    if (status == NOVA_OK)
        status = bus_jetstream(&asking->js, asking->client.connection, &err);
    if (status != NOVA_OK)
        failed(asking, "nats", "", CHECK_CRITICAL, &err);
}

// ---- outbox and stream --------------------------------------------------------------------------

// The stream's last message, as an event. *why: what is wrong with the stream, in words.
static enum nova_status last_event(struct event *out, const char **why, struct asking *asking,
                                   const char *service, int64_t last, struct arena *arena,
                                   struct error *err)
{
    natsMsg *message = NULL;
    jsErrCode code = 0;
    const char *stream = topology_stream_of(service);
    natsStatus s = js_GetMsg(&message, asking->js, stream, (uint64_t)last, NULL, &code);
    if (s == NATS_NOT_FOUND)
        *why = "its last message cannot be read";
    else if (s != NATS_OK)
        return bus_error(err, s, stream);
    if (s == NATS_OK) {
        size_t len = (size_t)natsMsg_GetDataLength(message);
        struct bytes body = {arena_memdup(arena, natsMsg_GetData(message), len), len};
        if (cloudevents_decode(out, NULL, arena, service, body, NULL) != NOVA_OK)
            *why = "its last message is no event of ours";
        else if (out->n != last)
            *why = "its last message has another event's number";
    }
    natsMsg_Destroy(message);
    return NOVA_OK;
}

// What the outbox holds behind the stream's last event, and whether it holds that one.
static enum nova_status ask_outbox(struct pg_result **out, struct asking *asking,
                                   const char *service, const struct event *last, struct error *err)
{
    char sql[SQL_BYTES];
    struct pg *pg = NULL;
    const struct pg_param params[] = {pg_int8(last->position), pg_uuid(&last->event_id)};
    snprintf(sql, sizeof sql,
             "SELECT count(*), COALESCE(extract(epoch FROM clock_timestamp() - min(recorded_at)),"
             " 0)::float8, $1 = 0 OR EXISTS (SELECT FROM %s.outbox WHERE position = $1 AND"
             " event_id = $2) FROM %s.outbox WHERE position > $1",
             service, service);
    enum nova_status status = sessions_of(&pg, &asking->sessions, service, err);
    return status == NOVA_OK ? pg_query(out, pg, sql, params, 2, err) : status;
}

static const char *whole(const jsStreamInfo *info)
{
    const jsStreamState *state = &info->State;
    if (state->Msgs > 0 && state->FirstSeq != 1)
        return "its first message is gone";
    return state->Msgs != state->LastSeq ? "messages are missing in it" : NULL;
}

static enum nova_status stream_results(struct asking *asking, const char *service,
                                       const jsStreamInfo *info, struct error *err)
{
    struct event last = {0};
    struct pg_result *row = NULL;
    struct arena *arena = arena_create();
    const char *why = whole(info);
    enum nova_status status = NOVA_OK;
    if (why == NULL && info->State.LastSeq > 0)
        status = last_event(&last, &why, asking, service, (int64_t)info->State.LastSeq, arena, err);
    if (status == NOVA_OK)
        status = ask_outbox(&row, asking, service, &last, err);
    if (status == NOVA_OK && why == NULL && !pg_get_bool(row, 0, 2))
        why = "the outbox does not hold its last event: ./nova relay recover";
    if (status == NOVA_OK) {
        struct check_result *stream = check_add(asking->list, "stream", service);
        stream->level = why != NULL ? CHECK_CRITICAL : CHECK_OK;
        snprintf(stream->text, sizeof stream->text, "%s: %" PRIu64 " messages%s%s",
                 topology_stream_of(service), info->State.Msgs, why != NULL ? "; " : "",
                 why != NULL ? why : ", whole, and the outbox holds the last one");
    }
    if (status == NOVA_OK && why == NULL) {
        struct check_result *result =
            measured(asking, "unpublished", service, pg_get_float8(row, 0, 1), "s",
                     SETTING_CHECK_UNPUBLISHED_WARN_S, SETTING_CHECK_UNPUBLISHED_CRITICAL_S, false);
        say(result, "%" PRId64 " events are not in the stream yet, the oldest for %.1f s",
            pg_get_int8(row, 0, 0), result->value);
    }
    pg_result_destroy(&row);
    arena_destroy(&arena);
    return status;
}

static void ask_stream(struct asking *asking, const char *service)
{
    struct error err;
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;
    const char *name = topology_stream_of(service);
    natsStatus s = js_GetStreamInfo(&info, asking->js, name, NULL, &code);
    enum nova_status status = s == NATS_OK ? stream_results(asking, service, info, &err)
                              : s == NATS_NOT_FOUND
                                  ? error_set(&err, NOVA_NOT_FOUND, "there is no %s", name)
                                  : bus_error(&err, s, name);
    if (status != NOVA_OK)
        failed(asking, "stream", service, status == NOVA_NOT_FOUND ? CHECK_CRITICAL : CHECK_UNKNOWN,
               &err);
    jsStreamInfo_Destroy(info);
}

// ---- consumers ----------------------------------------------------------------------------------

static int64_t number_of(const json_t *entry, const char *key)
{
    return json_integer_value(json_object_get(entry, key));
}

static void ask_lag(struct asking *asking, json_t *figures, const struct topology_reader *reader)
{
    char of[128];
    struct error err;
    snprintf(of, sizeof of, "%s of %s", reader->consumer, reader->source);
    if (figures_consumer(figures, &asking->sessions, reader, &err) != NOVA_OK) {
        failed(asking, "lag", of, CHECK_UNKNOWN, &err);
        return;
    }
    const json_t *figure = json_array_get(figures, json_array_size(figures) - 1);
    struct check_result *result =
        measured(asking, "lag", of, json_number_value(json_object_get(figure, "lag_seconds")), "s",
                 SETTING_CHECK_LAG_WARN_S, SETTING_CHECK_LAG_CRITICAL_S, false);
    say(result, "%" PRId64 " events, %.1f s", number_of(figure, "lag_events"), result->value);
}

// One consumer's dead letters, of all its sources that answered.
static void ask_dead_letters(struct asking *asking, const json_t *figures, const char *consumer)
{
    size_t i, seen = 0;
    json_t *figure;
    int64_t parked = 0;
    json_array_foreach((json_t *)figures, i, figure)
    {
        if (strcmp(json_string_value(json_object_get(figure, "consumer")), consumer) != 0)
            continue;
        parked += number_of(figure, "parked");
        seen++;
    }
    if (seen == 0)
        return; // its lag says why
    struct check_result *result =
        measured(asking, "dead letters", consumer, (double)parked, "",
                 SETTING_CHECK_DEAD_LETTERS_WARN, SETTING_CHECK_DEAD_LETTERS_CRITICAL, false);
    say(result, "%" PRId64 " events are parked%s", parked, parked > 0 ? ": ./nova dlq list" : "");
}

static void ask_consumers(struct asking *asking)
{
    json_t *figures = json_array();
    for (size_t i = 0; i < topology_reader_count(); i++)
        ask_lag(asking, figures, topology_reader_at(i));
    for (size_t i = 0; i < consumer_count(); i++)
        ask_dead_letters(asking, figures, consumer_at(i)->name);
    json_decref(figures);
}

// ---- disks --------------------------------------------------------------------------------------

static void ask_disk(struct asking *asking, const char *of, const char *path)
{
    int64_t bytes = home_free_bytes(path);
    if (bytes < 0) {
        struct check_result *result = check_add(asking->list, "disk", of);
        result->level = CHECK_UNKNOWN;
        snprintf(result->text, sizeof result->text, "nobody knows how much of %.300s is free",
                 path);
        return;
    }
    struct check_result *result =
        measured(asking, "disk", of, floor((double)bytes / (1 << 20)), "MiB",
                 SETTING_CHECK_DISK_WARN_MIB, SETTING_CHECK_DISK_CRITICAL_MIB, true);
    say(result, "%.0f MiB are free in %.300s", result->value, path);
}

static void ask_disks(struct asking *asking)
{
    char path[PATH_MAX];
    const char *home = settings_text(asking->settings, SETTING_HOME);
    if (access(home, F_OK) != 0)
        return; // all servers are elsewhere
    ask_disk(asking, "home", home);
    path_print(path, "%s/pg", home);
    if (server_postgres_is_embedded(asking->settings))
        ask_disk(asking, "postgres", path);
}

void check_ask(struct check_list *list, const struct settings *settings)
{
    const char *services[SERVICES_MAX];
    struct asking asking = {
        .settings = settings,
        .list = list,
        .sessions = {.settings = settings, .role = "operator", .name = "nova check"},
    };
    size_t count = services_of(services);
    ask_bus(&asking);
    for (size_t i = 0; i < count; i++)
        ask_clock(&asking, services[i]);
    for (size_t i = 0; i < topology_stream_count() && asking.js != NULL; i++)
        ask_stream(&asking, topology_stream_service(i));
    ask_consumers(&asking);
    ask_disks(&asking);
    jsCtx_Destroy(asking.js);
    client_close(&asking.client);
    sessions_close(&asking.sessions);
}
