// together.c - commands that waited together: each is asked who it is from, all are carried out in
// as few transactions as go (runtime_execute_together), and each is answered as soon as it is done.
// Whose token must be asked for at identity comes last and alone: nobody waits for that behind it.
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

// NULL: it is answered already, or *unsure: who calls is not known yet.
static struct execution *asked_begin(bool *unsure, struct service_worker *worker,
                                     struct rpc_request *request)
{
    struct error err = {0};
    struct asked *asked = arena_alloc(request->arena, sizeof *asked);
    asked->call.request = request;
    enum nova_status status = service_admit(unsure, &asked->call, worker, &err);
    if (*unsure)
        return NULL;
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

static bool is_late(const struct rpc_request *request)
{
    return request->headers.deadline_us < now_us();
}

static enum nova_status refuse_late(struct error *err)
{
    return error_set(err, NOVA_DEADLINE_EXCEEDED, "the request's deadline has passed");
}

// Those whose caller does not wait any more are answered; the others stay. One may have waited here
// for others that went alone before it.
static size_t together_drop_late(struct execution **waiting, size_t count)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        struct asked *asked = waiting[i]->context;
        struct error err;
        if (is_late(asked->call.request))
            asked_answer(asked, refuse_late(&err), &err);
        else
            waiting[left++] = waiting[i];
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

static void answer_alone(struct service_worker *worker, struct rpc_request *request)
{
    struct error err = {0};
    enum nova_status status =
        is_late(request) ? refuse_late(&err) : service_handle(worker, request, &err);
    rpc_answer(request, status, &err);
}

void service_handle_together(void *context, struct rpc_request *const *requests, size_t count)
{
    struct service_worker *worker = context;
    struct arena *arena = requests[0]->arena;
    struct execution **waiting = arena_alloc(arena, count * sizeof *waiting);
    struct rpc_request **unknown = arena_alloc(arena, count * sizeof *unknown);
    size_t left = 0, unknown_count = 0;
    for (size_t i = 0; i < count; i++) {
        bool unsure = false;
        struct execution *execution = asked_begin(&unsure, worker, requests[i]);
        if (execution != NULL)
            waiting[left++] = execution;
        else if (unsure)
            unknown[unknown_count++] = requests[i];
    }
    while ((left = together_drop_late(waiting, left)) > 0) {
        size_t after = runtime_execute_together(waiting, left, worker->runtime);
        together_answer(worker, waiting + after, left - after);
        left = after;
    }
    for (size_t i = 0; i < unknown_count; i++)
        answer_alone(worker, unknown[i]);
}
