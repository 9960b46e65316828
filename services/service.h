// service.h - what every service's process is made of: commands by the aggregates' rules, queries
// by their own functions, in front of them authentication, permission and read positions.
//
// Ownership: a worker borrows the service; each has a PostgreSQL connection and a runtime.
// Threads:   a worker belongs to one thread at a time.
// Errors:    whatever a method answers goes to the caller; only a start can fail here.
#pragma once
#include <signal.h>

#include "aggregates/runtime/runtime.h"
#include "base/settings.h"
#include "bus/rpc.h"
#include "services/auth.h"

struct service;

struct service_worker {
    struct service *service;
    struct pg *pg;
    struct runtime *runtime; // NULL for a service without an outbox
};

// A request whose caller is known.
struct service_call {
    struct rpc_request *request;
    struct caller caller;
    char process[JWT_NAME_BYTES]; // the calling process; "" for a user or nobody
    void *prepared;               // of a command: what the type's prepare made
};

enum { SERVICE_CONSUMERS_MAX = 2, SERVICE_HEAVY_MAX = 4 };
struct service_query {
    const char *method;
    enum nova_status (*answer)(struct service_worker *worker, struct service_call *call,
                               struct error *err);
    bool open_to_all; // anonymous callers too
    bool urgent;      // others wait for it: no queue of commands may delay it
    // Whose checkpoints Nova-Min-Position waits for; none: the method reads the outbox itself.
    const char *consumers[SERVICE_CONSUMERS_MAX];
};

// One service: its tables and what it adds to commands.
struct service_type {
    const char *name;
    const struct command_rule *rules;
    size_t rule_count;
    const struct service_query *queries;
    size_t query_count;
    // Methods that compute for long, how many of them at once at most (and never on all workers:
    // two always answer what is quick), and how many wait; more are RESOURCE_EXHAUSTED.
    const char *heavy[SERVICE_HEAVY_MAX];
    uint32_t heavy_at_once_max, heavy_waiting_max;
    // Before the transaction (a password's hash), inside it, and after it (a token). May be NULL.
    enum nova_status (*prepare)(struct service_worker *worker, struct service_call *call,
                                void **prepared, struct error *err);
    enum nova_status (*look_up)(void *context, const struct command *command, struct pg *pg,
                                struct arena *arena, const void **facts, struct error *err);
    enum nova_status (*write_inline)(void *context, const struct command *command,
                                     const struct decision *decision, struct pg *pg,
                                     struct error *err);
    enum nova_status (*secret_matches)(void *context, bool *out, const struct recorded *first,
                                       struct pg *pg, struct arena *arena, struct error *err);
    enum nova_status (*finish)(struct service_worker *worker, struct service_call *call,
                               struct outcome *outcome, struct error *err);
    // Users' keys for verifying tokens, by the service's state; NULL: asked from identity.
    jwks_fetch user_keys;
    // Once, before requests come in.
    enum nova_status (*start)(struct service *service, struct error *err);
    void *(*state_create)(struct service *service);
    void (*state_destroy)(void *state);
};

// What look_up, write_inline and secret_matches get as context.
struct service_command_context {
    struct service_worker *worker;
    struct service_call *call;
    void *prepared;
};

// Carries the call's command out under a command id, and wakes the relay if there are events. For a
// finish whose command must be decided anew, as one of its own.
MUST_CHECK enum nova_status service_carry_out(struct outcome *out, struct service_worker *worker,
                                              struct service_call *call,
                                              const struct uuid *command_id, struct error *err);

// Wakes the relay, as service_carry_out does by itself for a command that has events. For one that
// has none and must not differ from one that has.
void service_ring(const struct service *service);

extern const struct service_type service_identity, service_content, service_communication,
    service_search;

// What a service's files may ask their process for.
const struct settings *service_settings(const struct service *service);
const struct seal_key *service_master_key(const struct service *service);
struct auth *service_auth(const struct service *service);
struct bus_connection *service_connection(const struct service *service);
void *service_state(const struct service *service); // state_create's
// The process's own token, in the arena.
const char *service_token(const struct service *service, struct arena *arena);

// A connection to the service's PostgreSQL, as its role.
MUST_CHECK enum nova_status service_connect_postgres(struct pg **out, const struct service *service,
                                                     struct error *err);

// Waits until a read model of this service is as far as Nova-Min-Position says.
// RESOURCE_EXHAUSTED (transient): it is not, and half of the workers wait already.
MUST_CHECK enum nova_status service_wait(struct service_worker *worker, struct service_call *call,
                                         const char *consumer, struct error *err);

// INVALID_ARGUMENT that names the field, when an id that must be there is empty.
MUST_CHECK enum nova_status service_id(struct uuid *out, const char *field, const char *text,
                                       struct error *err);

// GetPersonKeys, the same for every service whose events hold sealed data.
enum nova_status service_get_person_keys(struct service_worker *worker, struct service_call *call,
                                         struct error *err);

// Runs the service until SIGTERM or SIGINT: `nova run service NAME`. Returns an exit code.
int service_run(const struct settings *settings, const char *name);
