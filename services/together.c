// together.c - commands that waited together: each is asked who it is from, all are carried out in
// as few transactions as go (runtime_execute_together), and each is answered as soon as it is done.
#include <time.h>

#include "services/service_internal.h"

// One of them: everything that its answer needs.
struct asked {
    struct service_call call;
    struct command command;
    struct execution execution;
};

static void asked_answer(struct asked *asked, enum nova_status status, const struct error *err)
{
    struct rpc_request *request = asked->call.request;
    request->reply = asked->execution.outcome.reply;
    request->position = asked->execution.outcome.position;
    service_count(status);
    rpc_answer(request, status, err);
}

// NULL: it is answered already.
static struct execution *asked_begin(struct service_worker *worker, struct rpc_request *request)
{
    struct error err = {0};
    struct asked *asked = arena_alloc(request->arena, sizeof *asked);
    asked->call.request = request;
    enum nova_status status = service_admit(&asked->call, worker, &err);
    if (status != NOVA_OK) {
        asked_answer(asked, status, &err);
        return NULL;
    }
    service_command(&asked->command, worker, &asked->call, &request->headers.command_id);
    asked->execution =
        (struct execution){.command = &asked->command, .arena = request->arena, .context = asked};
    return &asked->execution;
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// Those whose caller does not wait any more are answered; the others stay. One may have waited here
// for others that went alone before it.
static size_t together_drop_late(struct execution **waiting, size_t count)
{
    const int64_t now = now_us();
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        struct asked *asked = waiting[i]->context;
        if (asked->call.request->headers.deadline_us >= now) {
            waiting[left++] = waiting[i];
            continue;
        }
        struct error err;
        enum nova_status status =
            error_set(&err, NOVA_DEADLINE_EXCEEDED, "the request's deadline has passed");
        asked_answer(asked, status, &err);
    }
    return left;
}

// One knock for all of them, before the first caller hears of it.
static void together_answer(struct service_worker *worker, struct execution *const *done,
                            size_t count)
{
    bool appended = false;
    for (size_t i = 0; i < count; i++)
        appended |= done[i]->outcome.event_count > 0;
    if (appended)
        service_ring(worker->service);
    for (size_t i = 0; i < count; i++)
        asked_answer(done[i]->context, done[i]->status, &done[i]->err);
}

void service_handle_together(void *context, struct rpc_request *const *requests, size_t count)
{
    struct service_worker *worker = context;
    struct execution **waiting = arena_alloc(requests[0]->arena, count * sizeof *waiting);
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        struct execution *execution = asked_begin(worker, requests[i]);
        if (execution != NULL)
            waiting[left++] = execution;
    }
    while ((left = together_drop_late(waiting, left)) > 0) {
        size_t after = runtime_execute_together(waiting, left, worker->runtime);
        together_answer(worker, waiting + after, left - after);
        left = after;
    }
}
