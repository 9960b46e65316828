// relay.c - `nova relay status|pause|resume`, and the way to relay_recover.c.
#include "cli/relay.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/nearest.h"
#include "base/timestamp.h"
#include "bus/topology.h"
#include "cli/client.h"
#include "pg/pg.h"

enum { SERVICES_MAX = 16, SQL_BYTES = 1024, LOOK_MS = 50, WAIT_MS_MAX = 30000 };

const char *relay_service(const char *word)
{
    const char *names[SERVICES_MAX];
    size_t count = topology_stream_count();
    for (size_t i = 0; i < count && i < SERVICES_MAX; i++) {
        names[i] = topology_stream_service(i);
        if (strcmp(names[i], word) == 0)
            return names[i];
    }
    const char *meant = nearest_word(word, names, count);
    if (meant != NULL)
        command_usage("relay", "no service '%s' has a relay; did you mean '%s'?", word, meant);
    else
        command_usage("relay", "no service '%s' has a relay", word);
    return NULL;
}

static enum nova_status connect_operator(struct pg **out, const struct settings *settings,
                                         const char *service, struct error *err)
{
    return client_postgres(out, settings, service, "operator", "nova relay", err);
}

// ---- status -------------------------------------------------------------------------------------

static json_t *time_json(const struct pg_result *row, int column)
{
    char text[TIMESTAMP_BYTES];
    if (pg_is_null(row, 0, column))
        return json_null();
    timestamp_format(text, pg_get_time_us(row, 0, column));
    return json_string(text);
}

static json_t *text_json(const struct pg_result *row, int column)
{
    return pg_is_null(row, 0, column) ? json_null() : json_string(pg_get_text(row, 0, column));
}

// -1: the stream is not there.
static enum nova_status stream_last(int64_t *out, jsCtx *js, const char *service, struct error *err)
{
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;
    natsStatus s = js_GetStreamInfo(&info, js, topology_stream_of(service), NULL, &code);
    *out = s == NATS_OK ? (int64_t)info->State.LastSeq : -1;
    jsStreamInfo_Destroy(info);
    return s == NATS_OK || s == NATS_NOT_FOUND ? NOVA_OK
                                               : bus_error(err, s, topology_stream_of(service));
}

static json_t *status_json(const char *service, const struct pg_result *row, int64_t stream_n)
{
    int64_t outbox = pg_get_int8(row, 0, 12);
    json_t *json = json_pack("{ss}", "service", service);
    bool works = pg_get_bool(row, 0, 8);
    json_object_set_new(json, "phase", works ? text_json(row, 0) : json_string("not running"));
    json_object_set_new(json, "why", works ? text_json(row, 1) : json_null());
    json_object_set_new(json, "n",
                        json_integer(pg_is_null(row, 0, 2) ? 0 : pg_get_int8(row, 0, 2)));
    json_object_set_new(json, "position",
                        json_integer(pg_is_null(row, 0, 3) ? 0 : pg_get_int8(row, 0, 3)));
    json_object_set_new(json, "lease_holder", works ? text_json(row, 4) : json_null());
    json_object_set_new(json, "paused_since", time_json(row, 5));
    json_object_set_new(json, "paused_by", text_json(row, 6));
    json_object_set_new(json, "recovery", text_json(row, 7));
    json_object_set_new(json, "told_at", time_json(row, 9));
    json_object_set_new(json, "restored_at", time_json(row, 10));
    json_object_set_new(json, "head", json_integer(pg_get_int8(row, 0, 11)));
    json_object_set_new(json, "outbox", json_integer(outbox));
    json_object_set_new(json, "stream", json_integer(stream_n < 0 ? 0 : stream_n));
    json_object_set_new(json, "lag", json_integer(outbox - (stream_n < 0 ? 0 : stream_n)));
    return json;
}

// The command to type, where there is one.
static void status_advise(json_t *json)
{
    char text[256] = "";
    const char *service = json_string_value(json_object_get(json, "service"));
    const char *phase = json_string_value(json_object_get(json, "phase"));
    const char *recovery = json_string_value(json_object_get(json, "recovery"));
    if (recovery != NULL)
        snprintf(text, sizeof text, "a recovery has not ended: ./nova relay recover %s --%s",
                 service, recovery);
    else if (json_is_string(json_object_get(json, "paused_since")))
        snprintf(text, sizeof text, "./nova relay resume %s", service);
    else if (phase != NULL && strcmp(phase, "stopped") == 0)
        snprintf(text, sizeof text, "./nova relay recover %s --dry-run", service);
    else if (phase != NULL && strcmp(phase, "not running") == 0)
        snprintf(text, sizeof text, "./nova up");
    if (*text != '\0')
        json_object_set_new(json, "next", json_string(text));
}

static enum nova_status status_of(json_t **out, const struct settings *settings, jsCtx *js,
                                  const char *service, struct error *err)
{
    char sql[SQL_BYTES];
    struct pg *pg = NULL;
    struct pg_result *row = NULL;
    int64_t stream_n = -1;
    snprintf(sql, sizeof sql,
             "SELECT phase, why, n, position, owner_name, paused_at, paused_by, recovery,"
             " lease_until >= clock_timestamp() AND phase IS NOT NULL, told_at, restored_at,"
             " (SELECT coalesce(max(position), 0) FROM %s.outbox), (SELECT count(*) FROM %s.outbox)"
             " FROM %s.relay_lease",
             service, service, service);
    enum nova_status status = connect_operator(&pg, settings, service, err);
    if (status == NOVA_OK)
        status = pg_query(&row, pg, sql, NULL, 0, err);
    if (status == NOVA_OK)
        status = stream_last(&stream_n, js, service, err);
    if (status == NOVA_OK) {
        *out = status_json(service, row, stream_n);
        status_advise(*out);
    }
    pg_result_destroy(&row);
    pg_destroy(&pg);
    return status;
}

static const char *text_of(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text ? text : "-";
}

static void status_print(const json_t *list)
{
    size_t i;
    json_t *entry;
    printf("%-14s %-11s %10s %10s %10s %8s  %-28s %s\n", "SERVICE", "PHASE", "N", "POSITION",
           "HEAD", "LAG", "LEASE", "WHY");
    json_array_foreach(list, i, entry)
    {
        printf("%-14s %-11s %10" JSON_INTEGER_FORMAT " %10" JSON_INTEGER_FORMAT
               " %10" JSON_INTEGER_FORMAT " %8" JSON_INTEGER_FORMAT "  %-28s %s\n",
               text_of(entry, "service"), text_of(entry, "phase"),
               json_integer_value(json_object_get(entry, "n")),
               json_integer_value(json_object_get(entry, "position")),
               json_integer_value(json_object_get(entry, "head")),
               json_integer_value(json_object_get(entry, "lag")), text_of(entry, "lease_holder"),
               text_of(entry, "why"));
        if (json_is_string(json_object_get(entry, "paused_since")))
            printf("  paused since %s by %s\n", text_of(entry, "paused_since"),
                   text_of(entry, "paused_by"));
        if (json_is_string(json_object_get(entry, "restored_at")))
            printf("  restored; nobody may append before its stream was compared with it\n");
        if (json_is_string(json_object_get(entry, "next")))
            printf("  next: %s\n", text_of(entry, "next"));
    }
}

static int status_say(const struct settings *settings, const char *service, bool as_json)
{
    struct error err;
    struct client client;
    jsCtx *js = NULL;
    json_t *list = json_array();
    enum nova_status status = client_open(&client, settings, "operator", &err);
    if (status == NOVA_OK)
        status = bus_jetstream(&js, client.connection, &err);
    for (size_t i = 0; i < topology_stream_count() && status == NOVA_OK; i++) {
        json_t *one = NULL;
        if (service != NULL && strcmp(service, topology_stream_service(i)) != 0)
            continue;
        status = status_of(&one, settings, js, topology_stream_service(i), &err);
        if (one != NULL)
            json_array_append_new(list, one);
    }
    jsCtx_Destroy(js);
    client_close(&client);
    if (status == NOVA_OK && as_json) {
        json_dumpf(list, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (status == NOVA_OK) {
        status_print(list);
    }
    json_decref(list);
    return status == NOVA_OK ? EXIT_CODE_OK : command_failed(&err);
}

// ---- pause and resume ---------------------------------------------------------------------------

static enum nova_status hold_set(struct pg *pg, const char *service, bool pause, struct error *err)
{
    char sql[SQL_BYTES];
    struct pg_result *row = NULL;
    const char *user = getenv("USER");
    const struct pg_param by = pg_text(user != NULL && *user != '\0' ? user : "an operator");
    snprintf(sql, sizeof sql,
             pause ? "UPDATE %s.relay_lease SET paused_at = coalesce(paused_at, clock_timestamp()),"
                     " paused_by = CASE WHEN recovery IS NULL THEN coalesce(paused_by, $1)"
                     " ELSE $1 END RETURNING recovery"
                   : "UPDATE %s.relay_lease SET paused_at = NULL, paused_by = NULL WHERE $1 <> ''"
                     " AND (recovery IS NULL OR paused_by NOT LIKE './nova relay recover%%')"
                     " RETURNING recovery",
             service);
    enum nova_status status = pg_query(&row, pg, sql, &by, 1, err);
    if (status == NOVA_OK && pg_rows(row) == 0)
        status =
            error_set(err, NOVA_FAILED_PRECONDITION,
                      "a recovery of %s has not ended and holds its relay: ./nova relay status "
                      "%s names the command that ends it",
                      service, service);
    pg_result_destroy(&row);
    return status;
}

// Until the relay says so, or none works; a relay that resumes says something else than "paused".
static enum nova_status hold_wait(struct pg *pg, const char *service, bool pause, struct error *err)
{
    char sql[SQL_BYTES];
    bool seen = false;
    enum nova_status status = NOVA_OK;
    snprintf(sql, sizeof sql,
             "SELECT lease_until < clock_timestamp() OR coalesce((phase = 'paused') = $1"
             " AND ($1 IS FALSE OR told_at > paused_at), false) FROM %s.relay_lease",
             service);
    for (int ms = 0; ms < WAIT_MS_MAX && status == NOVA_OK && !seen; ms += LOOK_MS) {
        struct pg_result *row = NULL;
        const struct pg_param param = pg_bool(pause);
        if (ms > 0)
            nanosleep(&(struct timespec){0, LOOK_MS * 1000000}, NULL);
        status = pg_query(&row, pg, sql, &param, 1, err);
        seen = pg_rows(row) == 1 && pg_get_bool(row, 0, 0);
        pg_result_destroy(&row);
    }
    if (status == NOVA_OK && !seen)
        return error_set(err, NOVA_DEADLINE_EXCEEDED,
                         "it is written down, but %s's relay has not said so yet: ./nova relay "
                         "status %s",
                         service, service);
    return status;
}

static enum nova_status hold(const struct settings *settings, const char *service, bool pause,
                             struct error *err)
{
    struct pg *pg = NULL;
    enum nova_status status = connect_operator(&pg, settings, service, err);
    if (status == NOVA_OK)
        status = hold_set(pg, service, pause, err);
    if (status == NOVA_OK)
        status = hold_wait(pg, service, pause, err);
    pg_destroy(&pg);
    if (status == NOVA_OK)
        command_say(pause ? "%s's relay publishes nothing until ./nova relay resume %s"
                          : "%s's relay goes on",
                    service, service);
    return status;
}

static int hold_each(const struct settings *settings, const char *service, bool pause)
{
    struct error err;
    for (size_t i = 0; i < topology_stream_count(); i++) {
        const char *name = topology_stream_service(i);
        if (service != NULL && strcmp(service, name) != 0)
            continue;
        if (hold(settings, name, pause, &err) != NOVA_OK)
            return command_failed(&err);
    }
    return EXIT_CODE_OK;
}

// ---- the command --------------------------------------------------------------------------------

int command_relay(const struct settings *settings, int argc, char **argv)
{
    const char *what = argc >= 2 ? argv[1] : "", *service = NULL;
    bool as_json = false;
    if (strcmp(what, "recover") == 0)
        return relay_recover(settings, argc - 2, argv + 2);
    bool pause = strcmp(what, "pause") == 0, resume = strcmp(what, "resume") == 0;
    if (!pause && !resume && strcmp(what, "status") != 0)
        return command_usage("relay",
                             "relay wants 'status', 'pause', 'resume' or 'recover SERVICE'");
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0 && !pause && !resume) {
            as_json = true;
        } else if (service == NULL && argv[i][0] != '-') {
            service = relay_service(argv[i]);
            if (service == NULL)
                return EXIT_CODE_USAGE;
        } else {
            return command_usage("relay", "relay %s takes no '%s'", what, argv[i]);
        }
    }
    return pause || resume ? hold_each(settings, service, pause)
                           : status_say(settings, service, as_json);
}
