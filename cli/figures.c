// figures.c - see figures.h.
#include "cli/figures.h"

#include <inttypes.h>
#include <string.h>

#include "base/timestamp.h"
#include "bus/topology.h"
#include "cli/client.h"
#include "cli/sessions.h"
#include "projections/generation.h"

enum { SQL_BYTES = 1024 };

static enum nova_status connect_operator(struct pg **out, const struct settings *settings,
                                         const char *service, struct error *err)
{
    return client_postgres(out, settings, service, "operator", "nova status", err);
}

int64_t figures_sum(const json_t *list, const char *key)
{
    size_t i;
    json_t *entry;
    int64_t sum = 0;
    json_array_foreach(list, i, entry) sum += json_integer_value(json_object_get(entry, key));
    return sum;
}

// ---- streams ------------------------------------------------------------------------------------

// Events of one type, or all with NULL.
static enum nova_status outbox_count(int64_t *out, const struct settings *settings,
                                     const char *service, const char *type, struct error *err)
{
    char sql[SQL_BYTES];
    struct pg *pg = NULL;
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_text(type)};
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s.outbox WHERE $1 IS NULL OR type = $1",
             service);
    enum nova_status status = connect_operator(&pg, settings, service, err);
    if (status == NOVA_OK)
        status = pg_query(&rows, pg, sql, params, 1, err);
    *out = pg_rows(rows) > 0 ? pg_get_int8(rows, 0, 0) : 0;
    pg_result_destroy(&rows);
    pg_destroy(&pg);
    return status;
}

static enum nova_status stream_json(json_t *list, jsCtx *js, const struct settings *settings,
                                    const char *service, struct error *err)
{
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;
    int64_t outbox = 0, events = 0, bytes = 0;
    natsStatus s = js_GetStreamInfo(&info, js, topology_stream_of(service), NULL, &code);
    if (s != NATS_OK && s != NATS_NOT_FOUND) // its relay has not made it yet
        return bus_error(err, s, topology_stream_of(service));
    if (s == NATS_OK) {
        events = (int64_t)info->State.Msgs;
        bytes = (int64_t)info->State.Bytes;
        jsStreamInfo_Destroy(info);
    }
    enum nova_status status = outbox_count(&outbox, settings, service, NULL, err);
    if (status == NOVA_OK)
        json_array_append_new(list,
                              json_pack("{ss ss sI sI sI}", "stream", topology_stream_of(service),
                                        "service", service, "events", (json_int_t)events, "bytes",
                                        (json_int_t)bytes, "outbox", (json_int_t)outbox));
    return status;
}

enum nova_status figures_streams(json_t **out, const struct settings *settings, struct error *err)
{
    struct client client;
    jsCtx *js = NULL;
    *out = json_array();
    enum nova_status status = client_open(&client, settings, "operator", err);
    if (status == NOVA_OK)
        status = bus_jetstream(&js, client.connection, err);
    for (size_t i = 0; i < topology_stream_count() && status == NOVA_OK; i++)
        status = stream_json(*out, js, settings, topology_stream_service(i), err);
    jsCtx_Destroy(js);
    client_close(&client);
    return status;
}

void figures_print_streams(FILE *out, const json_t *streams)
{
    size_t i;
    json_t *entry;
    fprintf(out, "%-28s %12s %12s %14s\n", "STREAM", "EVENTS", "OUTBOX", "BYTES");
    json_array_foreach(streams, i, entry) fprintf(
        out,
        "%-28s %12" JSON_INTEGER_FORMAT " %12" JSON_INTEGER_FORMAT " %14" JSON_INTEGER_FORMAT "\n",
        json_string_value(json_object_get(entry, "stream")),
        json_integer_value(json_object_get(entry, "events")),
        json_integer_value(json_object_get(entry, "outbox")),
        json_integer_value(json_object_get(entry, "bytes")));
}

// ---- what happened ------------------------------------------------------------------------------

enum nova_status figures_happened(json_t **out, const struct settings *settings, struct error *err)
{
    static const struct {
        const char *key, *service, *type;
    } kinds[] = {{"registered", "identity", "user.created"},
                 {"posted", "content", "post.created"},
                 {"commented", "content", "comment.created"},
                 {"sent", "communication", "message.sent"}};
    enum nova_status status = NOVA_OK;
    *out = json_object();
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && status == NOVA_OK; i++) {
        int64_t count = 0;
        status = outbox_count(&count, settings, kinds[i].service, kinds[i].type, err);
        json_object_set_new(*out, kinds[i].key, json_integer((json_int_t)count));
    }
    return status;
}

void figures_print_happened(FILE *out, const json_t *happened)
{
    fprintf(out,
            "%" JSON_INTEGER_FORMAT " users registered, %" JSON_INTEGER_FORMAT
            " posts and %" JSON_INTEGER_FORMAT " comments posted, %" JSON_INTEGER_FORMAT
            " messages sent\n",
            json_integer_value(json_object_get(happened, "registered")),
            json_integer_value(json_object_get(happened, "posted")),
            json_integer_value(json_object_get(happened, "commented")),
            json_integer_value(json_object_get(happened, "sent")));
}

// ---- consumers ----------------------------------------------------------------------------------

// One source of one consumer: its own books, and what lies behind them in the source's outbox.
enum nova_status figures_consumer(json_t *list, struct sessions *sessions,
                                  const struct topology_reader *reader, struct error *err)
{
    char sql[SQL_BYTES];
    struct pg *own = NULL, *source = NULL;
    struct pg_result *books = NULL, *behind = NULL;
    const char *service = consumer_find(reader->consumer)->service;
    snprintf(sql, sizeof sql,
             "SELECT COALESCE(max(n), 0), COALESCE(max(position), 0), (SELECT count(*) FROM"
             " %s.dead_letter WHERE consumer = $1 AND source = $2) FROM %s.checkpoint"
             " WHERE consumer = $1 AND source = $2",
             service, service);
    const struct pg_param params[] = {pg_text(reader->consumer), pg_text(reader->source)};
    enum nova_status status = sessions_of(&own, sessions, service, err);
    if (status == NOVA_OK)
        status = pg_query(&books, own, sql, params, 2, err);
    if (status == NOVA_OK)
        status = sessions_of(&source, sessions, reader->source, err);
    if (status == NOVA_OK) {
        struct pg_param position = pg_int8(pg_get_int8(books, 0, 1));
        snprintf(sql, sizeof sql,
                 "SELECT count(*), COALESCE(extract(epoch FROM clock_timestamp() -"
                 " min(recorded_at)), 0)::float8, GREATEST(max(position), $1) FROM %s.outbox"
                 " WHERE position > $1",
                 reader->source);
        status = pg_query(&behind, source, sql, &position, 1, err);
    }
    if (status == NOVA_OK)
        json_array_append_new(list, json_pack("{ss ss sI sI sI sI sf sI}", "consumer",
                                              reader->consumer, "source", reader->source, "n",
                                              (json_int_t)pg_get_int8(books, 0, 0), "position",
                                              (json_int_t)pg_get_int8(books, 0, 1), "head",
                                              (json_int_t)pg_get_int8(behind, 0, 2), "lag_events",
                                              (json_int_t)pg_get_int8(behind, 0, 0), "lag_seconds",
                                              pg_get_float8(behind, 0, 1), "parked",
                                              (json_int_t)pg_get_int8(books, 0, 2)));
    pg_result_destroy(&books);
    pg_result_destroy(&behind);
    return status;
}

enum nova_status figures_consumers(json_t **out, const struct settings *settings, struct error *err)
{
    struct sessions sessions = {.settings = settings, .role = "operator", .name = "nova status"};
    enum nova_status status = NOVA_OK;
    *out = json_array();
    for (size_t i = 0; i < topology_reader_count() && status == NOVA_OK; i++)
        status = figures_consumer(*out, &sessions, topology_reader_at(i), err);
    sessions_close(&sessions);
    return status;
}

void figures_print_consumers(FILE *out, const json_t *consumers)
{
    size_t i;
    json_t *entry;
    fprintf(out, "%-38s %-14s %10s %8s %8s %7s\n", "CONSUMER", "SOURCE", "APPLIED", "LAG", "LAG s",
            "PARKED");
    json_array_foreach(consumers, i, entry)
        fprintf(out,
                "%-38s %-14s %10" JSON_INTEGER_FORMAT " %8" JSON_INTEGER_FORMAT
                " %8.1f %7" JSON_INTEGER_FORMAT "\n",
                json_string_value(json_object_get(entry, "consumer")),
                json_string_value(json_object_get(entry, "source")),
                json_integer_value(json_object_get(entry, "n")),
                json_integer_value(json_object_get(entry, "lag_events")),
                json_number_value(json_object_get(entry, "lag_seconds")),
                json_integer_value(json_object_get(entry, "parked")));
}

// ---- projections --------------------------------------------------------------------------------

static enum nova_status projection_json(json_t *list, const struct settings *settings,
                                        const struct projection *projection, struct error *err)
{
    struct pg *pg = NULL;
    struct generation generation = {0};
    char switched[TIMESTAMP_BYTES] = "";
    enum nova_status status = connect_operator(&pg, settings, projection->consumer->service, err);
    if (status == NOVA_OK)
        status = generation_read(&generation, pg, projection, err);
    pg_destroy(&pg);
    if (status != NOVA_OK)
        return status;
    timestamp_format(switched, generation.switched_at_us);
    json_array_append_new(list, json_pack("{ss ss ss si ss}", "projection", projection->name,
                                          "service", projection->consumer->service, "consumer",
                                          projection->consumer->name, "generation",
                                          (int)generation.live, "switched_at", switched));
    return NOVA_OK;
}

enum nova_status figures_projections(json_t **out, const struct settings *settings,
                                     struct error *err)
{
    enum nova_status status = NOVA_OK;
    *out = json_array();
    for (size_t i = 0; i < projection_count() && status == NOVA_OK; i++)
        status = projection_json(*out, settings, projection_at(i), err);
    return status;
}

void figures_print_projections(FILE *out, const json_t *projections)
{
    size_t i;
    json_t *entry;
    fprintf(out, "%-28s %-14s %10s   %s\n", "PROJECTION", "SERVICE", "GENERATION", "LIVE SINCE");
    json_array_foreach(projections, i, entry)
        fprintf(out, "%-28s %-14s %10" JSON_INTEGER_FORMAT "   %s\n",
                json_string_value(json_object_get(entry, "projection")),
                json_string_value(json_object_get(entry, "service")),
                json_integer_value(json_object_get(entry, "generation")),
                json_string_value(json_object_get(entry, "switched_at")));
}

// ---- e-mails ------------------------------------------------------------------------------------

enum nova_status figures_mail(json_t **out, const struct settings *settings, struct error *err)
{
    struct pg *pg = NULL;
    struct pg_result *rows = NULL;
    *out = json_array();
    enum nova_status status = connect_operator(&pg, settings, "identity", err);
    if (status == NOVA_OK)
        status = pg_query(&rows, pg,
                          "SELECT count(*) FILTER (WHERE done_at IS NULL),"
                          " COALESCE(EXTRACT(EPOCH FROM now() - min(created_at)"
                          "  FILTER (WHERE done_at IS NULL)), 0)::float8,"
                          " count(*) FILTER (WHERE outcome IN ('given_up', 'refused'))"
                          " FROM identity.effect WHERE expires_at > now()",
                          NULL, 0, err);
    if (status == NOVA_OK)
        json_array_append_new(*out,
                              json_pack("{ss sI sf sI sb}", "service", "identity", "waiting",
                                        (json_int_t)pg_get_int8(rows, 0, 0), "oldest_seconds",
                                        pg_get_float8(rows, 0, 1), "given_up",
                                        (json_int_t)pg_get_int8(rows, 0, 2), "sends",
                                        *settings_text(settings, SETTING_MAIL_SMTP_URL) != '\0'));
    pg_result_destroy(&rows);
    pg_destroy(&pg);
    return status;
}

void figures_print_mail(FILE *out, const json_t *mail)
{
    size_t i;
    json_t *entry;
    fprintf(out, "%-28s %12s %12s %12s\n", "E-MAILS", "WAITING", "OLDEST", "GIVEN UP");
    json_array_foreach(mail, i, entry) fprintf(
        out, "%-28s %12" JSON_INTEGER_FORMAT " %10.0f s %12" JSON_INTEGER_FORMAT "%s\n",
        json_string_value(json_object_get(entry, "service")),
        json_integer_value(json_object_get(entry, "waiting")),
        json_real_value(json_object_get(entry, "oldest_seconds")),
        json_integer_value(json_object_get(entry, "given_up")),
        json_is_true(json_object_get(entry, "sends")) ? "" : "  (mail.smtp_url is not set)");
}
