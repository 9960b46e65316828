// publish.c - the relay's limit: the stream's own messages once more, by nats.c's asynchronous
// publish alone, while beside it a COPY to nowhere reads the outbox's rows once.
//
//   --service content --events N [--window W]
//
// What the stream holds is read before (so bytes, subjects and headers are those of the relay),
// then the stream is made anew. Nothing is encoded, checked or remembered. The stream itself says
// how long it took, by its first and last message's time.
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/access.h"
#include "bench/tool.h"
#include "bus/cloudevents.h"
#include "bus/topology.h"

enum { BODIES = 20000, WINDOW = 8192, NEXT_MS = 5000 };

struct body {
    char *subject, *data;
    int len;
};

static struct body bodies[BODIES];
static int64_t body_count;

// Read once, in memory: what comes after them has the same sizes.
static void read_bodies(jsCtx *js, const char *service, int64_t wanted)
{
    char subject[64];
    jsSubOptions options;
    natsSubscription *subscription = NULL;
    jsSubOptions_Init(&options);
    options.Stream = topology_stream_of(service);
    options.Ordered = true;
    snprintf(subject, sizeof subject, "nova.evt.%s.>", service);
    tool_must_nats(js_SubscribeSync(&subscription, js, subject, NULL, &options, NULL),
                   "reading the stream");
    for (; body_count < BODIES && body_count < wanted; body_count++) {
        natsMsg *msg = NULL;
        tool_must_nats(natsSubscription_NextMsg(&msg, subscription, NEXT_MS), "reading a message");
        struct body *body = &bodies[body_count];
        body->len = natsMsg_GetDataLength(msg);
        body->subject = strdup(natsMsg_GetSubject(msg));
        body->data = malloc((size_t)body->len);
        if (body->subject == NULL || body->data == NULL)
            tool_fail("no memory");
        memcpy(body->data, natsMsg_GetData(msg), (size_t)body->len);
        natsMsg_Destroy(msg);
    }
    natsSubscription_Unsubscribe(subscription);
    natsSubscription_Destroy(subscription);
}

static void make_stream_anew(jsCtx *js, const char *service)
{
    jsStreamConfig config;
    topology_stream_config(&config, service);
    tool_must_nats(js_DeleteStream(js, config.Name, NULL, NULL), "deleting the stream");
    tool_must_nats(js_AddStream(NULL, js, &config, NULL, NULL), "making the stream");
}

static void *copy_rows_to_nowhere(void *context)
{
    const char *service = context;
    char sql[128];
    char *chunk = NULL;
    snprintf(sql, sizeof sql, "COPY %s.outbox TO STDOUT (FORMAT binary)", service);
    PGconn *connection = tool_libpq(service, ACCESS_SUPERUSER);
    tool_sql(connection, sql);
    while (PQgetCopyData(connection, &chunk, 0) > 0)
        PQfreemem(chunk);
    PQfinish(connection);
    return NULL;
}

static void publish(jsCtx *js, int64_t events)
{
    for (int64_t i = 0; i < events; i++) {
        const struct body *body = &bodies[i % body_count];
        char expected[24];
        natsMsg *msg = NULL;
        snprintf(expected, sizeof expected, "%" PRId64, i);
        natsStatus s = natsMsg_Create(&msg, body->subject, NULL, body->data, body->len);
        s = s ? s : natsMsgHeader_Set(msg, "Nats-Expected-Last-Sequence", expected);
        s = s ? s : natsMsgHeader_Set(msg, "Content-Type", CLOUDEVENTS_TYPE);
        tool_must_nats(s ? s : js_PublishMsgAsync(js, &msg, NULL), "publishing");
    }
    jsPubOptions wait;
    jsPubOptions_Init(&wait);
    wait.MaxWait = 60000;
    tool_must_nats(js_PublishAsyncComplete(js, &wait), "waiting for answers");
    natsMsgList pending = {0};
    if (js_PublishAsyncGetPendingList(&pending, js) == NATS_OK)
        tool_fail("%d publishes got no answer", pending.Count);
}

int main(int argc, char **argv)
{
    tool_start(argc, argv);
    const char *service = tool_text("--service");
    int64_t events = tool_int("--events", 1000);
    char user[64];
    jsCtx *js = NULL;
    jsOptions options;
    pthread_t copying;
    if (service == NULL || topology_stream_of(service) == NULL)
        tool_fail("--service wants a service that has a stream");
    snprintf(user, sizeof user, "%s_relay", service);
    natsConnection *connection = tool_nats(user, false);
    jsOptions_Init(&options);
    options.PublishAsync.MaxPending = tool_int("--window", WINDOW);
    options.PublishAsync.StallWait = 10000;
    tool_must_nats(natsConnection_JetStream(&js, connection, &options), "opening JetStream");
    read_bodies(js, service, events);
    make_stream_anew(js, service);

    double began_s = tool_now_s();
    if (pthread_create(&copying, NULL, copy_rows_to_nowhere, (void *)service) != 0)
        tool_fail("no thread");
    publish(js, events);
    double published_s = tool_now_s();
    pthread_join(copying, NULL);
    printf("{\"seconds\": %.6f, \"seconds_with_copy\": %.6f}\n", published_s - began_s,
           tool_now_s() - began_s);

    jsCtx_Destroy(js);
    natsConnection_Destroy(connection);
    for (int64_t i = 0; i < body_count; i++) {
        free(bodies[i].subject);
        free(bodies[i].data);
    }
    tool_end();
    return 0;
}
