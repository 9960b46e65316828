// run.c - `nova run service NAME`: connect, start the workers, answer until told to end.
#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/access.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/notify.h"
#include "bus/patience.h"
#include "bus/topology.h"
#include "services/service_internal.h"

enum { TICK_MS = 1000, REQUEST_MS_MAX = 30000, REVOCATIONS_WAIT_MS = 5000 };

static const struct service_type *const types[] = {&service_identity, &service_content,
                                                   &service_communication, &service_search};

static const struct service_type *service_type_find(const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i]->name, name) == 0)
            return types[i];
    return NULL;
}

// ---- what a service's files may ask -------------------------------------------------------------

const struct settings *service_settings(const struct service *service)
{
    return service->settings;
}

const struct seal_key *service_master_key(const struct service *service)
{
    return &service->master;
}

struct auth *service_auth(const struct service *service)
{
    return service->auth;
}

struct bus_connection *service_connection(const struct service *service)
{
    return service->connection;
}

void *service_state(const struct service *service)
{
    return service->state;
}

const char *service_token(const struct service *service, struct arena *arena)
{
    return process_token_text(service->token, arena);
}

// ---- start --------------------------------------------------------------------------------------

struct service_connecting {
    const struct bus_options *bus;
    struct bus_connection **connection;
    const char *postgres_url, *postgres_name;
    struct pg **pg;
};

static enum nova_status service_try_bus(void *context, struct error *err)
{
    struct service_connecting *connecting = context;
    return bus_connect(connecting->connection, connecting->bus, err);
}

static enum nova_status service_try_postgres(void *context, struct error *err)
{
    struct service_connecting *connecting = context;
    return pg_connect(connecting->pg, connecting->postgres_url, connecting->postgres_name, err);
}

static enum nova_status service_connect(struct service *service, struct error *err)
{
    char url[ACCESS_URL_BYTES], seed[PATH_MAX], user[ACCESS_NAME_BYTES], name[ACCESS_NAME_BYTES];
    snprintf(user, sizeof user, "%s_service", service->type->name);
    snprintf(name, sizeof name, "service/%s", service->type->name);
    enum nova_status status = access_nats_url(url, service->settings, err);
    if (status == NOVA_OK)
        status = access_nats_seed_path(seed, service->settings, user, err);
    if (status == NOVA_OK)
        status = process_token_create(&service->token, user, seed, err);
    if (status != NOVA_OK)
        return status;
    const struct bus_options options = {url, name, user, seed, 0};
    struct service_connecting connecting = {.bus = &options, .connection = &service->connection};
    return patience(service_try_bus, &connecting, "NATS", NULL, err);
}

static enum nova_status service_authenticate(struct service *service, struct error *err)
{
    char principals[PATH_MAX];
    const struct settings *settings = service->settings;
    const struct verifier_options verifier = {
        .connection = service->connection,
        .service = service->type->name,
        .token = service->token,
        .keys = service->type->user_keys,
        .keys_context = service->state,
        .token_lifetime_s = settings_int(settings, SETTING_IDENTITY_TOKEN_LIFETIME_S),
        .stale_s = settings_int(settings, SETTING_SERVICE_REVOCATIONS_STALE_S),
        .keys_age_s = settings_int(settings, SETTING_SERVICE_KEYS_REFRESH_S),
    };
    enum nova_status status = access_principals_path(principals, settings, err);
    if (status == NOVA_OK)
        status = verifier_create(&service->verifier, &verifier, err);
    const struct auth_options options = {principals, service->verifier};
    return status == NOVA_OK ? auth_create(&service->auth, &options, err) : status;
}

// Users' tokens are refused until it is known which sessions ended. Everybody else is answered
// though no stream is there to say.
static void service_wait_for_revocations(struct service *service)
{
    if (!verifier_wait(service->verifier, REVOCATIONS_WAIT_MS))
        log_warn("service: answers users once the feed of ended sessions is there");
}

enum nova_status service_connect_postgres(struct pg **out, const struct service *service,
                                          struct error *err)
{
    char url[ACCESS_URL_BYTES], role[ACCESS_NAME_BYTES], name[128];
    snprintf(role, sizeof role, "%s_service", service->type->name);
    snprintf(name, sizeof name, "service/%s/%d", service->type->name, (int)getpid());
    enum nova_status status =
        access_postgres_url(url, service->settings, service->type->name, role, err);
    struct service_connecting connecting = {.postgres_url = url, .postgres_name = name, .pg = out};
    if (status == NOVA_OK)
        status = patience(service_try_postgres, &connecting, "PostgreSQL", NULL, err);
    explicit_bzero(url, sizeof url);
    return status;
}

static enum nova_status service_add_worker(struct service *service, struct error *err)
{
    struct service_worker *worker = &service->workers[service->worker_count];
    worker->service = service;
    service->worker_contexts[service->worker_count++] = worker;
    enum nova_status status = service_connect_postgres(&worker->pg, service, err);
    if (status == NOVA_OK && service->type->rule_count > 0)
        status = runtime_create(&worker->runtime, service->type->name, worker->pg, &service->master,
                                err);
    return status;
}

static enum nova_status service_start(struct service *service, struct error *err)
{
    const char *missing = NULL;
    bool whole = service_type_is_whole(service->type, &missing);
    assert(whole); // every method of the contract has a rule or a query
    int64_t workers =
        settings_int(service->settings, SETTING_SERVICE_WORKERS) + SERVICE_URGENT_WORKERS;
    service_find_urgent(service);
    enum nova_status status = seal_start(err);
    if (status == NOVA_OK && service->type->rule_count > 0)
        status = access_master_key(&service->master, service->settings, service->type->name, err);
    if (status == NOVA_OK && service->type->state_create != NULL)
        service->state = service->type->state_create(service);
    if (status == NOVA_OK)
        status = service_connect(service, err);
    if (status == NOVA_OK)
        status = service_authenticate(service, err);
    for (int64_t i = 0; i < workers && status == NOVA_OK; i++)
        status = service_add_worker(service, err);
    if (status == NOVA_OK && service->type->start != NULL)
        status = service->type->start(service, err);
    if (status == NOVA_OK)
        service_wait_for_revocations(service);
    const uint32_t heavy_at_once = service_find_heavy(service);
    const bool has_together = service_find_together(service);
    const struct rpc_server_options options = {
        .connection = service->connection,
        .service = contract_service_find(service->type->name),
        .handle = service_handle,
        .workers = service->worker_contexts,
        .worker_count = service->worker_count,
        .heavy = service->type->heavy_at_once_max > 0 ? service->heavy : NULL,
        .heavy_at_once = heavy_at_once,
        .heavy_queue_max = service->type->heavy_waiting_max,
        .urgent_worker_count = SERVICE_URGENT_WORKERS,
        .urgent = service->urgent,
        .together = has_together ? service->together : NULL,
        .handle_together = has_together ? service_handle_together : NULL,
    };
    return status == NOVA_OK ? rpc_server_create(&service->server, &options, err) : status;
}

static void service_stop(struct service *service)
{
    rpc_server_destroy(&service->server);
    for (uint32_t i = 0; i < service->worker_count; i++) {
        runtime_destroy(&service->workers[i].runtime);
        pg_destroy(&service->workers[i].pg);
    }
    auth_destroy(&service->auth);
    verifier_destroy(&service->verifier);
    process_token_destroy(&service->token);
    bus_connection_destroy(&service->connection);
    if (service->type->state_destroy != NULL && service->state != NULL)
        service->type->state_destroy(service->state);
    seal_key_forget(&service->master);
}

// ---- the loop: only watches; the workers work ---------------------------------------------------

static enum nova_status service_watch(struct service *service, const sigset_t *signals,
                                      struct error *err)
{
    const struct timespec tick = {TICK_MS / 1000, 0};
    for (;;) {
        enum nova_status status = bus_connection_check(service->connection, err);
        if (status != NOVA_OK)
            return status;
        if (rpc_server_is_alive(service->server, REQUEST_MS_MAX))
            notify_watchdog();
        metrics_save(settings_text(service->settings, SETTING_HOME), "service",
                     service->type->name);
        int signal = sigtimedwait(signals, NULL, &tick);
        if (signal > 0) {
            log_info("service: ending", LOG_TEXT("signal", strsignal(signal)));
            return NOVA_OK;
        }
    }
}

int service_run(const struct settings *settings, const char *name)
{
    struct error err = {0};
    sigset_t signals;
    struct service *service = calloc(1, sizeof *service);
    if (service == NULL)
        abort();
    service->settings = settings;
    service->type = service_type_find(name);
    assert(service->type != NULL); // cli/process.def names what the table holds
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); // before the first thread: only the loop takes them
    notify_status("connecting");
    enum nova_status status = service_start(service, &err);
    if (status == NOVA_OK) {
        notify_ready();
        notify_status("answers with %" PRIu32 " workers", service->worker_count);
        log_info("service: ready", LOG_TEXT("service", name));
        status = service_watch(service, &signals, &err);
    }
    if (status == NOVA_CANCELLED)
        status = NOVA_OK;
    if (status != NOVA_OK)
        log_error("service: ends", LOG_ERROR(&err));
    service_stop(service);
    free(service);
    return status == NOVA_OK ? 0 : 1;
}
