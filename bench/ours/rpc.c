// rpc.c - a request over bus/: protobuf, headers, deadline and all. The service echoes.
//
//   --serve yes                              answers until its standard input ends
//   --requests N --in-flight K --size B      asks
//   --on-behalf-of ID                        asks a real service, with a token
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/access.h"
#include "bench/rows.h"
#include "bus/process_token.h"
#include "bus/rpc.h"
#include "bus/rpc_async.h"
#include "nova/content/v2/content.pb-c.h"
#include "proto/sealed.h"

enum { IN_FLIGHT_MANY = 1024, WAIT_MS = 5000, WARM_UP = 100, WORKERS = 4, ID_BYTES = 40 };

// ---- the answering side -------------------------------------------------------------------------

static enum nova_status echo(void *worker, struct rpc_request *request, struct error *err)
{
    (void)worker;
    (void)err;
    const Nova__Content__V2__CreatePostRequest *asked = (const void *)request->message;
    Nova__Content__V2__CreatePostReply *reply = arena_alloc(request->arena, sizeof *reply);
    nova__content__v2__create_post_reply__init(reply);
    reply->post_id = asked->post_id;
    reply->created_at_us = 1;
    request->reply = &reply->base;
    return NOVA_OK;
}

static void serve(void)
{
    char byte;
    struct error err = {0};
    struct rpc_server *server = NULL;
    void *workers[WORKERS] = {NULL};
    struct bus_connection *connection = tool_bus("content_service");
    const struct rpc_server_options options = {.connection = connection,
                                               .service = contract_service_find("content"),
                                               .handle = echo,
                                               .workers = workers,
                                               .worker_count = WORKERS};
    tool_must(rpc_server_create(&server, &options, &err), &err);
    tool_must_nats(natsConnection_Flush(bus_connection_nats(connection)), "subscribing");
    puts("{\"ready\": true}");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    rpc_server_destroy(&server);
    bus_connection_destroy(&connection);
}

// ---- the asking side ----------------------------------------------------------------------------

struct asking {
    struct bus_connection *connection;
    struct arena *arena;
    struct rpc_headers headers;
    bool echoes; // the post's id is in the request
    int64_t size;
};

static struct bytes next_request(struct asking *asking)
{
    char id[UUID_TEXT_BYTES] = "";
    struct uuid post_id = rows_random_id();
    Nova__Content__V2__CreatePostRequest request = NOVA__CONTENT__V2__CREATE_POST_REQUEST__INIT;
    uuid_format(id, &post_id);
    if (asking->echoes)
        request.post_id = id;
    request.text =
        rows_words(asking->arena, asking->size > ID_BYTES ? (size_t)asking->size - ID_BYTES : 1);
    asking->headers.command_id = asking->echoes ? (struct uuid){{0}} : rows_random_id();
    return message_pack(asking->arena, &request.base);
}

static double ask_one_by_one(struct asking *asking, int64_t count)
{
    struct error err = {0};
    double began_s = tool_now_s();
    for (int64_t i = 0; i < count; i++) {
        struct bytes reply;
        tool_must(rpc_call_wire(&reply, NULL, asking->connection, "content", "CreatePost",
                                next_request(asking), &asking->headers, asking->arena, &err),
                  &err);
        arena_reset(asking->arena);
    }
    return tool_now_s() - began_s;
}

static void send_one(struct asking *asking, struct rpc_async *async, uint32_t slot)
{
    struct error err = {0};
    tool_must(rpc_async_send(async, slot, "content", "CreatePost", next_request(asking),
                             &asking->headers, &err),
              &err);
    arena_reset(asking->arena);
}

static double ask_many(struct asking *asking, int64_t count, uint32_t in_flight)
{
    struct error err = {0};
    struct rpc_async *async = NULL;
    int64_t sent = 0;
    tool_must(rpc_async_create(&async, asking->connection, in_flight, &err), &err);
    double began_s = tool_now_s();
    for (; sent < in_flight && sent < count; sent++)
        send_one(asking, async, (uint32_t)sent);
    for (int64_t answered = 0; answered < count; answered++) {
        struct rpc_answer answer;
        if (!rpc_async_next(&answer, async, WAIT_MS))
            tool_fail("no answer");
        tool_must(answer.status, &answer.err);
        if (sent < count) {
            send_one(asking, async, answer.slot);
            sent++;
        }
    }
    double took_s = tool_now_s() - began_s;
    rpc_async_destroy(&async);
    return took_s;
}

static const char *process_token(struct process_token **out, struct arena *arena)
{
    struct error err = {0};
    char seed[PATH_MAX];
    const char *text = NULL;
    tool_must(access_nats_seed_path(seed, tool_settings(), "operator_rpc", &err), &err);
    tool_must(process_token_create(out, "operator_rpc", seed, &err), &err);
    text = process_token_text(*out, arena);
    return text;
}

static void ask(int64_t count, int64_t in_flight)
{
    struct process_token *token = NULL;
    struct arena *kept = arena_create();
    struct asking asking = {.connection = tool_bus("operator_rpc"),
                            .arena = arena_create(),
                            .echoes = tool_text("--on-behalf-of") == NULL,
                            .size = tool_int("--size", 100)};
    if (in_flight < 1 || in_flight > IN_FLIGHT_MANY)
        tool_fail("1 to %d in flight", IN_FLIGHT_MANY);
    if (!asking.echoes) {
        if (!uuid_parse(&asking.headers.on_behalf_of, tool_text("--on-behalf-of")))
            tool_fail("--on-behalf-of wants an id");
        asking.headers.token = process_token(&token, kept);
    }
    ask_one_by_one(&asking, WARM_UP);
    double seconds = in_flight == 1 ? ask_one_by_one(&asking, count)
                                    : ask_many(&asking, count, (uint32_t)in_flight);
    printf("{\"requests\": %lld, \"seconds\": %.6f}\n", (long long)count, seconds);
    process_token_destroy(&token);
    bus_connection_destroy(&asking.connection);
    arena_destroy(&asking.arena);
    arena_destroy(&kept);
}

int main(int argc, char **argv)
{
    tool_start(argc, argv);
    if (tool_text("--serve") != NULL)
        serve();
    else
        ask(tool_int("--requests", 1000), tool_int("--in-flight", 1));
    tool_end();
    return 0;
}
