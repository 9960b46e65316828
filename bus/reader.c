// reader.c - see reader.h.
#include "bus/reader.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bus/cloudevents.h"
#include "bus/topology.h"

enum { ACK_PENDING_MAX = 4 * READER_BATCH_MAX, REQUEST_MS = 5000 };

struct reader {
    struct bus_connection *connection;
    jsCtx *js;
    char source[32], stream[64], durable[96];
    natsSubscription *subscription;
    natsMsgList list;
    struct arena *arena;
    struct reader_message *messages;
    int64_t last_n; // the last message given out; the next must be the one after it
    uint64_t reconnects;
};

enum nova_status reader_create(struct reader **out, struct bus_connection *connection,
                               const char *source, const char *durable, struct error *err)
{
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return error_set(err, NOVA_RESOURCE_EXHAUSTED, "no memory");
    reader->connection = connection;
    reader->arena = arena_create();
    reader->messages = calloc(READER_BATCH_MAX, sizeof *reader->messages);
    snprintf(reader->source, sizeof reader->source, "%s", source);
    snprintf(reader->stream, sizeof reader->stream, "%s", topology_stream_of(source));
    snprintf(reader->durable, sizeof reader->durable, "%s", durable);
    enum nova_status status = bus_jetstream(&reader->js, connection, err);
    if (status != NOVA_OK)
        reader_destroy(&reader);
    *out = reader;
    return status;
}

static void reader_drop_batch(struct reader *reader)
{
    natsMsgList_Destroy(&reader->list);
    reader->list = (natsMsgList){0};
    arena_reset(reader->arena);
}

static void reader_unsubscribe(struct reader *reader)
{
    bus_unsubscribe(reader->connection, &reader->subscription);
}

void reader_destroy(struct reader **reader)
{
    if (reader == NULL || *reader == NULL)
        return;
    reader_drop_batch(*reader);
    reader_unsubscribe(*reader);
    jsCtx_Destroy((*reader)->js);
    arena_destroy(&(*reader)->arena);
    free((*reader)->messages);
    free(*reader);
    *reader = NULL;
}

// ---- standing at the right place ----------------------------------------------------------------

static enum nova_status reader_stream_last(uint64_t *last, struct reader *reader, struct error *err)
{
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;
    natsStatus s = js_GetStreamInfo(&info, reader->js, reader->stream, NULL, &code);
    if (s != NATS_OK)
        return error_set_transient(err, NOVA_UNAVAILABLE, "stream %s cannot be read: %s",
                                   reader->stream, natsStatus_GetText(s));
    *last = info->State.LastSeq;
    jsStreamInfo_Destroy(info);
    return NOVA_OK;
}

static enum nova_status reader_make(struct reader *reader, int64_t from_n, struct error *err)
{
    jsErrCode code = 0;
    natsStatus s = js_DeleteConsumer(reader->js, reader->stream, reader->durable, NULL, &code);
    if (s != NATS_OK && s != NATS_NOT_FOUND)
        return bus_error(err, s, "removing a durable");
    jsConsumerConfig config;
    jsConsumerConfig_Init(&config);
    config.Durable = reader->durable;
    config.AckPolicy = js_AckAll;
    config.MaxAckPending = ACK_PENDING_MAX;
    config.AckWait = (int64_t)60 * 1000000000; // a batch that is worked on is not sent again
    config.DeliverPolicy = from_n <= 1 ? js_DeliverAll : js_DeliverByStartSequence;
    config.OptStartSeq = from_n <= 1 ? 0 : (uint64_t)from_n;
    jsConsumerInfo *info = NULL;
    s = js_AddConsumer(&info, reader->js, reader->stream, &config, NULL, &code);
    jsConsumerInfo_Destroy(info);
    return s == NATS_OK ? NOVA_OK : bus_error(err, s, "making a durable");
}

// True when the durable would deliver from_n next.
static bool reader_stands(struct reader *reader, int64_t from_n)
{
    jsConsumerInfo *info = NULL;
    jsErrCode code = 0;
    if (js_GetConsumerInfo(&info, reader->js, reader->stream, reader->durable, NULL, &code) !=
        NATS_OK)
        return false;
    bool stands = (int64_t)info->AckFloor.Stream + 1 == from_n &&
                  info->Delivered.Stream == info->AckFloor.Stream;
    jsConsumerInfo_Destroy(info);
    return stands;
}

enum nova_status reader_seek(struct reader *reader, int64_t from_n, struct error *err)
{
    uint64_t last = 0;
    reader_drop_batch(reader);
    reader_unsubscribe(reader);
    enum nova_status status = reader_stream_last(&last, reader, err);
    if (status == NOVA_OK && from_n > (int64_t)last + 1)
        // The stream lost its tail and is about to be filled again: wait for it.
        return error_set_transient(err, NOVA_UNAVAILABLE,
                                   "%s ends at %" PRIu64 ", before our checkpoint: its relay is "
                                   "filling it again",
                                   reader->stream, last);
    if (status == NOVA_OK && !reader_stands(reader, from_n))
        status = reader_make(reader, from_n, err);
    if (status != NOVA_OK)
        return status;
    jsSubOptions options;
    jsSubOptions_Init(&options);
    options.Stream = reader->stream;
    options.Consumer = reader->durable;
    jsErrCode code = 0;
    natsStatus s =
        js_PullSubscribe(&reader->subscription, reader->js, NULL, NULL, NULL, &options, &code);
    // A batch is bounded by its count; its bytes must not be dropped as a slow consumer's.
    s = s == NATS_OK ? natsSubscription_SetPendingLimits(reader->subscription, -1, -1) : s;
    reader->last_n = from_n - 1;
    reader->reconnects = bus_connection_reconnects(reader->connection);
    return s == NATS_OK ? NOVA_OK : bus_error(err, s, "subscribing to a durable");
}

// ---- reading ------------------------------------------------------------------------------------

static enum nova_status reader_decode(struct reader *reader, int i, struct error *err)
{
    natsMsg *msg = reader->list.Msgs[i];
    struct reader_message *out = &reader->messages[i];
    jsMsgMetaData *meta = NULL;
    natsStatus s = natsMsg_GetMetaData(&meta, msg);
    if (s != NATS_OK)
        return bus_error(err, s, "reading a message's place");
    int64_t n = (int64_t)meta->Sequence.Stream;
    jsMsgMetaData_Destroy(meta);
    if (n != reader->last_n + 1)
        return error_set_transient(err, NOVA_ABORTED, "%s: message %" PRId64 " came after %" PRId64,
                                   reader->stream, n, reader->last_n);
    out->message =
        (struct bytes){(const uint8_t *)natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)};
    enum nova_status status =
        cloudevents_decode(&out->event, NULL, reader->arena, reader->source, out->message, err);
    if (status == NOVA_OK && out->event.n != n)
        status = error_set(err, NOVA_DATA_LOSS, "%s: message %" PRId64 " says it is %" PRId64,
                           reader->stream, n, out->event.n);
    if (status == NOVA_OK)
        reader->last_n = n;
    return status;
}

enum nova_status reader_next(struct reader_batch *out, struct reader *reader, size_t max,
                             int64_t wait_ms, struct error *err)
{
    assert(max > 0 && max <= READER_BATCH_MAX && reader->subscription != NULL);
    *out = (struct reader_batch){reader->messages, 0};
    reader_drop_batch(reader);
    if (reader->reconnects != bus_connection_reconnects(reader->connection))
        return error_set_transient(err, NOVA_ABORTED, "the connection was lost in between");
    jsErrCode code = 0;
    natsStatus s =
        natsSubscription_Fetch(&reader->list, reader->subscription, (int)max, wait_ms, &code);
    if (s == NATS_TIMEOUT)
        return NOVA_OK; // nothing new
    if (s != NATS_OK)
        return bus_error(err, s, "fetching from a stream");
    enum nova_status status = NOVA_OK;
    for (int i = 0; i < reader->list.Count && status == NOVA_OK; i++) {
        status = reader_decode(reader, i, err);
        out->count += status == NOVA_OK;
    }
    return status;
}

enum nova_status reader_ack(struct reader *reader, struct error *err)
{
    if (reader->list.Count == 0)
        return NOVA_OK;
    natsStatus s = natsMsg_Ack(reader->list.Msgs[reader->list.Count - 1], NULL);
    return s == NATS_OK ? NOVA_OK : bus_error(err, s, "acknowledging a batch");
}

enum nova_status reader_look(struct reader_look *out, struct reader *reader, struct error *err)
{
    uint64_t last = 0;
    jsConsumerInfo *info = NULL;
    jsErrCode code = 0;
    enum nova_status status = reader_stream_last(&last, reader, err);
    if (status != NOVA_OK)
        return status;
    natsStatus s =
        js_GetConsumerInfo(&info, reader->js, reader->stream, reader->durable, NULL, &code);
    if (s != NATS_OK)
        return error_set_transient(err, NOVA_ABORTED, "the durable %s is gone", reader->durable);
    *out = (struct reader_look){(int64_t)info->Delivered.Stream, (int64_t)info->NumPending};
    bool ahead = info->Delivered.Stream > last || reader->last_n > (int64_t)last;
    jsConsumerInfo_Destroy(info);
    return ahead ? error_set_transient(err, NOVA_ABORTED, "the durable %s is ahead of its stream",
                                       reader->durable)
                 : NOVA_OK;
}
