// stream.c - see stream.h.
#include "outbox-relay/stream.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"
#include "bus/topology.h"

enum { ANSWER_MS = 5000, NEXT_MS = 2000 };

struct stream {
    char service[32];
    const char *name;
    struct bus_connection *connection;
    jsCtx *js;    // publishes; answers go to stream_on_answer
    jsCtx *admin; // asks
    pthread_mutex_t lock;
    pthread_cond_t answered;
    int64_t in_flight, bytes_in_flight, acknowledged;
    bool failed;
};

// On nats.c's thread: an answer, or that none came.
static void stream_on_answer(jsCtx *js, natsMsg *msg, jsPubAck *ack, jsPubAckErr *failure,
                             void *context)
{
    (void)js;
    struct stream *stream = context;
    pthread_mutex_lock(&stream->lock);
    stream->in_flight--;
    stream->bytes_in_flight -= natsMsg_GetDataLength(msg);
    if (failure != NULL || ack == NULL)
        stream->failed = true;
    else if (!stream->failed)
        stream->acknowledged = (int64_t)ack->Sequence;
    metrics_add(METRIC_RELAY_EVENTS, failure == NULL && ack != NULL);
    pthread_cond_broadcast(&stream->answered);
    pthread_mutex_unlock(&stream->lock);
    natsMsg_Destroy(msg);
}

enum nova_status stream_create(struct stream **out, struct bus_connection *connection,
                               const char *service, struct error *err)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return error_set(err, NOVA_RESOURCE_EXHAUSTED, "no memory");
    snprintf(stream->service, sizeof stream->service, "%s", service);
    stream->name = topology_stream_of(service);
    stream->connection = connection;
    assert(stream->name != NULL);
    pthread_mutex_init(&stream->lock, NULL);
    pthread_cond_init(&stream->answered, NULL);
    jsOptions options;
    jsOptions_Init(&options);
    options.PublishAsync.MaxPending = RELAY_WINDOW_MAX + 1;
    options.PublishAsync.AckHandler = stream_on_answer;
    options.PublishAsync.AckHandlerClosure = stream;
    natsStatus s = natsConnection_JetStream(&stream->js, bus_connection_nats(connection), &options);
    enum nova_status status = s == NATS_OK ? bus_jetstream(&stream->admin, connection, err)
                                           : bus_error(err, s, "opening JetStream");
    if (status != NOVA_OK)
        stream_destroy(&stream);
    *out = stream;
    return status;
}

// MaxWait bounds it.
bool stream_flush(struct stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    while (stream->in_flight > 0)
        pthread_cond_wait(&stream->answered, &stream->lock);
    bool good = !stream->failed;
    pthread_mutex_unlock(&stream->lock);
    return good;
}

void stream_destroy(struct stream **stream)
{
    if (stream == NULL || *stream == NULL)
        return;
    stream_flush(*stream);
    jsCtx_Destroy((*stream)->js);
    jsCtx_Destroy((*stream)->admin);
    pthread_cond_destroy(&(*stream)->answered);
    pthread_mutex_destroy(&(*stream)->lock);
    free(*stream);
    *stream = NULL;
}

// ---- publishing ---------------------------------------------------------------------------------

// Room in the window; false: a publish failed.
static bool stream_reserve(struct stream *stream, int64_t bytes)
{
    pthread_mutex_lock(&stream->lock);
    while ((stream->in_flight >= RELAY_WINDOW_MAX ||
            stream->bytes_in_flight + bytes > RELAY_WINDOW_BYTES_MAX) &&
           !stream->failed)
        pthread_cond_wait(&stream->answered, &stream->lock);
    bool good = !stream->failed;
    stream->in_flight += good;
    stream->bytes_in_flight += good ? bytes : 0;
    pthread_mutex_unlock(&stream->lock);
    return good;
}

static void stream_release(struct stream *stream, int64_t bytes)
{
    pthread_mutex_lock(&stream->lock);
    stream->in_flight--;
    stream->bytes_in_flight -= bytes;
    stream->failed = true;
    pthread_mutex_unlock(&stream->lock);
}

static natsStatus stream_message(natsMsg **out, const char *subject, int64_t expected_n,
                                 struct bytes body)
{
    char expected[24];
    // By hand: nats.c leaves the header out for 0, and the first publish would not be fenced.
    snprintf(expected, sizeof expected, "%" PRId64, expected_n);
    natsStatus s = natsMsg_Create(out, subject, NULL, (const char *)body.data, (int)body.len);
    s = s ? s : natsMsgHeader_Set(*out, "Nats-Expected-Last-Sequence", expected);
    return s ? s : natsMsgHeader_Set(*out, "Content-Type", CLOUDEVENTS_TYPE);
}

enum nova_status stream_publish(struct stream *stream, const struct event *event,
                                int64_t expected_n, const struct cloudevents_extra *extra,
                                struct arena *arena, struct error *err)
{
    struct bytes body;
    char subject[TOPOLOGY_SUBJECT_BYTES];
    enum nova_status status = cloudevents_encode(&body, arena, stream->service, event, extra, err);
    if (status == NOVA_OK)
        status = topology_event_subject(subject, stream->service, event->type, &event->aggregate_id,
                                        err);
    if (status != NOVA_OK)
        return status;
    if (!stream_reserve(stream, (int64_t)body.len))
        return error_set_transient(err, NOVA_ABORTED, "a publish to %s failed", stream->name);
    natsMsg *msg = NULL;
    jsPubOptions options;
    jsPubOptions_Init(&options);
    options.MaxWait = ANSWER_MS; // else a refused publish is never answered
    natsStatus s = stream_message(&msg, subject, expected_n, body);
    if (s == NATS_OK)
        s = js_PublishMsgAsync(stream->js, &msg, &options);
    natsMsg_Destroy(msg); // NULL once the library took it
    if (s == NATS_OK)
        return NOVA_OK;
    stream_release(stream, (int64_t)body.len);
    bus_error(err, s, "publishing");
    return error_set_transient(err, NOVA_ABORTED, "publishing to %s: %s", stream->name,
                               natsStatus_GetText(s));
}

bool stream_is_good(struct stream *stream, int64_t *acknowledged_n)
{
    pthread_mutex_lock(&stream->lock);
    bool good = !stream->failed;
    *acknowledged_n = stream->acknowledged;
    pthread_mutex_unlock(&stream->lock);
    return good;
}

// ---- looking ------------------------------------------------------------------------------------

static enum nova_status stream_add(struct stream *stream, struct error *err)
{
    jsStreamConfig config;
    jsErrCode code = 0;
    topology_stream_config(&config, stream->service);
    natsStatus s = js_AddStream(NULL, stream->admin, &config, NULL, &code);
    return s == NATS_OK ? NOVA_OK
                        : error_set_transient(err, NOVA_UNAVAILABLE, "making %s: %s (%d)",
                                              stream->name, natsStatus_GetText(s), (int)code);
}

static enum nova_status stream_info(jsStreamInfo **info, struct stream *stream, struct error *err)
{
    jsErrCode code = 0;
    natsStatus s = js_GetStreamInfo(info, stream->admin, stream->name, NULL, &code);
    if (s == NATS_NOT_FOUND) {
        enum nova_status status = stream_add(stream, err);
        if (status != NOVA_OK)
            return status;
        s = js_GetStreamInfo(info, stream->admin, stream->name, NULL, &code);
    }
    return s == NATS_OK ? NOVA_OK
                        : error_set_transient(err, NOVA_UNAVAILABLE, "asking for %s: %s",
                                              stream->name, natsStatus_GetText(s));
}

static bool stream_config_is_ours(const jsStreamConfig *config)
{
    return config->MaxMsgs <= 0 && config->MaxAge == 0 && config->MaxBytes <= 0 &&
           config->MaxMsgsPerSubject <= 0 && config->Discard == js_DiscardNew &&
           config->Retention == js_LimitsPolicy && !config->Sealed;
}

static void stream_seen_of(struct relay_stream_seen *out, const jsStreamInfo *info)
{
    const jsStreamState *state = &info->State;
    *out = (struct relay_stream_seen){.first_n = (int64_t)state->FirstSeq,
                                      .last_n = (int64_t)state->LastSeq,
                                      .messages = (int64_t)state->Msgs,
                                      .deleted = state->NumDeleted,
                                      .config_is_ours = stream_config_is_ours(info->Config)};
}

enum nova_status stream_inspect(struct relay_stream_seen *out, struct stream *stream,
                                struct error *err)
{
    jsStreamInfo *info = NULL;
    stream_flush(stream);
    enum nova_status status = stream_info(&info, stream, err);
    if (status != NOVA_OK)
        return status;
    stream_seen_of(out, info);
    jsStreamInfo_Destroy(info);
    pthread_mutex_lock(&stream->lock);
    stream->failed = false;
    stream->acknowledged = out->last_n;
    pthread_mutex_unlock(&stream->lock);
    return status;
}

enum nova_status stream_account(struct relay_stream_seen *out, struct stream *stream,
                                struct error *err)
{
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;
    *out = (struct relay_stream_seen){.config_is_ours = true};
    natsStatus s = js_GetStreamInfo(&info, stream->admin, stream->name, NULL, &code);
    if (s == NATS_NOT_FOUND)
        return NOVA_OK;
    if (s != NATS_OK)
        return error_set_transient(err, NOVA_UNAVAILABLE, "asking for %s: %s", stream->name,
                                   natsStatus_GetText(s));
    stream_seen_of(out, info);
    jsStreamInfo_Destroy(info);
    return NOVA_OK;
}

enum nova_status stream_read(struct stream_message *out, const char **damage, struct stream *stream,
                             int64_t n, struct arena *arena, struct error *err)
{
    natsMsg *msg = NULL;
    jsErrCode code = 0;
    *damage = NULL;
    natsStatus s = js_GetMsg(&msg, stream->admin, stream->name, (uint64_t)n, NULL, &code);
    if (s == NATS_NOT_FOUND) {
        *damage = "a message cannot be read";
        return NOVA_OK;
    }
    if (s != NATS_OK)
        return error_set_transient(err, NOVA_UNAVAILABLE, "reading message %" PRId64 " of %s: %s",
                                   n, stream->name, natsStatus_GetText(s));
    size_t len = (size_t)natsMsg_GetDataLength(msg);
    out->body = (struct bytes){arena_memdup(arena, natsMsg_GetData(msg), len), len};
    if (cloudevents_decode(&out->event, &out->extra, arena, stream->service, out->body, NULL) !=
        NOVA_OK)
        *damage = "a message is not ours";
    natsMsg_Destroy(msg);
    return NOVA_OK;
}

// A message that did not come: missing for the server too, or only late? Nothing is deleted because
// a server or the network is slow.
static enum nova_status stream_walk_missing(const char **damage, struct stream *stream, int64_t n,
                                            struct arena *arena, struct error *err)
{
    struct stream_message message;
    enum nova_status status = stream_read(&message, damage, stream, n, arena, err);
    if (status != NOVA_OK || *damage != NULL)
        return status;
    return error_set_transient(err, NOVA_UNAVAILABLE, "reading %s through: no message %" PRId64,
                               stream->name, n);
}

static enum nova_status stream_walk_next(struct stream_message *out, const char **damage,
                                         struct stream *stream, natsMsg *msg, int64_t n,
                                         int64_t position, struct arena *arena, struct error *err)
{
    if (msg == NULL)
        return stream_walk_missing(damage, stream, n, arena, err);
    out->body =
        (struct bytes){(const uint8_t *)natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)};
    if (cloudevents_decode(&out->event, &out->extra, arena, stream->service, out->body, NULL) !=
        NOVA_OK)
        *damage = "a message is not ours";
    else
        *damage = relay_message_wrong(n, out->event.n, position, out->event.position);
    return NOVA_OK;
}

static enum nova_status stream_read_from(natsSubscription **out, struct stream *stream, int64_t n,
                                         struct error *err)
{
    char subject[TOPOLOGY_SUBJECT_BYTES];
    jsErrCode code = 0;
    jsSubOptions options;
    jsSubOptions_Init(&options);
    options.Stream = stream->name;
    options.Ordered = true;
    options.Config.DeliverPolicy = js_DeliverByStartSequence;
    options.Config.OptStartSeq = (uint64_t)n;
    snprintf(subject, sizeof subject, "nova.evt.%s.>", stream->service);
    natsStatus s = js_SubscribeSync(out, stream->admin, subject, NULL, &options, &code);
    if (s != NATS_OK)
        return error_set_transient(err, NOVA_UNAVAILABLE, "reading %s through: %s", stream->name,
                                   natsStatus_GetText(s));
    return NOVA_OK;
}

enum nova_status stream_walk(const char **damage, struct stream *stream, int64_t first_n,
                             int64_t last_n,
                             void (*visit)(void *context, const struct stream_message *message),
                             void *context, struct error *err)
{
    *damage = NULL;
    if (last_n < first_n)
        return NOVA_OK;
    natsSubscription *subscription = NULL;
    enum nova_status status = stream_read_from(&subscription, stream, first_n, err);
    if (status != NOVA_OK)
        return status;
    struct arena *arena = arena_create();
    int64_t position = 0;
    for (int64_t n = first_n; n <= last_n && *damage == NULL && status == NOVA_OK; n++) {
        natsMsg *msg = NULL;
        struct stream_message message;
        if (natsSubscription_NextMsg(&msg, subscription, NEXT_MS) != NATS_OK)
            msg = NULL;
        status = stream_walk_next(&message, damage, stream, msg, n, position, arena, err);
        if (status == NOVA_OK && *damage == NULL) {
            position = message.event.position;
            visit(context, &message);
        }
        natsMsg_Destroy(msg);
        arena_reset(arena);
    }
    arena_destroy(&arena);
    bus_unsubscribe(stream->connection, &subscription);
    return status;
}

enum nova_status stream_make_again(struct stream *stream, struct error *err)
{
    jsErrCode code = 0;
    stream_flush(stream);
    natsStatus s = js_DeleteStream(stream->admin, stream->name, NULL, &code);
    if (s != NATS_OK && s != NATS_NOT_FOUND)
        return error_set_transient(err, NOVA_UNAVAILABLE, "deleting %s: %s", stream->name,
                                   natsStatus_GetText(s));
    return stream_add(stream, err);
}
