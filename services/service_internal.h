// service_internal.h - what services/service.c and run.c share; nobody else includes it.
#pragma once
#include <stdatomic.h>

#include "bus/process_token.h"
#include "services/service.h"

enum { SERVICE_METHODS_MAX = 64 };

struct service {
    const struct service_type *type;
    const struct settings *settings;
    struct bus_connection *connection;
    struct verifier *verifier;
    struct auth *auth;
    struct seal_key master;
    void *state;
    struct process_token *token;
    struct rpc_server *server;
    struct service_worker workers[SERVICE_WORKERS_MAX + SERVICE_URGENT_WORKERS];
    void *worker_contexts[SERVICE_WORKERS_MAX + SERVICE_URGENT_WORKERS];
    uint32_t worker_count;
    bool heavy[SERVICE_METHODS_MAX];    // by the place of the method in the contract
    _Atomic uint32_t waiting;           // workers that wait for a read model
    bool urgent[SERVICE_METHODS_MAX];   // by the place of the method in the contract
    bool together[SERVICE_METHODS_MAX]; // by the place of the method in the contract
};

// rpc_server's handler; the context is a struct service_worker.
enum nova_status service_handle(void *context, struct rpc_request *request, struct error *err);

// rpc_server's handler of commands that waited together (together.c).
void service_handle_together(void *context, struct rpc_request *const *requests, size_t count);

// service.c: who calls, and may they (unsure: as auth_caller_at_once; NULL: identity is asked if
// need be); the call's command; and a knock at the relay's door.
MUST_CHECK enum nova_status service_admit(bool *unsure, struct service_call *call,
                                          struct service_worker *worker, struct error *err);
void service_command(struct command *out, struct service_worker *worker,
                     const struct service_call *call, const struct uuid *command_id);
void service_ring(const struct service *service);
void service_count(enum nova_status status);

// Which methods go together, into service->together; false: none.
bool service_find_together(struct service *service);
// Which methods are heavy, into service->heavy; how many workers may be on them at once.
uint32_t service_find_heavy(struct service *service);
// Which methods are urgent, into service->urgent.
void service_find_urgent(struct service *service);

// True when every method of the contract has a rule or a query; else *missing is its name.
bool service_type_is_whole(const struct service_type *type, const char **missing);
