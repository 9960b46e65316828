// stream.c - see stream.h.
#include "outbox-relay/stream.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/topology.h"

enum { WINDOW = 2048, ANSWER_MS = 5000, NEXT_MS = 2000, ALIVE_EVERY = 5000 };

struct stream {
    char service[32];
    const char *name;
    struct bus_connection *connection;
    jsCtx *js;    // publishes; answers go to stream_on_answer
    jsCtx *admin; // asks
    pthread_mutex_t lock;
    pthread_cond_t answered;
    int64_t in_flight, acknowledged;
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
    if (failure != NULL || ack == NULL)
        stream->failed = true;
    else if (!stream->failed)
        stream->acknowledged = (int64_t)ack->Sequence;
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
    options.PublishAsync.MaxPending = WINDOW + 1;
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

// Waits until every publish was answered. MaxWait bounds it.
static void stream_settle(struct stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    while (stream->in_flight > 0)
        pthread_cond_wait(&stream->answered, &stream->lock);
    pthread_mutex_unlock(&stream->lock);
}

void stream_destroy(struct stream **stream)
{
    if (stream == NULL || *stream == NULL)
        return;
    stream_settle(*stream);
    jsCtx_Destroy((*stream)->js);
    jsCtx_Destroy((*stream)->admin);
    pthread_cond_destroy(&(*stream)->answered);
    pthread_mutex_destroy(&(*stream)->lock);
    free(*stream);
    *stream = NULL;
}

// ---- publishing ---------------------------------------------------------------------------------

// Room in the window; false: a publish failed.
static bool stream_reserve(struct stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    while (stream->in_flight >= WINDOW && !stream->failed)
        pthread_cond_wait(&stream->answered, &stream->lock);
    bool good = !stream->failed;
    stream->in_flight += good;
    pthread_mutex_unlock(&stream->lock);
    return good;
}

static void stream_release(struct stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    stream->in_flight--;
    stream->failed = true;
    pthread_mutex_unlock(&stream->lock);
}

static natsStatus stream_message(natsMsg **out, struct stream *stream, const struct event *event,
                                 struct bytes body)
{
    char subject[TOPOLOGY_SUBJECT_BYTES], expected[24];
    topology_event_subject(subject, stream->service, event->type, &event->aggregate_id);
    // By hand: nats.c leaves the header out for 0, and the first publish would not be fenced.
    snprintf(expected, sizeof expected, "%" PRId64, event->n - 1);
    natsStatus s = natsMsg_Create(out, subject, NULL, (const char *)body.data, (int)body.len);
    s = s ? s : natsMsgHeader_Set(*out, "Nats-Expected-Last-Sequence", expected);
    return s ? s : natsMsgHeader_Set(*out, "Content-Type", CLOUDEVENTS_TYPE);
}

enum nova_status stream_publish(struct stream *stream, const struct event *event,
                                const struct cloudevents_extra *extra, struct arena *arena,
                                struct error *err)
{
    struct bytes body = cloudevents_encode(arena, stream->service, event, extra);
    if (!stream_reserve(stream))
        return error_set_transient(err, NOVA_ABORTED, "a publish to %s failed", stream->name);
    natsMsg *msg = NULL;
    jsPubOptions options;
    jsPubOptions_Init(&options);
    options.MaxWait = ANSWER_MS; // else a refused publish is never answered
    natsStatus s = stream_message(&msg, stream, event, body);
    if (s == NATS_OK)
        s = js_PublishMsgAsync(stream->js, &msg, &options);
    natsMsg_Destroy(msg); // NULL once the library took it
    if (s == NATS_OK)
        return NOVA_OK;
    stream_release(stream);
    bus_error(err, s, "publishing");
    return error_set_transient(err, NOVA_ABORTED, "publishing to %s: %s", stream->name,
                               natsStatus_GetText(s));
}

bool stream_is_good(struct stream *stream, int64_t *acknowledged)
{
    pthread_mutex_lock(&stream->lock);
    bool good = !stream->failed;
    *acknowledged = stream->acknowledged;
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

static const char *stream_wrong(const jsStreamInfo *info)
{
    const jsStreamState *state = &info->State;
    const jsStreamConfig *config = info->Config;
    if (state->LastSeq > 0 && state->FirstSeq != 1)
        return "its first message is not number 1";
    if (state->Msgs != state->LastSeq || state->NumDeleted != 0)
        return "it has holes";
    if (config->MaxMsgs > 0 || config->MaxAge != 0 || config->MaxBytes > 0 ||
        config->MaxMsgsPerSubject > 0 || config->Discard != js_DiscardNew ||
        config->Retention != js_LimitsPolicy || config->Sealed)
        return "its configuration was changed";
    return NULL;
}

// The last message; NULL in *why: it is a good one.
static enum nova_status stream_last(struct stream_end *end, const char **why, struct stream *stream,
                                    uint64_t last, struct error *err)
{
    char subject[TOPOLOGY_SUBJECT_BYTES];
    natsMsg *msg = NULL;
    jsErrCode code = 0;
    snprintf(subject, sizeof subject, "nova.evt.%s.>", stream->service);
    natsStatus s = js_GetLastMsg(&msg, stream->admin, stream->name, subject, NULL, &code);
    if (s == NATS_NOT_FOUND) {
        *why = "its last message is not there";
        return NOVA_OK;
    }
    if (s != NATS_OK)
        return error_set_transient(err, NOVA_UNAVAILABLE, "reading the end of %s: %s", stream->name,
                                   natsStatus_GetText(s));
    struct arena *arena = arena_create();
    struct event event;
    struct bytes body = {(const uint8_t *)natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)};
    if (natsMsg_GetSequence(msg) != last)
        *why = "its last message is not its last number";
    else if (cloudevents_decode(&event, NULL, arena, stream->service, body, NULL) != NOVA_OK)
        *why = "its last message is not ours";
    else if (event.n != (int64_t)last)
        *why = "its last message carries another number";
    else
        *end = (struct stream_end){event.n, event.position, event.event_id, event.log_id};
    arena_destroy(&arena);
    natsMsg_Destroy(msg);
    return NOVA_OK;
}

enum nova_status stream_inspect(enum stream_condition *condition, const char **why,
                                struct stream_end *end, struct stream *stream, struct error *err)
{
    jsStreamInfo *info = NULL;
    stream_settle(stream);
    *end = (struct stream_end){0};
    enum nova_status status = stream_info(&info, stream, err);
    if (status != NOVA_OK)
        return status;
    *why = stream_wrong(info);
    if (*why == NULL && info->State.LastSeq > 0)
        status = stream_last(end, why, stream, info->State.LastSeq, err);
    jsStreamInfo_Destroy(info);
    *condition = *why == NULL ? STREAM_WHOLE : STREAM_DAMAGED;
    pthread_mutex_lock(&stream->lock);
    stream->failed = false;
    stream->acknowledged = end->n;
    pthread_mutex_unlock(&stream->lock);
    return status;
}

// A message that did not come: missing for the server too, or only late? Nothing is deleted because
// a server or the network is slow.
static enum nova_status stream_verify_missing(const char **why, struct stream *stream, int64_t n,
                                              struct error *err)
{
    natsMsg *msg = NULL;
    jsErrCode code = 0;
    natsStatus s = js_GetMsg(&msg, stream->admin, stream->name, (uint64_t)n, NULL, &code);
    natsMsg_Destroy(msg);
    if (s == NATS_NOT_FOUND) {
        *why = "a message cannot be read";
        return NOVA_OK;
    }
    return error_set_transient(err, NOVA_UNAVAILABLE, "reading %s through: no message %" PRId64,
                               stream->name, n);
}

static enum nova_status stream_verify_next(const char **why, natsSubscription *subscription,
                                           struct stream *stream, int64_t n, int64_t *position,
                                           struct arena *arena, struct error *err)
{
    natsMsg *msg = NULL;
    struct event event;
    if (natsSubscription_NextMsg(&msg, subscription, NEXT_MS) != NATS_OK)
        return stream_verify_missing(why, stream, n, err);
    struct bytes body = {(const uint8_t *)natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)};
    if (cloudevents_decode(&event, NULL, arena, stream->service, body, NULL) != NOVA_OK)
        *why = "a message is not ours";
    else if (event.n != n || event.position <= *position)
        *why = "its messages are not in order";
    else
        *position = event.position;
    natsMsg_Destroy(msg);
    return NOVA_OK;
}

enum nova_status stream_verify(enum stream_condition *condition, const char **why,
                               struct stream *stream, int64_t first_n, int64_t last_n,
                               void (*alive)(void *context), void *context, struct error *err)
{
    *why = NULL;
    *condition = STREAM_WHOLE;
    if (last_n < first_n)
        return NOVA_OK;
    char subject[TOPOLOGY_SUBJECT_BYTES];
    natsSubscription *subscription = NULL;
    jsErrCode code = 0;
    jsSubOptions options;
    jsSubOptions_Init(&options);
    options.Stream = stream->name;
    options.Ordered = true;
    options.Config.DeliverPolicy = js_DeliverByStartSequence;
    options.Config.OptStartSeq = (uint64_t)first_n;
    snprintf(subject, sizeof subject, "nova.evt.%s.>", stream->service);
    natsStatus s = js_SubscribeSync(&subscription, stream->admin, subject, NULL, &options, &code);
    if (s != NATS_OK)
        return error_set_transient(err, NOVA_UNAVAILABLE, "reading %s through: %s", stream->name,
                                   natsStatus_GetText(s));
    struct arena *arena = arena_create();
    int64_t position = 0;
    enum nova_status status = NOVA_OK;
    for (int64_t n = first_n; n <= last_n && *why == NULL && status == NOVA_OK; n++) {
        status = stream_verify_next(why, subscription, stream, n, &position, arena, err);
        arena_reset(arena);
        if (n % ALIVE_EVERY == 0)
            alive(context);
    }
    arena_destroy(&arena);
    bus_unsubscribe(stream->connection, &subscription);
    *condition = *why == NULL ? STREAM_WHOLE : STREAM_DAMAGED;
    return status;
}

enum nova_status stream_make_again(struct stream *stream, struct error *err)
{
    jsErrCode code = 0;
    stream_settle(stream);
    natsStatus s = js_DeleteStream(stream->admin, stream->name, NULL, &code);
    if (s != NATS_OK && s != NATS_NOT_FOUND)
        return error_set_transient(err, NOVA_UNAVAILABLE, "deleting %s: %s", stream->name,
                                   natsStatus_GetText(s));
    return stream_add(stream, err);
}
