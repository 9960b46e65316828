// rpc_server.c - answering requests: one queue, a thread a worker. See rpc.h.
//
// The subscription's thread only queues; what a worker does with one request:
//   inbox? -> deadline -> headers -> method -> check the bytes -> unpack -> handle -> reply
#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bus/rpc_internal.h"
#include "proto/check.h"
#include "proto/sealed.h"

enum { RPC_QUEUE_DEFAULT = 1024 };

struct rpc_worker {
    struct rpc_server *server;
    void *context;
    pthread_t thread;
    _Atomic int64_t busy_since_us; // 0: idle
};

struct rpc_server {
    struct rpc_server_options options;
    natsSubscription *subscription;
    struct rpc_discovery *discovery;
    struct rpc_worker *workers;
    uint32_t started;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    natsMsg **queue; // a ring
    uint32_t queue_cap, queue_first, queue_count;
    bool stopping;
    struct rpc_stats *stats; // one a method, under the lock
};

// ---- replies ------------------------------------------------------------------------------------

static void server_send(struct rpc_server *server, natsMsg *reply)
{
    if (reply != NULL) // a reply that cannot be sent is lost; the caller's deadline tells it
        natsConnection_PublishMsg(bus_connection_nats(server->options.connection), reply);
    natsMsg_Destroy(reply);
}

static void server_refuse(struct rpc_server *server, const char *subject, const struct error *err)
{
    char code[16], text[ERROR_TEXT_BYTES_MAX];
    natsMsg *reply = NULL;
    snprintf(code, sizeof code, "%d", (int)err->status);
    snprintf(text, sizeof text, "%s", err->text);
    rpc_header_clean(text);
    if (natsMsg_Create(&reply, subject, NULL, NULL, 0) == NATS_OK &&
        natsMsgHeader_Set(reply, RPC_ERROR_CODE, code) == NATS_OK &&
        natsMsgHeader_Set(reply, RPC_ERROR_TEXT, text) == NATS_OK)
        server_send(server, reply);
    else
        natsMsg_Destroy(reply);
}

static enum nova_status server_accept(struct rpc_server *server, const char *subject,
                                      const struct rpc_request *request, struct error *err)
{
    struct bytes wire = message_pack(request->arena, request->reply);
    int64_t max = natsConnection_GetMaxPayload(bus_connection_nats(server->options.connection));
    if ((int64_t)wire.len + 1024 > max)
        return error_set(err, NOVA_OUT_OF_RANGE,
                         "the answer is larger than the bus takes; ask for less");
    natsMsg *reply = NULL;
    char position[64];
    snprintf(position, sizeof position, "%s:%" PRId64, server->options.service->name,
             request->position);
    natsStatus s = natsMsg_Create(&reply, subject, NULL, (const char *)wire.data, (int)wire.len);
    if (s == NATS_OK && request->position > 0)
        s = natsMsgHeader_Set(reply, RPC_POSITION, position);
    if (s != NATS_OK) {
        natsMsg_Destroy(reply);
        return bus_error(err, s, "making a reply");
    }
    server_send(server, reply);
    return NOVA_OK;
}

// ---- one request --------------------------------------------------------------------------------

static const ProtobufCMethodDescriptor *server_method(const struct rpc_server *server,
                                                      const char *subject)
{
    const char *name = strrchr(subject, '.');
    return name == NULL ? NULL : contract_method_find(server->options.service, name + 1);
}

static enum nova_status server_read(struct rpc_request *out, struct rpc_server *server,
                                    natsMsg *msg, struct error *err)
{
    out->method = server_method(server, natsMsg_GetSubject(msg));
    if (out->method == NULL)
        return error_set(err, NOVA_UNIMPLEMENTED, "%s has no such method; see ./nova call --list",
                         server->options.service->name);
    enum nova_status status = rpc_headers_read(&out->headers, msg, out->arena, err);
    if (status != NOVA_OK)
        return status;
    if (out->headers.deadline_us == 0)
        out->headers.deadline_us = rpc_now_us() + (int64_t)RPC_DEADLINE_MS * 1000;
    if (out->headers.deadline_us < rpc_now_us())
        return error_set(err, NOVA_DEADLINE_EXCEEDED, "the request's deadline has passed");
    out->wire =
        (struct bytes){(const uint8_t *)natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)};
    status = check_message(out->method->input, out->wire, err);
    if (status != NOVA_OK)
        return status;
    out->message = message_unpack(out->arena, out->method->input, out->wire);
    if (out->message == NULL)
        return error_set(err, NOVA_INVALID_ARGUMENT, "the request is no %s",
                         out->method->input->short_name);
    return NOVA_OK;
}

static void server_count(struct rpc_server *server, const ProtobufCMethodDescriptor *method,
                         int64_t began_us, const struct error *err)
{
    if (method == NULL)
        return;
    struct rpc_stats *stats = &server->stats[method - server->options.service->descriptor->methods];
    pthread_mutex_lock(&server->lock);
    stats->requests++;
    stats->processing_ns += (rpc_now_us() - began_us) * 1000;
    if (err != NULL) {
        stats->errors++;
        snprintf(stats->last_error, sizeof stats->last_error, "%d:%.200s", (int)err->status,
                 err->text);
    }
    pthread_mutex_unlock(&server->lock);
}

static void server_answer(struct rpc_worker *worker, natsMsg *msg, struct arena *arena)
{
    struct rpc_server *server = worker->server;
    const char *subject = natsMsg_GetReply(msg);
    // An answer is written with our rights: only ever into somebody's inbox.
    if (subject == NULL || strncmp(subject, RPC_INBOX_PREFIX, strlen(RPC_INBOX_PREFIX)) != 0)
        return;
    struct error err = {0};
    struct rpc_request request = {.arena = arena};
    int64_t began_us = rpc_now_us();
    enum nova_status status = server_read(&request, server, msg, &err);
    if (status == NOVA_OK)
        status = server->options.handle(worker->context, &request, &err);
    if (status == NOVA_OK) {
        assert(request.reply != NULL && request.reply->descriptor == request.method->output);
        status = server_accept(server, subject, &request, &err);
    }
    if (status != NOVA_OK)
        server_refuse(server, subject, &err);
    server_count(server, request.method, began_us, status == NOVA_OK ? NULL : &err);
}

// ---- queue and threads --------------------------------------------------------------------------

static natsMsg *server_take(struct rpc_server *server)
{
    natsMsg *msg = NULL;
    pthread_mutex_lock(&server->lock);
    while (server->queue_count == 0 && !server->stopping)
        pthread_cond_wait(&server->filled, &server->lock);
    if (server->queue_count > 0) {
        msg = server->queue[server->queue_first];
        server->queue_first = (server->queue_first + 1) % server->queue_cap;
        server->queue_count--;
    }
    pthread_mutex_unlock(&server->lock);
    return msg;
}

static void *server_work(void *context)
{
    struct rpc_worker *worker = context;
    struct arena *arena = arena_create();
    natsMsg *msg;
    while ((msg = server_take(worker->server)) != NULL) {
        worker->busy_since_us = rpc_now_us();
        server_answer(worker, msg, arena);
        natsMsg_Destroy(msg);
        arena_reset(arena);
        worker->busy_since_us = 0;
    }
    arena_destroy(&arena);
    nats_ReleaseThreadMemory();
    return NULL;
}

static void server_on_request(natsConnection *nc, natsSubscription *sub, natsMsg *msg,
                              void *context)
{
    (void)nc;
    (void)sub;
    struct rpc_server *server = context;
    bool full;
    pthread_mutex_lock(&server->lock);
    full = server->queue_count == server->queue_cap;
    if (!full) {
        server->queue[(server->queue_first + server->queue_count) % server->queue_cap] = msg;
        server->queue_count++;
        pthread_cond_signal(&server->filled);
    }
    pthread_mutex_unlock(&server->lock);
    if (!full)
        return;
    const char *subject = natsMsg_GetReply(msg);
    struct error err;
    error_set(&err, NOVA_RESOURCE_EXHAUSTED, "%s has too many requests waiting; try again later",
              server->options.service->name);
    if (subject != NULL && strncmp(subject, RPC_INBOX_PREFIX, strlen(RPC_INBOX_PREFIX)) == 0)
        server_refuse(server, subject, &err);
    natsMsg_Destroy(msg);
}

static void server_stats(void *context, unsigned method, struct rpc_stats *out)
{
    struct rpc_server *server = context;
    pthread_mutex_lock(&server->lock);
    *out = server->stats[method];
    pthread_mutex_unlock(&server->lock);
}

static enum nova_status server_subscribe(struct rpc_server *server, struct error *err)
{
    char subject[RPC_SUBJECT_BYTES];
    const char *name = server->options.service->name;
    snprintf(subject, sizeof subject, RPC_SUBJECT_FORMAT, name, ">");
    natsConnection *nc = bus_connection_nats(server->options.connection);
    natsStatus s = natsConnection_QueueSubscribe(&server->subscription, nc, subject, name,
                                                 server_on_request, server);
    if (s == NATS_OK)
        s = natsConnection_FlushTimeout(nc, 5000); // from here on requests reach us
    if (s != NATS_OK)
        return bus_error(err, s, "subscribing to requests");
    return rpc_discovery_create(&server->discovery, server->options.connection,
                                server->options.service, server_stats, server, err);
}

static enum nova_status server_start(struct rpc_server *server, struct error *err)
{
    for (uint32_t i = 0; i < server->options.worker_count; i++) {
        server->workers[i].server = server;
        server->workers[i].context = server->options.workers[i];
        if (pthread_create(&server->workers[i].thread, NULL, server_work, &server->workers[i]) != 0)
            return error_set(err, NOVA_RESOURCE_EXHAUSTED, "no more threads can be started");
        server->started++;
    }
    return server_subscribe(server, err);
}

enum nova_status rpc_server_create(struct rpc_server **out,
                                   const struct rpc_server_options *options, struct error *err)
{
    assert(options->worker_count > 0);
    struct rpc_server *server = calloc(1, sizeof *server);
    server->options = *options;
    server->queue_cap = options->queue_max == 0 ? RPC_QUEUE_DEFAULT : options->queue_max;
    server->queue = calloc(server->queue_cap, sizeof *server->queue);
    server->workers = calloc(options->worker_count, sizeof *server->workers);
    server->stats = calloc(options->service->descriptor->n_methods, sizeof *server->stats);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->filled, NULL);
    enum nova_status status = server_start(server, err);
    if (status != NOVA_OK)
        rpc_server_destroy(&server);
    *out = server;
    return status;
}

void rpc_server_destroy(struct rpc_server **server_at)
{
    if (server_at == NULL || *server_at == NULL)
        return;
    struct rpc_server *server = *server_at;
    rpc_discovery_destroy(&server->discovery);
    bus_unsubscribe_callback(&server->subscription); // what was delivered reaches the queue
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    pthread_cond_broadcast(&server->filled);
    pthread_mutex_unlock(&server->lock);
    for (uint32_t i = 0; i < server->started; i++)
        pthread_join(server->workers[i].thread, NULL);
    pthread_cond_destroy(&server->filled);
    pthread_mutex_destroy(&server->lock);
    free(server->queue);
    free(server->workers);
    free(server->stats);
    free(server);
    *server_at = NULL;
}

bool rpc_server_is_alive(const struct rpc_server *server, int64_t limit_ms)
{
    int64_t now_us = rpc_now_us();
    for (uint32_t i = 0; i < server->started; i++) {
        int64_t since_us = server->workers[i].busy_since_us;
        if (since_us != 0 && now_us - since_us > limit_ms * 1000)
            return false;
    }
    return true;
}
