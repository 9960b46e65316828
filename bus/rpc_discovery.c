// rpc_discovery.c - the NATS service protocol (ADR-32): PING, INFO and STATS of a service.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus/rpc_internal.h"

enum { VERBS = 3, SCOPES = 3 };
static const char *const verbs[VERBS] = {"PING", "INFO", "STATS"};

struct rpc_discovery {
    struct bus_connection *connection;
    const struct contract_service *service;
    void (*stats)(void *context, unsigned method, struct rpc_stats *out);
    void *context;
    char id[UUID_TEXT_BYTES];
    char started[32];
    natsSubscription *subscriptions[VERBS * SCOPES];
};

static json_t *discovery_base(const struct rpc_discovery *discovery, const char *kind)
{
    char type[64];
    snprintf(type, sizeof type, "io.nats.micro.v1.%s_response", kind);
    return json_pack("{s:s, s:s, s:s, s:s, s:{}}", "type", type, "name", discovery->service->name,
                     "id", discovery->id, "version", "2.0.0", "metadata");
}

static json_t *discovery_endpoint(const struct rpc_discovery *discovery, unsigned method)
{
    char subject[RPC_SUBJECT_BYTES];
    const char *name = discovery->service->descriptor->methods[method].name;
    snprintf(subject, sizeof subject, RPC_SUBJECT_FORMAT, discovery->service->name, name);
    return json_pack("{s:s, s:s, s:s}", "name", name, "subject", subject, "queue_group",
                     discovery->service->name);
}

static json_t *discovery_info(const struct rpc_discovery *discovery)
{
    json_t *info = discovery_base(discovery, "info");
    json_t *endpoints = json_array();
    for (unsigned i = 0; i < discovery->service->descriptor->n_methods; i++) {
        json_t *endpoint = discovery_endpoint(discovery, i);
        json_object_set_new(endpoint, "metadata",
                            json_pack("{s:s}", "format", "application/protobuf"));
        json_array_append_new(endpoints, endpoint);
    }
    json_object_set_new(info, "description", json_string("Nova service; see its contract"));
    json_object_set_new(info, "endpoints", endpoints);
    return info;
}

static json_t *discovery_stats(const struct rpc_discovery *discovery)
{
    json_t *all = discovery_base(discovery, "stats");
    json_t *endpoints = json_array();
    for (unsigned i = 0; i < discovery->service->descriptor->n_methods; i++) {
        struct rpc_stats stats;
        discovery->stats(discovery->context, i, &stats);
        json_t *endpoint = discovery_endpoint(discovery, i);
        json_object_set_new(endpoint, "num_requests", json_integer((json_int_t)stats.requests));
        json_object_set_new(endpoint, "num_errors", json_integer((json_int_t)stats.errors));
        json_object_set_new(endpoint, "last_error", json_string(stats.last_error));
        json_object_set_new(endpoint, "processing_time", json_integer(stats.processing_ns));
        json_object_set_new(endpoint, "average_processing_time",
                            json_integer(stats.requests == 0
                                             ? 0
                                             : stats.processing_ns / (json_int_t)stats.requests));
        json_array_append_new(endpoints, endpoint);
    }
    json_object_set_new(all, "started", json_string(discovery->started));
    json_object_set_new(all, "endpoints", endpoints);
    return all;
}

static void discovery_on_request(natsConnection *nc, natsSubscription *sub, natsMsg *msg,
                                 void *context)
{
    (void)sub;
    const struct rpc_discovery *discovery = context;
    const char *subject = natsMsg_GetReply(msg);
    if (subject != NULL && strncmp(subject, RPC_INBOX_PREFIX, strlen(RPC_INBOX_PREFIX)) == 0) {
        const char *verb = natsMsg_GetSubject(msg) + strlen("$SRV.");
        json_t *answer = strncmp(verb, "PING", 4) == 0   ? discovery_base(discovery, "ping")
                         : strncmp(verb, "INFO", 4) == 0 ? discovery_info(discovery)
                                                         : discovery_stats(discovery);
        char *text = json_dumps(answer, JSON_COMPACT);
        if (text != NULL)
            natsConnection_PublishString(nc, subject, text);
        free(text);
        json_decref(answer);
    }
    natsMsg_Destroy(msg);
}

static enum nova_status discovery_subscribe(struct rpc_discovery *discovery, struct error *err)
{
    natsConnection *nc = bus_connection_nats(discovery->connection);
    for (int i = 0; i < VERBS * SCOPES; i++) {
        char subject[RPC_SUBJECT_BYTES];
        const char *verb = verbs[i / SCOPES];
        if (i % SCOPES == 0)
            snprintf(subject, sizeof subject, "$SRV.%s", verb);
        else if (i % SCOPES == 1)
            snprintf(subject, sizeof subject, "$SRV.%s.%s", verb, discovery->service->name);
        else
            snprintf(subject, sizeof subject, "$SRV.%s.%s.%s", verb, discovery->service->name,
                     discovery->id);
        natsStatus s = natsConnection_Subscribe(&discovery->subscriptions[i], nc, subject,
                                                discovery_on_request, discovery);
        if (s != NATS_OK)
            return bus_error(err, s, "subscribing to service discovery");
    }
    return NOVA_OK;
}

enum nova_status rpc_discovery_create(struct rpc_discovery **out, struct bus_connection *connection,
                                      const struct contract_service *service,
                                      void (*stats)(void *context, unsigned method,
                                                    struct rpc_stats *out),
                                      void *context, struct error *err)
{
    struct rpc_discovery *discovery = calloc(1, sizeof *discovery);
    *discovery = (struct rpc_discovery){connection, service, stats, context, "", "", {NULL}};
    struct uuid id = uuid_v7();
    uuid_format(discovery->id, &id);
    time_t now = time(NULL);
    struct tm utc;
    strftime(discovery->started, sizeof discovery->started, "%Y-%m-%dT%H:%M:%SZ",
             gmtime_r(&now, &utc));
    enum nova_status status = discovery_subscribe(discovery, err);
    if (status != NOVA_OK)
        rpc_discovery_destroy(&discovery);
    *out = discovery;
    return status;
}

void rpc_discovery_destroy(struct rpc_discovery **discovery)
{
    if (discovery == NULL || *discovery == NULL)
        return;
    for (int i = 0; i < VERBS * SCOPES; i++)
        bus_unsubscribe_callback(&(*discovery)->subscriptions[i]);
    free(*discovery);
    *discovery = NULL;
}
