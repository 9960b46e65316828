// reader.c - see reader.h.
#include "bus/reader.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/cloudevents.h"
#include "bus/delivery.h"
#include "bus/topology.h"

// GUARD_MS: how long the end of a request may be overdue before the server counts as gone.
enum { GUARD_MS = 5000, SUBJECT_BYTES = 256 };

#define ACK_WAIT_NS (INT64_C(60) * 1000000000) // a batch that is worked on is not sent again

// A batch that was given out.
struct held {
    natsMsg **received; // READER_BATCH_MAX at most
    int received_count;
    struct arena *arena;
    struct reader_message *messages;
};

struct reader {
    struct bus_connection *connection;
    jsCtx *js;
    char source[32], stream[64], durable[96];
    natsSubscription *subscription; // to `inbox`, where what was asked for arrives
    char inbox[SUBJECT_BYTES];
    struct held helds[2];
    struct held *held; // the newest
    size_t asked;      // messages of a request that was sent ahead; 0: none
    int64_t last_n;    // the last message given out; the next must be the one after it
    uint64_t reconnects;
    bool refused; // the durable does not serve us, or not at all: make it again, whatever it says
};

static void held_create(struct held *held)
{
    held->arena = arena_create();
    held->messages = calloc(READER_BATCH_MAX, sizeof *held->messages);
    held->received = calloc(READER_BATCH_MAX, sizeof(natsMsg *));
    if (held->messages == NULL || held->received == NULL)
        abort();
}

static void held_drop(struct held *held)
{
    for (int i = 0; i < held->received_count; i++)
        natsMsg_Destroy(held->received[i]);
    held->received_count = 0;
    arena_reset(held->arena);
}

static void held_destroy(struct held *held)
{
    held_drop(held);
    arena_destroy(&held->arena);
    free(held->messages);
    free(held->received);
}

enum nova_status reader_create(struct reader **out, struct bus_connection *connection,
                               const char *source, const char *durable, struct error *err)
{
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return error_set(err, NOVA_RESOURCE_EXHAUSTED, "no memory");
    reader->connection = connection;
    reader->held = &reader->helds[0];
    for (size_t i = 0; i < 2; i++)
        held_create(&reader->helds[i]);
    snprintf(reader->source, sizeof reader->source, "%s", source);
    snprintf(reader->stream, sizeof reader->stream, "%s", topology_stream_of(source));
    snprintf(reader->durable, sizeof reader->durable, "%s", durable);
    enum nova_status status = bus_jetstream(&reader->js, connection, err);
    if (status != NOVA_OK)
        reader_destroy(&reader);
    *out = reader;
    return status;
}

static void reader_unsubscribe(struct reader *reader)
{
    bus_unsubscribe(reader->connection, &reader->subscription);
}

void reader_destroy(struct reader **reader)
{
    if (reader == NULL || *reader == NULL)
        return;
    reader_unsubscribe(*reader);
    jsCtx_Destroy((*reader)->js);
    for (size_t i = 0; i < 2; i++)
        held_destroy(&(*reader)->helds[i]);
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

static enum nova_status reader_remove(struct reader *reader, struct error *err)
{
    jsErrCode code = 0;
    natsStatus s = js_DeleteConsumer(reader->js, reader->stream, reader->durable, NULL, &code);
    return s == NATS_OK || s == NATS_NOT_FOUND ? NOVA_OK : bus_error(err, s, "removing a durable");
}

static enum nova_status reader_make(struct reader *reader, int64_t from_n, struct error *err)
{
    jsErrCode code = 0;
    enum nova_status status = reader_remove(reader, err);
    if (status != NOVA_OK)
        return status;
    jsConsumerConfig config;
    jsConsumerConfig_Init(&config);
    config.Durable = reader->durable;
    config.AckPolicy = js_AckAll;
    config.MaxAckPending = READER_ACK_PENDING_MAX;
    config.AckWait = ACK_WAIT_NS;
    config.DeliverPolicy = from_n <= 1 ? js_DeliverAll : js_DeliverByStartSequence;
    config.OptStartSeq = from_n <= 1 ? 0 : (uint64_t)from_n;
    jsConsumerInfo *info = NULL;
    natsStatus s = js_AddConsumer(&info, reader->js, reader->stream, &config, NULL, &code);
    jsConsumerInfo_Destroy(info);
    return s == NATS_OK ? NOVA_OK : bus_error(err, s, "making a durable");
}

static bool is_empty(const char *text)
{
    return text == NULL || *text == '\0';
}

// Whoever may administer consumers can change a durable: to one that pushes, leaves messages out,
// or gives up on them. What reader_make asks for is what must be there.
static bool reader_config_is_ours(const jsConsumerConfig *config)
{
    return is_empty(config->DeliverSubject) && is_empty(config->FilterSubject) &&
           is_empty(config->SampleFrequency) && config->AckPolicy == js_AckAll &&
           config->MaxAckPending == READER_ACK_PENDING_MAX && config->AckWait == ACK_WAIT_NS &&
           config->MaxDeliver <= 0 && config->MaxRequestBatch <= 0 &&
           config->MaxRequestExpires <= 0 && config->RateLimit == 0 && !config->HeadersOnly;
}

// True when the durable is as we make it and would deliver from_n next.
static bool reader_stands(struct reader *reader, int64_t from_n)
{
    jsConsumerInfo *info = NULL;
    jsErrCode code = 0;
    if (js_GetConsumerInfo(&info, reader->js, reader->stream, reader->durable, NULL, &code) !=
        NATS_OK)
        return false;
    bool stands = reader_config_is_ours(info->Config) &&
                  (int64_t)info->AckFloor.Stream + 1 == from_n &&
                  info->Delivered.Stream == info->AckFloor.Stream;
    jsConsumerInfo_Destroy(info);
    return stands;
}

enum nova_status reader_seek(struct reader *reader, int64_t last_n, struct error *err)
{
    uint64_t last = 0;
    int64_t from_n = last_n > 0 ? last_n : 1;
    for (size_t i = 0; i < 2; i++)
        held_drop(&reader->helds[i]);
    reader->asked = 0; // its answers go to an inbox that nobody reads any more
    reader_unsubscribe(reader);
    enum nova_status status = reader_stream_last(&last, reader, err);
    if (status == NOVA_OK && last_n > (int64_t)last)
        // The stream lost its tail and is about to be filled again: wait for it.
        return error_set_transient(err, NOVA_UNAVAILABLE,
                                   "%s ends at %" PRIu64 ", before our checkpoint: its relay is "
                                   "filling it again",
                                   reader->stream, last);
    if (status == NOVA_OK && (reader->refused || !reader_stands(reader, from_n)))
        status = reader_make(reader, from_n, err);
    if (status != NOVA_OK)
        return status;
    reader->refused = false;
    snprintf(reader->inbox, sizeof reader->inbox, "_INBOX.%s.pull-%08x%08x",
             bus_connection_user(reader->connection), randombytes_random(), randombytes_random());
    natsStatus s = natsConnection_SubscribeSync(
        &reader->subscription, bus_connection_nats(reader->connection), reader->inbox);
    // A batch is bounded by what was asked for, and must not be dropped as a slow consumer's.
    s = s == NATS_OK ? natsSubscription_SetPendingLimits(reader->subscription, -1, -1) : s;
    reader->last_n = from_n - 1;
    reader->reconnects = bus_connection_reconnects(reader->connection);
    return s == NATS_OK ? NOVA_OK : bus_error(err, s, "subscribing to an inbox");
}

// ---- asking -------------------------------------------------------------------------------------
//
// By hand, because natsSubscription_Fetch (nats.c 3.4.1) writes behind its list when messages of an
// earlier request are still waiting: it takes them off the batch that it compares its count with.
// Here a request always ends before the next one, by its last message or by a status.

// At most `count` messages: those there are now, or within wait_ms the first one.
static enum nova_status reader_ask(struct reader *reader, size_t count, int64_t wait_ms,
                                   struct error *err)
{
    char subject[SUBJECT_BYTES], body[96];
    snprintf(subject, sizeof subject, "%s.CONSUMER.MSG.NEXT.%s.%s",
             bus_api_prefix(reader->connection), reader->stream, reader->durable);
    if (wait_ms > 0)
        snprintf(body, sizeof body, "{\"batch\":%zu,\"expires\":%" PRId64 "}", count,
                 wait_ms * 1000000);
    else
        snprintf(body, sizeof body, "{\"batch\":%zu,\"max_bytes\":%d,\"no_wait\":true}", count,
                 READER_BATCH_BYTES_MAX);
    natsStatus s = natsConnection_PublishRequestString(bus_connection_nats(reader->connection),
                                                       subject, reader->inbox, body);
    return s == NATS_OK ? NOVA_OK : bus_error(err, s, "asking for messages");
}

// The end of a request: 404 and 408 say that there is nothing (more), 409 with these words that the
// next message does not fit into its bytes; anything else is trouble.
static enum nova_status reader_end_of_request(struct reader *reader, natsMsg *msg, const char *code,
                                              struct error *err)
{
    const char *text = NULL;
    if (strcmp(code, "404") == 0 || strcmp(code, "408") == 0)
        return NOVA_OK;
    natsMsgHeader_Get(msg, "Description", &text);
    if (strcmp(code, "409") == 0 && text != NULL && strstr(text, "Exceeds MaxBytes") != NULL)
        return NOVA_OK;
    reader->refused =
        strcmp(code, "409") == 0; // it pushes, was deleted, or allows less than we ask
    return error_set_transient(err, NOVA_UNAVAILABLE, "%s: the durable %s answers %s %s",
                               reader->stream, reader->durable, code, text == NULL ? "" : text);
}

// Takes what comes until the request ends: `count` messages, or a status.
static enum nova_status reader_collect(struct reader *reader, size_t count, int64_t wait_ms,
                                       struct error *err)
{
    size_t taken = 0;
    while (taken < count) {
        natsMsg *msg = NULL;
        const char *code = NULL;
        natsStatus s = natsSubscription_NextMsg(&msg, reader->subscription, wait_ms + GUARD_MS);
        if (s != NATS_OK) {
            // A durable that counts messages which are gone keeps such a request for ever
            // (nats-server 2.9.10): one made anew counts what is there.
            reader->refused = s == NATS_TIMEOUT;
            return bus_error(err, s, "fetching from a stream");
        }
        if (natsMsg_GetDataLength(msg) == 0 && natsMsgHeader_Get(msg, "Status", &code) == NATS_OK) {
            enum nova_status status = reader_end_of_request(reader, msg, code, err);
            natsMsg_Destroy(msg);
            return status;
        }
        reader->held->received[reader->held->received_count++] = msg;
        taken++;
    }
    return NOVA_OK;
}

static enum nova_status reader_request(struct reader *reader, size_t count, int64_t wait_ms,
                                       struct error *err)
{
    enum nova_status status = reader_ask(reader, count, wait_ms, err);
    return status == NOVA_OK ? reader_collect(reader, count, wait_ms, err) : status;
}

// What is there: what was asked for ahead, if anything was.
static enum nova_status reader_request_many(struct reader *reader, size_t max, struct error *err)
{
    size_t count = reader->asked > 0 ? reader->asked : max;
    enum nova_status status = reader->asked > 0 ? NOVA_OK : reader_ask(reader, count, 0, err);
    reader->asked = 0;
    if (status == NOVA_OK)
        status = reader_collect(reader, count, 0, err);
    bool is_full = status == NOVA_OK && (size_t)reader->held->received_count == count;
    if (is_full && reader_ask(reader, max, 0, err) == NOVA_OK)
        reader->asked = max; // a question that could not be sent is asked again by the next call
    return status;
}

// ---- reading ------------------------------------------------------------------------------------

static enum nova_status reader_decode(struct reader *reader, int i, struct error *err)
{
    natsMsg *msg = reader->held->received[i];
    struct reader_message *out = &reader->held->messages[i];
    const char *reply = natsMsg_GetReply(msg);
    struct delivery delivery;
    int64_t n = delivery_parse(&delivery, reply) ? delivery.n : 0; // 0: no such subject
    if (n != reader->last_n + 1)
        return error_set_transient(err, NOVA_ABORTED, "%s: message %" PRId64 " came after %" PRId64,
                                   reader->stream, n, reader->last_n);
    out->reply = reply;
    out->message =
        (struct bytes){(const uint8_t *)natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)};
    enum nova_status status = cloudevents_decode(&out->event, NULL, reader->held->arena,
                                                 reader->source, out->message, err);
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
    struct held *before = reader->held;
    reader->held = &reader->helds[before == &reader->helds[0]];
    held_drop(reader->held);
    *out = (struct reader_batch){reader->held->messages, 0};
    if (reader->reconnects != bus_connection_reconnects(reader->connection))
        return error_set_transient(err, NOVA_ABORTED, "the connection was lost in between");
    bool many = max > 1 || reader->asked > 0;
    enum nova_status status = many ? reader_request_many(reader, max, err) : NOVA_OK;
    if (status == NOVA_OK && reader->held->received_count == 0 && wait_ms > 0)
        status = reader_request(reader, 1, wait_ms, err);    // one, so that nobody waits for others
    for (int i = 0; i < reader->held->received_count; i++) { // what came before trouble is good
        enum nova_status decoded = reader_decode(reader, i, err);
        if (decoded != NOVA_OK)
            return decoded;
        out->count++;
    }
    if (reader->held->received_count == 0)
        reader->held = before; // lives on: the next batch that brings anything is the one after it
    return status;
}

enum nova_status reader_ack(struct reader *reader, const struct reader_message *last,
                            struct error *err)
{
    natsStatus s =
        natsConnection_PublishString(bus_connection_nats(reader->connection), last->reply, "+ACK");
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
    bool ours = reader_config_is_ours(info->Config);
    bool ahead = info->Delivered.Stream > last || reader->last_n > (int64_t)last;
    jsConsumerInfo_Destroy(info);
    if (!ours)
        return error_set_transient(err, NOVA_ABORTED, "the durable %s was changed",
                                   reader->durable);
    return ahead ? error_set_transient(err, NOVA_ABORTED, "the durable %s is ahead of its stream",
                                       reader->durable)
                 : NOVA_OK;
}
