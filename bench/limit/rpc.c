// rpc.c - the limit of a request over the bus: nats.c's own request and reply between the same two
// users, with the same bytes and no headers.
//
//   --serve yes                              answers until its standard input ends
//   --requests N --in-flight K --size B      asks
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/tool.h"

enum { IN_FLIGHT_MANY = 1024, REPLY_BYTES = 48, WAIT_MS = 5000, WARM_UP = 100 };

#define SUBJECT "nova.rpc.content.v2.CreatePost"
#define INBOX "_INBOX.operator_rpc.bench."

// ---- the answering side -------------------------------------------------------------------------

static void on_request(natsConnection *connection, natsSubscription *sub, natsMsg *msg, void *none)
{
    (void)sub;
    (void)none;
    int len = natsMsg_GetDataLength(msg);
    natsConnection_Publish(connection, natsMsg_GetReply(msg), natsMsg_GetData(msg),
                           len < REPLY_BYTES ? len : REPLY_BYTES);
    natsMsg_Destroy(msg);
}

static void serve(void)
{
    char byte;
    natsSubscription *sub = NULL;
    natsConnection *connection = tool_nats("content_service", true);
    // The account's own rule: this subject, and only in this queue group.
    tool_must_nats(natsConnection_QueueSubscribe(&sub, connection, "nova.rpc.content.v2.>",
                                                 "content", on_request, NULL),
                   "subscribing");
    tool_must_nats(natsConnection_Flush(connection), "subscribing");
    puts("{\"ready\": true}");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    natsSubscription_Drain(sub);
    natsSubscription_WaitForDrainCompletion(sub, WAIT_MS);
    natsSubscription_Destroy(sub);
    natsConnection_Destroy(connection);
}

// ---- the asking side ----------------------------------------------------------------------------

static double ask_one_by_one(natsConnection *connection, const char *body, int size, int64_t count)
{
    double began_s = tool_now_s();
    for (int64_t i = 0; i < count; i++) {
        natsMsg *reply = NULL;
        tool_must_nats(natsConnection_Request(&reply, connection, SUBJECT, body, size, WAIT_MS),
                       "asking");
        natsMsg_Destroy(reply);
    }
    return tool_now_s() - began_s;
}

// A reply subject is good for one answer: the account's rule (allow_responses).
static void ask_one(natsConnection *connection, const char *body, int size, int64_t number)
{
    char inbox[64];
    snprintf(inbox, sizeof inbox, INBOX "%lld", (long long)number);
    tool_must_nats(natsConnection_PublishRequest(connection, SUBJECT, inbox, body, size), "asking");
}

// One subscription for all answers; each answer sends the next request.
static double ask_many(natsConnection *connection, const char *body, int size, int64_t count,
                       int64_t in_flight)
{
    natsSubscription *answers = NULL;
    int64_t sent = 0;
    tool_must_nats(natsConnection_SubscribeSync(&answers, connection, INBOX "*"), "subscribing");
    double began_s = tool_now_s();
    for (; sent < in_flight && sent < count; sent++)
        ask_one(connection, body, size, sent);
    for (int64_t answered = 0; answered < count; answered++) {
        natsMsg *reply = NULL;
        tool_must_nats(natsSubscription_NextMsg(&reply, answers, WAIT_MS), "waiting");
        natsMsg_Destroy(reply);
        if (sent < count)
            ask_one(connection, body, size, sent++);
    }
    double took_s = tool_now_s() - began_s;
    natsSubscription_Destroy(answers);
    return took_s;
}

static void ask(int64_t count, int64_t in_flight, int size)
{
    char *body = calloc(1, (size_t)size + 1);
    if (in_flight < 1 || in_flight > IN_FLIGHT_MANY || body == NULL)
        tool_fail("1 to %d in flight", IN_FLIGHT_MANY);
    memset(body, 'x', (size_t)size);
    natsConnection *connection = tool_nats("operator_rpc", true);
    ask_one_by_one(connection, body, size, WARM_UP);
    double seconds = in_flight == 1 ? ask_one_by_one(connection, body, size, count)
                                    : ask_many(connection, body, size, count, in_flight);
    printf("{\"requests\": %lld, \"seconds\": %.6f}\n", (long long)count, seconds);
    natsConnection_Destroy(connection);
    free(body);
}

int main(int argc, char **argv)
{
    tool_start(argc, argv);
    if (tool_text("--serve") != NULL)
        serve();
    else
        ask(tool_int("--requests", 1000), tool_int("--in-flight", 1), (int)tool_int("--size", 100));
    tool_end();
    return 0;
}
