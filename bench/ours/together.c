// together.c - commands in flight in one process, as a service's workers carry them out: each takes
// its share of what waits when it is free (rpc_share, runtime_execute_together). A client has one
// command under way, of a post of its own, and sends the next when it is answered. No bus.
//
//   --workers W --in-flight K --commands N --size B
#include <pthread.h>
#include <stdlib.h>

#include "base/access.h"
#include "bench/rows.h"
#include "bench/writer.h"
#include "bus/rpc.h"
#include "nova/content/v2/content.pb-c.h"
#include "proto/sealed.h"

enum { WORKERS_MANY = 64, IN_FLIGHT_MANY = 4096 };

struct client {
    struct caller caller;
    double sent_s;
};

// The commands that wait, by their clients: a ring.
static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct client **ring;
    int64_t room, first, waiting;
    uint32_t idle;                // workers
    int64_t sent, answered, last; // commands; where it ends
    double *took_s;
    double began_s, ended_s;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

struct worker {
    pthread_t thread;
    struct writer writer;
};

// Under the lock.
static void queue_put(struct client *client)
{
    if (queue.sent == queue.last)
        return;
    queue.sent++;
    client->sent_s = tool_now_s();
    queue.ring[(queue.first + queue.waiting++) % queue.room] = client;
    pthread_cond_signal(&queue.filled);
}

// 0: it is over.
static size_t queue_take(struct client *out[COMMANDS_TOGETHER_MAX])
{
    pthread_mutex_lock(&queue.lock);
    while (queue.waiting == 0 && queue.answered < queue.last) {
        queue.idle++;
        pthread_cond_wait(&queue.filled, &queue.lock);
        queue.idle--;
    }
    size_t count = rpc_share((uint32_t)queue.waiting, queue.idle);
    for (size_t i = 0; i < count; i++) {
        out[i] = queue.ring[queue.first];
        queue.first = (queue.first + 1) % queue.room;
    }
    queue.waiting -= (int64_t)count;
    pthread_mutex_unlock(&queue.lock);
    return count;
}

static void queue_answer(struct execution *const *done, size_t count)
{
    pthread_mutex_lock(&queue.lock);
    double now_s = tool_now_s();
    for (size_t i = 0; i < count; i++) {
        struct client *client = done[i]->context;
        tool_must(done[i]->status, &done[i]->err);
        queue.took_s[queue.answered++] = now_s - client->sent_s;
        queue_put(client);
    }
    if (queue.answered == queue.last) {
        queue.ended_s = now_s;
        pthread_cond_broadcast(&queue.filled);
    }
    pthread_mutex_unlock(&queue.lock);
}

static struct execution *command_of(struct client *client, const struct writer *writer)
{
    struct arena *arena = writer->arena;
    struct command *command = arena_alloc(arena, sizeof *command);
    struct execution *execution = arena_alloc(arena, sizeof *execution);
    Nova__Content__V2__CreatePostRequest *request =
        message_new(arena, &nova__content__v2__create_post_request__descriptor);
    request->text = rows_words(arena, writer->text_bytes);
    *command = (struct command){.rule = writer->rule,
                                .caller = &client->caller,
                                .request = &request->base,
                                .wire = message_pack(arena, &request->base),
                                .command_id = rows_random_id()};
    *execution = (struct execution){.command = command, .arena = arena, .context = client};
    return execution;
}

static void *work(void *context)
{
    struct worker *worker = context;
    struct client *clients[COMMANDS_TOGETHER_MAX];
    struct execution *waiting[COMMANDS_TOGETHER_MAX];
    size_t count;
    while ((count = queue_take(clients)) > 0) {
        for (size_t i = 0; i < count; i++)
            waiting[i] = command_of(clients[i], &worker->writer);
        while (count > 0) {
            size_t left = runtime_execute_together(waiting, count, worker->writer.runtime);
            queue_answer(waiting + left, count - left);
            count = left;
        }
        arena_reset(worker->writer.arena);
    }
    return NULL;
}

// One command of each client, and one group of each worker: keys are made, statements prepared.
static void warm_up(struct worker *workers, int64_t worker_count, struct client *clients,
                    int64_t client_count)
{
    for (int64_t i = 0; i < client_count; i++) {
        workers[0].writer.caller = clients[i].caller;
        writer_execute(&workers[0].writer);
    }
    for (int64_t w = 0; w < worker_count; w++) {
        struct execution *waiting[2];
        size_t left = client_count > 1 ? 2 : 1;
        for (size_t i = 0; i < left; i++)
            waiting[i] = command_of(&clients[i], &workers[w].writer);
        while (left > 0)
            left = runtime_execute_together(waiting, left, workers[w].writer.runtime);
        arena_reset(workers[w].writer.arena);
    }
}

static void run(struct worker *workers, int64_t worker_count, struct client *clients,
                int64_t client_count)
{
    pthread_mutex_lock(&queue.lock);
    queue.began_s = tool_now_s();
    for (int64_t i = 0; i < client_count; i++)
        queue_put(&clients[i]);
    pthread_mutex_unlock(&queue.lock);
    for (int64_t w = 0; w < worker_count; w++)
        if (pthread_create(&workers[w].thread, NULL, work, &workers[w]) != 0)
            tool_fail("no thread");
    for (int64_t w = 0; w < worker_count; w++)
        pthread_join(workers[w].thread, NULL);
    size_t all = (size_t)queue.answered;
    printf("{\"commands\": %zu, \"seconds\": %.6f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n", all,
           queue.ended_s - queue.began_s, 1e6 * tool_percentile(queue.took_s, all, 0.5),
           1e6 * tool_percentile(queue.took_s, all, 0.99));
}

int main(int argc, char **argv)
{
    struct error err = {0};
    struct seal_key master;
    tool_start(argc, argv);
    int64_t worker_count = tool_int("--workers", 4), client_count = tool_int("--in-flight", 256);
    queue.last = tool_int("--commands", 1000);
    queue.room = client_count;
    if (worker_count < 1 || worker_count > WORKERS_MANY || client_count < 1 ||
        client_count > IN_FLIGHT_MANY || queue.last < 1)
        tool_fail("1 to %d workers, 1 to %d in flight, 1 command or more", WORKERS_MANY,
                  IN_FLIGHT_MANY);
    tool_must(access_master_key(&master, tool_settings(), "content", &err), &err);
    struct worker *workers = calloc((size_t)worker_count, sizeof *workers);
    struct client *clients = calloc((size_t)client_count, sizeof *clients);
    queue.ring = calloc((size_t)client_count, sizeof(struct client *));
    queue.took_s = tool_doubles(queue.last);
    for (int64_t w = 0; w < worker_count; w++)
        writer_open(&workers[w].writer, &content_rules[0], tool_int("--size", 200), &master);
    for (int64_t i = 0; i < client_count; i++)
        clients[i].caller = writer_caller();
    warm_up(workers, worker_count, clients, client_count);
    run(workers, worker_count, clients, client_count);
    for (int64_t w = 0; w < worker_count; w++)
        writer_close(&workers[w].writer);
    free(workers);
    free(clients);
    free(queue.ring);
    free(queue.took_s);
    seal_key_forget(&master);
    tool_end();
    return 0;
}
