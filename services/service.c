// service.c - one request, from authentication to the reply. See service.h.
#include "services/service.h"

#include <assert.h>
#include <string.h>

#include "base/metrics.h"
#include "bus/topology.h"
#include "projections/wait.h"
#include "services/service_internal.h"

// ---- permission ---------------------------------------------------------------------------------

// A process may call what the topology's table says; NATS refuses it too, and this is the second
// lock. Keys of persons go to processes only.
static enum nova_status service_permit(const struct service *service,
                                       const struct service_call *call, struct error *err)
{
    const char *method = call->request->method->name;
    if (call->caller.kind != CALLER_SERVICE && call->caller.kind != CALLER_OPERATOR &&
        strcmp(method, "GetPersonKeys") == 0)
        return error_set(err, NOVA_PERMISSION_DENIED, "%s may not ask for keys of persons",
                         call->caller.actor);
    if (call->caller.kind != CALLER_SERVICE)
        return NOVA_OK;
    for (size_t i = 0; i < topology_call_count(); i++) {
        const struct topology_call *allowed = topology_call_at(i);
        if (strcmp(allowed->user, call->process) == 0 &&
            strcmp(allowed->service, service->type->name) == 0 &&
            (strcmp(allowed->method, "*") == 0 || strcmp(allowed->method, method) == 0))
            return NOVA_OK;
    }
    return error_set(err, NOVA_PERMISSION_DENIED, "%s may not call %s.%s", call->process,
                     service->type->name, method);
}

// ---- queries ------------------------------------------------------------------------------------

static const struct service_query *service_query_find(const struct service_type *type,
                                                      const char *method)
{
    for (size_t i = 0; i < type->query_count; i++)
        if (strcmp(type->queries[i].method, method) == 0)
            return &type->queries[i];
    return NULL;
}

// Whether the read model is as far as the request asks, or will be by the deadline. 0: now.
static enum nova_status service_look(struct service_worker *worker, struct service_call *call,
                                     const char *consumer, int64_t deadline_us, struct error *err)
{
    const struct rpc_headers *headers = &call->request->headers;
    enum nova_status status = NOVA_OK;
    for (uint32_t i = 0; status == NOVA_OK && i < headers->min_position_count; i++)
        status = projection_wait(worker->pg, worker->service->type->name, consumer,
                                 headers->min_positions[i].service,
                                 headers->min_positions[i].position, deadline_us, err);
    return status;
}

// A worker that waits does nothing else: half of them may, the others answer.
enum nova_status service_wait(struct service_worker *worker, struct service_call *call,
                              const char *consumer, struct error *err)
{
    const int64_t deadline_us = call->request->headers.deadline_us;
    enum nova_status status = service_look(worker, call, consumer, 0, err);
    if (status != NOVA_DEADLINE_EXCEEDED)
        return status;
    uint32_t most = worker->service->worker_count > 1 ? worker->service->worker_count / 2 : 1;
    if (atomic_fetch_add(&worker->service->waiting, 1) < most)
        status = service_look(worker, call, consumer, deadline_us, err);
    else
        status = error_set_transient(err, NOVA_RESOURCE_EXHAUSTED,
                                     "too many requests wait for %s; try again later", consumer);
    atomic_fetch_sub(&worker->service->waiting, 1);
    return status;
}

enum nova_status service_id(struct uuid *out, const char *field, const char *text,
                            struct error *err)
{
    *out = id_parse(text);
    return uuid_is_nil(out) ? error_set(err, NOVA_INVALID_ARGUMENT, "%s is missing", field)
                            : NOVA_OK;
}

static enum nova_status service_answer(struct service_worker *worker, struct service_call *call,
                                       const struct service_query *query, struct error *err)
{
    if (call->caller.kind == CALLER_ANONYMOUS && !query->open_to_all)
        return error_set(err, NOVA_UNAUTHENTICATED, "%s.%s wants a token: log in",
                         worker->service->type->name, query->method);
    enum nova_status status = pg_ensure_connected(worker->pg, err);
    for (int i = 0; i < SERVICE_CONSUMERS_MAX && status == NOVA_OK; i++)
        if (query->consumers[i] != NULL)
            status = service_wait(worker, call, query->consumers[i], err);
    return status == NOVA_OK ? query->answer(worker, call, err) : status;
}

// ---- commands -----------------------------------------------------------------------------------

static const struct command_rule *service_rule_find(const struct service_type *type,
                                                    const char *method)
{
    for (size_t i = 0; i < type->rule_count; i++)
        if (strcmp(type->rules[i].method, method) == 0)
            return &type->rules[i];
    return NULL;
}

// Wakes the relay; a doorbell that is lost only costs its poll interval.
void service_ring(const struct service *service)
{
    char subject[64];
    snprintf(subject, sizeof subject, "nova.bell.%s", service->type->name);
    natsConnection_Publish(bus_connection_nats(service->connection), subject, NULL, 0);
}

enum nova_status service_carry_out(struct outcome *out, struct service_worker *worker,
                                   struct service_call *call, const struct uuid *command_id,
                                   struct error *err)
{
    const struct service_type *type = worker->service->type;
    struct rpc_request *request = call->request;
    struct service_command_context context = {worker, call, call->prepared};
    struct command command = {
        .rule = service_rule_find(type, request->method->name),
        .caller = &call->caller,
        .request = request->message,
        .wire = request->wire,
        .command_id = *command_id,
        .correlation_id = request->headers.correlation_id,
        .has_occurred_at = request->headers.has_occurred_at,
        .occurred_at_us = request->headers.occurred_at_us,
        .traceparent = request->headers.traceparent,
    };
    struct runtime_hooks hooks = {&context, type->look_up, type->write_inline,
                                  type->secret_matches};
    assert(command.rule != NULL); // service_type_is_whole looked at start that each method has one
    enum nova_status status =
        runtime_execute(out, worker->runtime, &command, &hooks, request->arena, err);
    if (out->event_count > 0) // also when their answer is a rejection
        service_ring(worker->service);
    return status;
}

static enum nova_status service_execute(struct service_worker *worker, struct service_call *call,
                                        struct error *err)
{
    const struct service_type *type = worker->service->type;
    struct rpc_request *request = call->request;
    struct outcome outcome = {0};
    enum nova_status status = pg_ensure_connected(worker->pg, err);
    if (status == NOVA_OK && type->prepare != NULL)
        status = type->prepare(worker, call, &call->prepared, err);
    if (status == NOVA_OK)
        status = service_carry_out(&outcome, worker, call, &request->headers.command_id, err);
    if (status == NOVA_OK && type->finish != NULL)
        status = type->finish(worker, call, &outcome, err);
    if (status != NOVA_OK)
        return status;
    request->reply = outcome.reply;
    request->position = outcome.position;
    return NOVA_OK;
}

static enum nova_status service_dispatch(struct service_worker *worker, struct rpc_request *request,
                                         struct error *err)
{
    const struct service_type *type = worker->service->type;
    struct service_call call = {.request = request};
    enum nova_status status =
        auth_caller(&call.caller, call.process, worker->service->auth, &request->headers, err);
    if (status == NOVA_OK)
        status = service_permit(worker->service, &call, err);
    if (status != NOVA_OK)
        return status;
    const struct service_query *query = service_query_find(type, request->method->name);
    if (query != NULL)
        return service_answer(worker, &call, query, err);
    return service_execute(worker, &call, err);
}

enum nova_status service_handle(void *context, struct rpc_request *request, struct error *err)
{
    enum nova_status status = service_dispatch(context, request, err);
    metrics_add(METRIC_SERVICE_REQUESTS, 1);
    metrics_add(METRIC_SERVICE_ERRORS, status != NOVA_OK);
    return status;
}

uint32_t service_find_heavy(struct service *service)
{
    const struct service_type *type = service->type;
    const struct contract_service *contract = contract_service_find(type->name);
    assert(contract->descriptor->n_methods <= SERVICE_METHODS_MAX);
    for (int i = 0; i < SERVICE_HEAVY_MAX && type->heavy[i] != NULL; i++) {
        const ProtobufCMethodDescriptor *method = contract_method_find(contract, type->heavy[i]);
        assert(method != NULL); // our own table names it
        service->heavy[method - contract->descriptor->methods] = true;
    }
    uint32_t common = service->worker_count - SERVICE_URGENT_WORKERS;
    uint32_t most = common > 2 ? common - 2 : 1;
    return most < type->heavy_at_once_max ? most : type->heavy_at_once_max;
}

void service_find_urgent(struct service *service)
{
    const ProtobufCServiceDescriptor *contract =
        contract_service_find(service->type->name)->descriptor;
    assert(contract->n_methods <= SERVICE_METHODS_MAX);
    for (unsigned i = 0; i < contract->n_methods; i++) {
        const struct service_query *query =
            service_query_find(service->type, contract->methods[i].name);
        service->urgent[i] = query != NULL && query->urgent;
    }
}

bool service_type_is_whole(const struct service_type *type, const char **missing)
{
    const struct contract_service *contract = contract_service_find(type->name);
    for (unsigned i = 0; i < contract->descriptor->n_methods; i++) {
        *missing = contract->descriptor->methods[i].name;
        if (service_query_find(type, *missing) == NULL && service_rule_find(type, *missing) == NULL)
            return false;
    }
    return true;
}
