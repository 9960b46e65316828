// rpc_server.c - answering requests: four queues, a thread a worker. See rpc.h.
//
// The subscription's thread only queues, or refuses when a queue is full. A common worker takes the
// oldest of the next requests of all queues but the urgent one (a heavy one only while fewer than
// heavy_at_once workers are on such), and an urgent one when there are none; urgent workers take
// urgent requests alone. Of those that go together it takes its share of all that wait: it waits
// for none, so that a single one is answered as soon as any other. What a worker does with one
// request:
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

enum rpc_lane { RPC_COMMON, RPC_HEAVY, RPC_TOGETHER, RPC_URGENT, RPC_LANES };

// Requests that wait: a ring, under the server's lock.
struct rpc_queue {
    struct rpc_waiting {
        natsMsg *msg;
        uint64_t arrival;
    } * ring;
    uint32_t cap, first, count;
    size_t bytes;
};

struct rpc_worker {
    struct rpc_server *server;
    void *context;
    enum rpc_lane lane;
    pthread_t thread;
    _Atomic int64_t busy_since_us; // 0: idle
    struct rpc_task *tasks;        // what it took, so many
    uint32_t task_count;
};

// A request from when it was taken until it is answered.
struct rpc_task {
    struct rpc_server *server;
    natsMsg *msg;
    const char *subject; // where the answer goes
    struct rpc_request request;
    int64_t began_us;
    bool is_answered;
};

struct rpc_server {
    struct rpc_server_options options;
    natsSubscription *subscription;
    struct rpc_discovery *discovery;
    struct rpc_worker *workers;
    uint32_t started;
    pthread_mutex_t lock;
    pthread_cond_t filled, urgent_filled; // for common workers; for urgent ones
    struct rpc_queue queues[RPC_LANES];
    uint64_t arrivals;
    uint32_t heavy_running;
    uint32_t idle; // common workers that wait for requests
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
    int64_t now_us = rpc_now_us(), last_us = now_us + (int64_t)RPC_DEADLINE_MS * 1000;
    if (out->headers.deadline_us == 0 || out->headers.deadline_us > last_us)
        out->headers.deadline_us = last_us; // no caller holds a worker for longer
    if (out->headers.deadline_us < now_us)
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

void rpc_answer(struct rpc_request *request, enum nova_status status, const struct error *err)
{
    struct rpc_task *task = request->task;
    struct rpc_server *server = task->server;
    struct error own_err;
    assert(!task->is_answered);
    task->is_answered = true;
    if (status == NOVA_OK) {
        assert(request->reply != NULL && request->reply->descriptor == request->method->output);
        status = server_accept(server, task->subject, request, &own_err);
        err = &own_err;
    }
    if (status != NOVA_OK)
        server_refuse(server, task->subject, err);
    server_count(server, request->method, task->began_us, status == NOVA_OK ? NULL : err);
}

// False: it is answered already, or nobody is to be answered.
static bool server_begin(struct rpc_task *task, struct arena *arena)
{
    struct error err = {0};
    task->subject = natsMsg_GetReply(task->msg);
    task->request = (struct rpc_request){.arena = arena, .task = task};
    task->began_us = rpc_now_us();
    // An answer is written with our rights: only ever into somebody's inbox.
    if (task->subject == NULL ||
        strncmp(task->subject, RPC_INBOX_PREFIX, strlen(RPC_INBOX_PREFIX)) != 0)
        return false;
    enum nova_status status = server_read(&task->request, task->server, task->msg, &err);
    if (status != NOVA_OK)
        rpc_answer(&task->request, status, &err);
    return status == NOVA_OK;
}

static void server_answer_one(struct rpc_worker *worker, struct rpc_request *request)
{
    struct error err = {0};
    enum nova_status status = worker->server->options.handle(worker->context, request, &err);
    rpc_answer(request, status, &err);
}

static void server_answer(struct rpc_worker *worker, struct arena *arena)
{
    struct rpc_request **requests = arena_alloc(arena, worker->task_count * sizeof *requests);
    uint32_t count = 0;
    for (uint32_t i = 0; i < worker->task_count; i++)
        if (server_begin(&worker->tasks[i], arena))
            requests[count++] = &worker->tasks[i].request;
    if (count == 1)
        server_answer_one(worker, requests[0]);
    else if (count > 1)
        worker->server->options.handle_together(worker->context, requests, count);
    for (uint32_t i = 0; i < count; i++)
        assert(requests[i]->task->is_answered);
}

// ---- queue and threads --------------------------------------------------------------------------

static void queue_create(struct rpc_queue *queue, uint32_t cap)
{
    *queue = (struct rpc_queue){.cap = cap, .ring = calloc(cap + 1, sizeof *queue->ring)};
    if (queue->ring == NULL)
        abort();
}

static bool queue_put(struct rpc_queue *queue, natsMsg *msg, uint64_t arrival)
{
    size_t size = (size_t)natsMsg_GetDataLength(msg);
    if (queue->count == queue->cap || queue->bytes + size > RPC_QUEUE_BYTES_MAX)
        return false;
    queue->ring[(queue->first + queue->count++) % queue->cap] = (struct rpc_waiting){msg, arrival};
    queue->bytes += size;
    return true;
}

static natsMsg *queue_get(struct rpc_queue *queue)
{
    natsMsg *msg = queue->ring[queue->first].msg;
    queue->first = (queue->first + 1) % queue->cap;
    queue->count--;
    queue->bytes -= (size_t)natsMsg_GetDataLength(msg);
    return msg;
}

// Which queue a worker of that lane takes from now; RPC_LANES: none. Called under the lock.
static enum rpc_lane server_choose(const struct rpc_server *server, enum rpc_lane worker)
{
    enum rpc_lane chosen = RPC_LANES;
    uint64_t oldest = UINT64_MAX;
    for (enum rpc_lane lane = RPC_COMMON; worker != RPC_URGENT && lane < RPC_URGENT; lane++) {
        const struct rpc_queue *queue = &server->queues[lane];
        bool may = lane != RPC_HEAVY || server->heavy_running < server->options.heavy_at_once;
        if (!may || queue->count == 0 || queue->ring[queue->first].arrival >= oldest)
            continue;
        oldest = queue->ring[queue->first].arrival;
        chosen = lane;
    }
    if (chosen == RPC_LANES && server->queues[RPC_URGENT].count > 0)
        chosen = RPC_URGENT;
    return chosen;
}

uint32_t rpc_share(uint32_t waiting, uint32_t idle_others)
{
    uint32_t share = (waiting + idle_others) / (idle_others + 1);
    return share < COMMANDS_TOGETHER_MAX ? share : COMMANDS_TOGETHER_MAX;
}

static void worker_take(struct rpc_worker *worker, struct rpc_queue *queue, uint32_t most)
{
    size_t bytes = 0;
    worker->task_count = 0;
    do {
        natsMsg *msg = queue_get(queue);
        bytes += (size_t)natsMsg_GetDataLength(msg);
        worker->tasks[worker->task_count++] =
            (struct rpc_task){.server = worker->server, .msg = msg};
    } while (worker->task_count < most && bytes < COMMANDS_TOGETHER_BYTES_MAX);
}

// The next requests for this worker, into its tasks, and their lane. False: the server stops.
static bool server_take(struct rpc_worker *worker, enum rpc_lane *lane)
{
    struct rpc_server *server = worker->server;
    pthread_cond_t *filled = worker->lane == RPC_URGENT ? &server->urgent_filled : &server->filled;
    pthread_mutex_lock(&server->lock);
    while ((*lane = server_choose(server, worker->lane)) == RPC_LANES && !server->stopping) {
        server->idle += worker->lane == RPC_COMMON;
        pthread_cond_wait(filled, &server->lock);
        server->idle -= worker->lane == RPC_COMMON;
    }
    if (*lane == RPC_TOGETHER)
        worker_take(worker, &server->queues[*lane],
                    rpc_share(server->queues[*lane].count, server->idle));
    else if (*lane != RPC_LANES)
        worker_take(worker, &server->queues[*lane], 1);
    server->heavy_running += *lane == RPC_HEAVY;
    pthread_mutex_unlock(&server->lock);
    return *lane != RPC_LANES;
}

static void server_done(struct rpc_server *server, enum rpc_lane lane)
{
    if (lane != RPC_HEAVY)
        return;
    pthread_mutex_lock(&server->lock);
    server->heavy_running--;
    pthread_cond_signal(&server->filled); // the next heavy one may be taken
    pthread_mutex_unlock(&server->lock);
}

static void *server_work(void *context)
{
    struct rpc_worker *worker = context;
    struct arena *arena = arena_create();
    enum rpc_lane lane;
    while (server_take(worker, &lane)) {
        worker->busy_since_us = rpc_now_us();
        server_answer(worker, arena);
        for (uint32_t i = 0; i < worker->task_count; i++)
            natsMsg_Destroy(worker->tasks[i].msg);
        arena_reset(arena);
        worker->busy_since_us = 0;
        server_done(worker->server, lane);
    }
    arena_destroy(&arena);
    nats_ReleaseThreadMemory();
    return NULL;
}

static enum rpc_lane server_lane(const struct rpc_server *server, const char *subject)
{
    const struct rpc_server_options *options = &server->options;
    const ProtobufCMethodDescriptor *method = server_method(server, subject);
    if (method == NULL)
        return RPC_COMMON;
    size_t place = (size_t)(method - options->service->descriptor->methods);
    if (options->urgent != NULL && options->urgent[place])
        return RPC_URGENT;
    if (options->together != NULL && options->together[place])
        return RPC_TOGETHER;
    return options->heavy != NULL && options->heavy[place] ? RPC_HEAVY : RPC_COMMON;
}

static void server_on_request(natsConnection *nc, natsSubscription *sub, natsMsg *msg,
                              void *context)
{
    (void)nc;
    (void)sub;
    struct rpc_server *server = context;
    enum rpc_lane lane = server_lane(server, natsMsg_GetSubject(msg));
    pthread_mutex_lock(&server->lock);
    bool taken = queue_put(&server->queues[lane], msg, server->arrivals++);
    pthread_cond_signal(&server->filled); // common workers take urgent ones, too
    if (lane == RPC_URGENT)
        pthread_cond_signal(&server->urgent_filled);
    pthread_mutex_unlock(&server->lock);
    if (taken)
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
        s = natsSubscription_SetPendingLimits(server->subscription, RPC_PENDING_MAX,
                                              RPC_PENDING_BYTES_MAX);
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
        server->workers[i].tasks =
            calloc(server->options.together == NULL ? 1 : COMMANDS_TOGETHER_MAX,
                   sizeof *server->workers[i].tasks);
        if (server->workers[i].tasks == NULL)
            abort();
        server->workers[i].lane =
            i < server->options.worker_count - server->options.urgent_worker_count ? RPC_COMMON
                                                                                   : RPC_URGENT;
        if (pthread_create(&server->workers[i].thread, NULL, server_work, &server->workers[i]) != 0)
            return error_set(err, NOVA_RESOURCE_EXHAUSTED, "no more threads can be started");
        server->started++;
    }
    return server_subscribe(server, err);
}

enum nova_status rpc_server_create(struct rpc_server **out,
                                   const struct rpc_server_options *options, struct error *err)
{
    assert(options->worker_count > options->urgent_worker_count);
    assert((options->together == NULL) == (options->handle_together == NULL));
    assert(options->heavy == NULL || (options->heavy_at_once > 0 && options->heavy_queue_max > 0));
    struct rpc_server *server = calloc(1, sizeof *server);
    server->options = *options;
    uint32_t queue_max = options->queue_max == 0 ? RPC_QUEUE_MAX : options->queue_max;
    queue_create(&server->queues[RPC_COMMON], queue_max);
    queue_create(&server->queues[RPC_HEAVY], options->heavy == NULL ? 0 : options->heavy_queue_max);
    queue_create(&server->queues[RPC_TOGETHER], options->together == NULL ? 0 : queue_max);
    queue_create(&server->queues[RPC_URGENT], queue_max);
    server->workers = calloc(options->worker_count, sizeof *server->workers);
    server->stats = calloc(options->service->descriptor->n_methods, sizeof *server->stats);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->filled, NULL);
    pthread_cond_init(&server->urgent_filled, NULL);
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
    pthread_cond_broadcast(&server->urgent_filled);
    pthread_mutex_unlock(&server->lock);
    for (uint32_t i = 0; i < server->started; i++)
        pthread_join(server->workers[i].thread, NULL);
    for (uint32_t i = 0; i < server->options.worker_count; i++)
        free(server->workers[i].tasks);
    for (int lane = 0; lane < RPC_LANES; lane++)
        free(server->queues[lane].ring);
    pthread_cond_destroy(&server->filled);
    pthread_cond_destroy(&server->urgent_filled);
    pthread_mutex_destroy(&server->lock);
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
