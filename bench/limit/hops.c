// hops.c - the limit of latency: each hop of an event's way, alone and one after another, on the
// quiet machine. Their medians' sum is what no pipeline of these parts can be below.
//
//   --times N
//
//   message   half of a request and its reply between two connections (the doorbell)
//   read      one row of the outbox by its position, as the relay's role
//   publish   to a stream, until it is acknowledged
//   deliver   one message of a durable pull consumer, asked for and received
//   commit    one row changed, as the consumer's role changes its checkpoint
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/access.h"
#include "bench/tool.h"
#include "bus/topology.h"

enum { WAIT_MS = 5000, BODY_BYTES = 600 };

#define STREAM "NOVA_IDENTITY"
#define DURABLE "communication-message_sender_cache"

static int64_t times;
static double *took_s;
static double sum_us;

static void note(const char *name, double share)
{
    double us = 1e6 * share * tool_percentile(took_s, (size_t)times, 0.5);
    printf("%s\"%s_us\": %.1f", sum_us == 0 ? "{" : ", ", name, us);
    sum_us += us;
}

static void on_request(natsConnection *connection, natsSubscription *sub, natsMsg *msg, void *none)
{
    (void)sub;
    (void)none;
    natsConnection_Publish(connection, natsMsg_GetReply(msg), NULL, 0);
    natsMsg_Destroy(msg);
}

static void hop_message(void)
{
    natsSubscription *sub = NULL;
    natsConnection *asks = tool_nats("operator_rpc", true);
    natsConnection *answers = tool_nats("content_service", true);
    tool_must_nats(natsConnection_QueueSubscribe(&sub, answers, "nova.rpc.content.v2.>", "content",
                                                 on_request, NULL),
                   "subscribing");
    tool_must_nats(natsConnection_Flush(answers), "subscribing");
    for (int64_t i = 0; i < times; i++) {
        natsMsg *reply = NULL;
        double began_s = tool_now_s();
        tool_must_nats(
            natsConnection_Request(&reply, asks, "nova.rpc.content.v2.GetPost", NULL, 0, WAIT_MS),
            "asking");
        took_s[i] = tool_now_s() - began_s;
        natsMsg_Destroy(reply);
    }
    note("message", 0.5);
    natsSubscription_Drain(sub);
    natsSubscription_WaitForDrainCompletion(sub, WAIT_MS);
    natsSubscription_Destroy(sub);
    natsConnection_Destroy(asks);
    natsConnection_Destroy(answers);
}

static void hop_statement(const char *name, const char *role, const char *sql)
{
    PGconn *connection = tool_libpq("content", role);
    PQclear(tool_rows(PQprepare(connection, name, sql, 0, NULL)));
    for (int64_t i = 0; i < times; i++) {
        double began_s = tool_now_s();
        PQclear(tool_rows(PQexecPrepared(connection, name, 0, NULL, NULL, NULL, 1)));
        took_s[i] = tool_now_s() - began_s;
    }
    note(name, 1);
    PQfinish(connection);
}

static void make_stream_anew(jsCtx *js)
{
    jsStreamConfig config;
    topology_stream_config(&config, "identity");
    natsStatus s = js_DeleteStream(js, STREAM, NULL, NULL);
    tool_must_nats(s == NATS_NOT_FOUND ? NATS_OK : s, "deleting the stream");
    tool_must_nats(js_AddStream(NULL, js, &config, NULL, NULL), "making the stream");
}

static void hop_publish(jsCtx *js)
{
    char body[BODY_BYTES];
    memset(body, 'x', sizeof body);
    for (int64_t i = 0; i < times; i++) {
        double began_s = tool_now_s();
        tool_must_nats(js_Publish(NULL, js, "nova.evt.identity.user.created.00", body, sizeof body,
                                  NULL, NULL),
                       "publishing");
        took_s[i] = tool_now_s() - began_s;
    }
    note("publish", 1);
}

static void hop_deliver(void)
{
    natsConnection *connection = tool_nats("communication_message_sender_cache", true);
    jsCtx *js = NULL;
    jsOptions options;
    jsConsumerConfig consumer;
    jsSubOptions binding;
    natsSubscription *sub = NULL;
    jsOptions_Init(&options);
    options.Prefix = "JS.BUS.API";
    jsConsumerConfig_Init(&consumer);
    consumer.Durable = DURABLE;
    consumer.AckPolicy = js_AckAll;
    consumer.MaxAckPending = times + 1;
    jsSubOptions_Init(&binding);
    binding.Stream = STREAM;
    binding.Consumer = DURABLE;
    tool_must_nats(natsConnection_JetStream(&js, connection, &options), "opening JetStream");
    tool_must_nats(js_AddConsumer(NULL, js, STREAM, &consumer, NULL, NULL), "making a consumer");
    tool_must_nats(js_PullSubscribe(&sub, js, "nova.evt.identity.>", DURABLE, NULL, &binding, NULL),
                   "reading");
    for (int64_t i = 0; i < times; i++) {
        natsMsgList got = {0};
        double began_s = tool_now_s();
        tool_must_nats(natsSubscription_Fetch(&got, sub, 1, WAIT_MS, NULL), "reading a message");
        took_s[i] = tool_now_s() - began_s;
        natsMsgList_Destroy(&got);
    }
    note("deliver", 1);
    natsSubscription_Destroy(sub);
    jsCtx_Destroy(js);
    natsConnection_Destroy(connection);
}

int main(int argc, char **argv)
{
    tool_start(argc, argv);
    times = tool_int("--times", 1000);
    took_s = tool_doubles(times);
    natsConnection *connection = tool_nats("identity_relay", true);
    jsCtx *js = NULL;
    tool_must_nats(natsConnection_JetStream(&js, connection, NULL), "opening JetStream");
    make_stream_anew(js);
    hop_message();
    hop_statement("read", "content_relay",
                  "SELECT * FROM content.outbox WHERE position > 1 ORDER BY position LIMIT 1");
    hop_publish(js);
    hop_deliver();
    hop_statement("commit", "content_consumer",
                  "UPDATE content.checkpoint SET n = n WHERE consumer = 'content/post_view'");
    printf(", \"sum_us\": %.1f}\n", sum_us);
    tool_must_nats(js_DeleteStream(js, STREAM, NULL, NULL), "deleting the stream");
    jsCtx_Destroy(js);
    natsConnection_Destroy(connection);
    free(took_s);
    tool_end();
    return 0;
}
