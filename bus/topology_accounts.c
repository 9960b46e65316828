// topology_accounts.c - the accounts, users and permissions of nats-server, written from the table.
//
// Two accounts, because a responder writes its answer with its own rights to whatever reply subject
// it was given: within one account anybody who may ask could have an answer stored in another's
// stream. BUS holds JetStream and those who publish events; SERVICES sees exactly what it imports;
// SUBSCRIBERS hears the events as they come (core NATS, at most once) and can say nothing.
#include <string.h>

#include "bus/topology_internal.h"

// One durable's subjects in the account that owns JetStream, and under its name where imported.
struct durable {
    const char *stream, *name;
};

static struct durable accounts_durable(const struct topology_reader *reader)
{
    return (struct durable){topology_stream_of(reader->source), reader->durable};
}

// The requests that a consumer needs for its own durable: nothing else of the API, never a
// wildcard.
static const char *const durable_verbs[] = {"CONSUMER.MSG.NEXT", "CONSUMER.INFO",
                                            "CONSUMER.DURABLE.CREATE", "CONSUMER.DELETE"};
enum { DURABLE_VERBS = sizeof durable_verbs / sizeof *durable_verbs };

// ---- one user's permissions ---------------------------------------------------------------------

static void accounts_list_begin(FILE *out, const char *what)
{
    fprintf(out, "%s: {allow: [", what);
}

static void accounts_relay(FILE *out, const char *user)
{
    char service[64];
    snprintf(service, sizeof service, "%.*s", (int)(strlen(user) - strlen("_relay")), user);
    const char *stream = topology_stream_of(service);
    accounts_list_begin(out, "publish");
    fprintf(out, "\"nova.evt.%s.>\"", service);
    static const char *const verbs[] = {"STREAM.INFO", "STREAM.CREATE", "STREAM.DELETE",
                                        "STREAM.MSG.GET", "CONSUMER.CREATE"};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        fprintf(out, ", \"$JS.API.%s.%s\"", verbs[i], stream);
    // Who may delete the stream may delete the ephemeral consumer that it read it with.
    fprintf(out,
            ", \"$JS.API.CONSUMER.DELETE.%s.*\", \"$JS.API.DIRECT.GET.%s\", "
            "\"$JS.API.DIRECT.GET.%s.>\", \"$JS.FC.%s.>\"]}, ",
            stream, stream, stream, stream);
    accounts_list_begin(out, "subscribe");
    fprintf(out, "\"_INBOX.%s.>\", \"nova.bell.%s\"]}", user, service);
}

static void accounts_operator(FILE *out, const char *user)
{
    accounts_list_begin(out, "publish");
    fprintf(out,
            "\"$JS.API.INFO\", \"$JS.API.STREAM.INFO.*\", \"$JS.API.STREAM.NAMES\", "
            "\"$JS.API.STREAM.LIST\", \"$JS.API.STREAM.MSG.GET.*\", "
            "\"$JS.API.DIRECT.GET.>\", \"$JS.API.CONSUMER.>\", \"$JS.ACK.>\", \"$JS.FC.>\"]}, ");
    accounts_list_begin(out, "subscribe");
    fprintf(out, "\"_INBOX.%s.>\", \"$JS.EVENT.ADVISORY.>\"]}", user);
}

static void accounts_provisioner(FILE *out, const char *user)
{
    accounts_list_begin(out, "publish");
    fprintf(out, "\"$JS.API.>\"]}, ");
    accounts_list_begin(out, "subscribe");
    fprintf(out, "\"_INBOX.%s.>\"]}", user);
}

static void accounts_auditor(FILE *out, const char *user)
{
    accounts_list_begin(out, "publish");
    fprintf(out, "\"$JS.API.STREAM.INFO.*\", \"$JS.API.STREAM.MSG.GET.*\", "
                 "\"$JS.API.DIRECT.GET.*\", \"$JS.API.DIRECT.GET.*.>\", "
                 "\"$JS.API.CONSUMER.CREATE.*\", \"$JS.FC.>\"]}, ");
    accounts_list_begin(out, "subscribe");
    fprintf(out, "\"_INBOX.%s.>\"]}", user);
}

static int accounts_calls(FILE *out, const char *user)
{
    int count = 0;
    for (size_t i = 0; i < topology_call_count(); i++) {
        const struct topology_call *call = topology_call_at(i);
        if (strcmp(call->user, user) == 0)
            fprintf(out, "%s\"nova.rpc.%s.v2.%s\"", count++ ? ", " : "", call->service,
                    call->method);
    }
    return count;
}

static void accounts_service(FILE *out, const char *user)
{
    char service[64];
    snprintf(service, sizeof service, "%.*s", (int)(strlen(user) - strlen("_service")), user);
    accounts_list_begin(out, "publish");
    if (accounts_calls(out, user) > 0)
        fprintf(out, ", ");
    fprintf(out, "\"nova.bell.%s\"]}, ", service);
    accounts_list_begin(out, "subscribe");
    fprintf(out,
            "\"nova.rpc.%s.v2.> %s\", \"$SRV.PING\", \"$SRV.INFO\", \"$SRV.STATS\", "
            "\"$SRV.*.%s\", \"$SRV.*.%s.*\", \"_INBOX.%s.>\"]}, "
            "allow_responses: {max: 1, expires: \"30s\"}",
            service, service, service, service, user);
}

static void accounts_consumer(FILE *out, const char *user)
{
    accounts_list_begin(out, "publish");
    bool first = accounts_calls(out, user) == 0;
    for (size_t i = 0; i < topology_reader_count(); i++) {
        const struct topology_reader *reader = topology_reader_at(i);
        if (strcmp(reader->user, user) != 0)
            continue;
        struct durable durable = accounts_durable(reader);
        for (int verb = 0; verb < DURABLE_VERBS; verb++) {
            fprintf(out, "%s\"JS.BUS.API.%s.%s.%s\"", first ? "" : ", ", durable_verbs[verb],
                    durable.stream, durable.name);
            first = false;
        }
        fprintf(out, ", \"$JS.ACK.%s.%s.>\", \"JS.BUS.API.STREAM.INFO.%s\"", durable.stream,
                durable.name, durable.stream);
    }
    fprintf(out, "]}, ");
    accounts_list_begin(out, "subscribe");
    fprintf(out, "\"_INBOX.%s.>\"]}", user);
}

static void accounts_caller(FILE *out, const char *user)
{
    accounts_list_begin(out, "publish");
    accounts_calls(out, user);
    fprintf(out, ", \"$SRV.>\"]}, ");
    accounts_list_begin(out, "subscribe");
    fprintf(out, "\"_INBOX.%s.>\"]}", user);
}

static void accounts_subscriber(FILE *out, const char *user)
{
    fprintf(out, "publish: {deny: [\">\"]}, "); // an empty allow list would restrict nothing
    accounts_list_begin(out, "subscribe");
    fprintf(out, "\"nova.evt.>\", \"_INBOX.%s.>\"]}", user);
}

static void (*const permissions[])(FILE *out, const char *user) = {
    [TOPOLOGY_RELAY] = accounts_relay,
    [TOPOLOGY_OPERATOR] = accounts_operator,
    [TOPOLOGY_PROVISIONER] = accounts_provisioner,
    [TOPOLOGY_AUDITOR] = accounts_auditor,
    [TOPOLOGY_SERVICE] = accounts_service,
    [TOPOLOGY_CONSUMER] = accounts_consumer,
    [TOPOLOGY_CALLER] = accounts_caller,
    [TOPOLOGY_SUBSCRIBER] = accounts_subscriber,
};

static enum nova_status accounts_users(FILE *out, enum topology_account account,
                                       const char *(*public_key)(void *context, const char *user),
                                       void *context, struct error *err)
{
    fprintf(out, "    users: [\n");
    for (size_t i = 0; i < topology_user_count(); i++) {
        const struct topology_user *user = topology_user_at(i);
        if (user->account != account)
            continue;
        const char *key = public_key(context, user->name);
        if (key == NULL)
            return error_set(err, NOVA_NOT_FOUND, "no nkey for %s: run ./nova up", user->name);
        fprintf(out, "      # %s\n      {nkey: %s, permissions: {", user->name, key);
        permissions[user->kind](out, user->name);
        fprintf(out, "}}\n");
    }
    fprintf(out, "    ]\n");
    return NOVA_OK;
}

// ---- what crosses the accounts' border ----------------------------------------------------------

static void accounts_exports(FILE *out)
{
    fprintf(out, "    exports: [\n");
    for (size_t i = 0; i < topology_reader_count(); i++) {
        struct durable durable = accounts_durable(topology_reader_at(i));
        for (int verb = 0; verb < DURABLE_VERBS; verb++)
            fprintf(out, "      {service: \"$JS.API.%s.%s.%s\"%s, accounts: [SERVICES]}\n",
                    durable_verbs[verb], durable.stream, durable.name,
                    verb == 0 ? ", response: stream" : "");
        fprintf(out, "      {service: \"$JS.ACK.%s.%s.>\", accounts: [SERVICES]}\n", durable.stream,
                durable.name);
    }
    for (size_t i = 0; i < topology_stream_count(); i++)
        fprintf(out,
                "      {service: \"$JS.API.STREAM.INFO.%s\", accounts: [SERVICES]}\n"
                "      {service: \"nova.bell.%s\", accounts: [SERVICES]}\n"
                "      {stream: \"nova.evt.%s.>\", accounts: [SUBSCRIBERS]}\n",
                topology_stream_of(topology_stream_service(i)), topology_stream_service(i),
                topology_stream_service(i));
    fprintf(out, "    ]\n");
}

static void accounts_imports(FILE *out)
{
    fprintf(out, "    imports: [\n");
    for (size_t i = 0; i < topology_reader_count(); i++) {
        struct durable durable = accounts_durable(topology_reader_at(i));
        for (int verb = 0; verb < DURABLE_VERBS; verb++)
            fprintf(out,
                    "      {service: {account: BUS, subject: \"$JS.API.%s.%s.%s\"}, "
                    "to: \"JS.BUS.API.%s.%s.%s\"}\n",
                    durable_verbs[verb], durable.stream, durable.name, durable_verbs[verb],
                    durable.stream, durable.name);
        fprintf(out, "      {service: {account: BUS, subject: \"$JS.ACK.%s.%s.>\"}}\n",
                durable.stream, durable.name);
    }
    for (size_t i = 0; i < topology_stream_count(); i++) {
        const char *stream = topology_stream_of(topology_stream_service(i));
        fprintf(out,
                "      {service: {account: BUS, subject: \"$JS.API.STREAM.INFO.%s\"}, "
                "to: \"JS.BUS.API.STREAM.INFO.%s\"}\n"
                "      {service: {account: BUS, subject: \"nova.bell.%s\"}}\n",
                stream, stream, topology_stream_service(i));
    }
    fprintf(out, "    ]\n");
}

static void accounts_heard(FILE *out)
{
    fprintf(out, "    imports: [\n");
    for (size_t i = 0; i < topology_stream_count(); i++)
        fprintf(out, "      {stream: {account: BUS, subject: \"nova.evt.%s.>\"}}\n",
                topology_stream_service(i));
    fprintf(out, "    ]\n");
}

enum nova_status topology_write_accounts(FILE *out,
                                         const char *(*public_key)(void *context, const char *user),
                                         void *context, struct error *err)
{
    fprintf(out, "# Generated from bus/topology.def: change that, not this.\naccounts {\n  BUS {\n"
                 "    jetstream: enabled\n");
    enum nova_status status = accounts_users(out, TOPOLOGY_BUS, public_key, context, err);
    accounts_exports(out);
    fprintf(out, "  }\n  SERVICES {\n");
    if (status == NOVA_OK)
        status = accounts_users(out, TOPOLOGY_SERVICES, public_key, context, err);
    accounts_imports(out);
    fprintf(out, "  }\n  SUBSCRIBERS {\n");
    if (status == NOVA_OK)
        status = accounts_users(out, TOPOLOGY_SUBSCRIBERS, public_key, context, err);
    accounts_heard(out);
    fprintf(out, "  }\n}\n");
    return status;
}
