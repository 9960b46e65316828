// log_stands.c - where an event stands: outbox, stream, every consumer of its stream.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/cloudevents.h"
#include "bus/leaf.h"
#include "bus/topology.h"
#include "cli/client.h"
#include "cli/log_rows.h"
#include "cli/log_show.h"
#include "projections/consumers.h"

enum { SQL_BYTES = 512 };

// ---- the stream ---------------------------------------------------------------------------------

static bool is_same_leaf(const struct event *one, const struct event *other)
{
    size_t len = leaf_bytes_v1(NULL, 0, one);
    if (leaf_bytes_v1(NULL, 0, other) != len)
        return false;
    uint8_t *a = malloc(len), *b = malloc(len);
    if (a == NULL || b == NULL)
        abort();
    leaf_bytes_v1(a, len, one);
    leaf_bytes_v1(b, len, other);
    bool same = memcmp(a, b, len) == 0;
    free(a);
    free(b);
    return same;
}

static const char *compare(natsMsg *message, const char *service, const struct event *event)
{
    struct error why;
    struct event there;
    struct arena *arena = arena_create();
    struct bytes body = {(const uint8_t *)natsMsg_GetData(message),
                         (size_t)natsMsg_GetDataLength(message)};
    const char *state = "a message that is no event of ours";
    if (cloudevents_decode(&there, NULL, arena, service, body, &why) == NOVA_OK)
        state = !uuid_equal(&there.event_id, &event->event_id) ? "another event"
                : is_same_leaf(&there, event)                  ? "the same event"
                                                               : "the same event, changed";
    arena_destroy(&arena);
    return state;
}

// Message n is the n-th event, so that is the one to look at.
static enum nova_status ask_stream(const char **state, const struct settings *settings,
                                   const char *service, const struct event *event,
                                   struct error *err)
{
    struct client client;
    jsCtx *js = NULL;
    natsMsg *message = NULL;
    jsDirectGetMsgOptions options;
    jsDirectGetMsgOptions_Init(&options);
    options.Sequence = (uint64_t)event->n;
    enum nova_status status = client_open(&client, settings, "auditor", err);
    if (status == NOVA_OK)
        status = bus_jetstream(&js, client.connection, err);
    if (status == NOVA_OK) {
        natsStatus s = js_DirectGetMsg(&message, js, topology_stream_of(service), NULL, &options);
        if (s == NATS_OK)
            *state = compare(message, service, event);
        else if (s == NATS_NOT_FOUND)
            *state = "not published yet";
        else
            status = bus_error(err, s, topology_stream_of(service));
    }
    natsMsg_Destroy(message);
    jsCtx_Destroy(js);
    client_close(&client);
    return status;
}

static json_t *stream_json(const struct settings *settings, const char *service,
                           const struct event *event)
{
    struct error why = {0};
    const char *state = NULL;
    enum nova_status status = ask_stream(&state, settings, service, event, &why);
    return json_pack("{ss sI ss}", "stream", topology_stream_of(service), "message",
                     (json_int_t)event->n, "state", status == NOVA_OK ? state : why.text);
}

// ---- consumers ----------------------------------------------------------------------------------

static bool wants(const struct inbox_consumer *consumer, const char *source, const char *type)
{
    for (size_t i = 0; i < inbox_source_count(consumer); i++)
        if (strcmp(consumer->sources[i].service, source) == 0)
            return inbox_source_wants(&consumer->sources[i], type);
    return false;
}

static enum nova_status consumer_json(json_t *list, const struct settings *settings,
                                      const struct topology_reader *reader,
                                      const struct event *event, struct error *err)
{
    char sql[SQL_BYTES];
    struct pg *pg = NULL;
    struct pg_result *row = NULL;
    const struct inbox_consumer *consumer = consumer_find(reader->consumer);
    const struct pg_param params[] = {pg_text(reader->consumer), pg_text(reader->source),
                                      pg_uuid(&event->event_id)};
    snprintf(sql, sizeof sql,
             "SELECT coalesce(max(n), 0), coalesce(max(position), 0), coalesce(max(generation), 0),"
             " (SELECT error FROM %s.dead_letter WHERE consumer = $1 AND source = $2"
             " AND event_id = $3) FROM %s.checkpoint WHERE consumer = $1 AND source = $2",
             consumer->service, consumer->service);
    enum nova_status status = log_connect(&pg, settings, consumer->service, err);
    if (status == NOVA_OK)
        status = pg_query(&row, pg, sql, params, 3, err);
    if (status == NOVA_OK) {
        int64_t n = pg_get_int8(row, 0, 0);
        bool is_parked = !pg_is_null(row, 0, 3);
        const char *state = is_parked                                      ? "parked"
                            : n < event->n                                 ? "not reached"
                            : wants(consumer, reader->source, event->type) ? "applied"
                                                                           : "passed over";
        json_t *json =
            json_pack("{ss ss sI sI sI}", "consumer", reader->consumer, "state", state,
                      "checkpoint", (json_int_t)n, "position", (json_int_t)pg_get_int8(row, 0, 1),
                      "generation", (json_int_t)pg_get_int4(row, 0, 2));
        if (is_parked)
            json_object_set_new(json, "reason", json_string(pg_get_text(row, 0, 3)));
        json_array_append_new(list, json);
    }
    pg_result_destroy(&row);
    pg_destroy(&pg);
    return status;
}

enum nova_status log_stands(json_t **out, const struct settings *settings, struct pg *pg,
                            const char *service, struct event event, struct error *err)
{
    char sql[SQL_BYTES];
    struct pg_result *row = NULL;
    const struct pg_param position = pg_int8(event.position);
    json_t *consumers = json_array();
    snprintf(sql, sizeof sql,
             "SELECT count(*) FILTER (WHERE position <= $1), count(*) FROM %s.outbox", service);
    enum nova_status status = pg_query(&row, pg, sql, &position, 1, err);
    if (status == NOVA_OK)
        event.n = pg_get_int8(row, 0, 0);
    for (size_t i = 0; i < topology_reader_count() && status == NOVA_OK; i++)
        if (strcmp(topology_reader_at(i)->source, service) == 0)
            status = consumer_json(consumers, settings, topology_reader_at(i), &event, err);
    if (status == NOVA_OK)
        *out = json_pack("{s{ss sI sI sI} so so}", "outbox", "service", service, "position",
                         (json_int_t)event.position, "n", (json_int_t)event.n, "events",
                         (json_int_t)pg_get_int8(row, 0, 1), "stream",
                         stream_json(settings, service, &event), "consumers", consumers);
    else
        json_decref(consumers);
    pg_result_destroy(&row);
    return status;
}
