// topology_accounts.c - the accounts, users and permissions of nats-server, written from the table.
//
// Several accounts, because a responder writes its answer with its own rights to whatever reply
// subject it was given: within one account anybody who may ask could have an answer stored in
// another's stream. BUS holds JetStream, those who publish events and who makes streams; SERVICES,
// OPERATORS and AUDITORS see exactly what they import; SUBSCRIBERS hears the events as they come
// (core NATS, at most once), and signed checkpoints, and can say nothing. What the relays could do
// to each other, and why that is found: docs/decisions/0010-relays-share-the-bus-account.md.
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

// What operators and auditors ask JetStream. They are in accounts of their own, so that an answer
// comes back there whatever reply subject it was asked with. `rest` follows the stream's name.
struct ask {
    const char *verb, *rest;
    bool is_stream; // many answers to one request
};
static const struct ask auditor_asks[] = {
    {"STREAM.INFO", "", false},
    {"STREAM.MSG.GET", "", false},
    {"DIRECT.GET", "", false},
    {"DIRECT.GET", ".>", false},
};
// Durables of rebuilds have names that nobody knows yet.
static const struct ask operator_asks[] = {
    {"STREAM.INFO", "", false},       {"STREAM.MSG.GET", "", false},
    {"DIRECT.GET", "", false},        {"DIRECT.GET", ".>", false},
    {"CONSUMER.NAMES", "", false},    {"CONSUMER.LIST", "", false},
    {"CONSUMER.INFO", ".*", false},   {"CONSUMER.DURABLE.CREATE", ".*", false},
    {"CONSUMER.DELETE", ".*", false}, {"CONSUMER.MSG.NEXT", ".*", true},
};
// The same of no stream in particular; the operator's.
static const char *const operator_asks_of_all[] = {"INFO", "STREAM.NAMES", "STREAM.LIST"};

#define COUNT(array) (sizeof array / sizeof *array)

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
    // Who may delete the stream may delete the ephemeral consumer that it read it with. No
    // DIRECT.GET: its answer is a message as it was stored, which a reply subject would put whole
    // into another's stream, where it passes for an event; MSG.GET's is JSON, and passes for none.
    fprintf(out, ", \"$JS.API.CONSUMER.DELETE.%s.*\", \"$JS.FC.%s.>\"]}, ", stream, stream);
    accounts_list_begin(out, "subscribe");
    fprintf(out, "\"_INBOX.%s.>\", \"nova.bell.%s\"]}", user, service);
}

// Who signs publishes checkpoints and makes their stream; it reads back the last of each, by JSON
// (no DIRECT.GET: see above).
static void accounts_signer(FILE *out, const char *user)
{
    accounts_list_begin(out, "publish");
    fprintf(out, "\"nova.audit.checkpoint.*\"");
    static const char *const verbs[] = {"STREAM.INFO", "STREAM.CREATE", "STREAM.MSG.GET"};
    for (size_t i = 0; i < COUNT(verbs); i++)
        fprintf(out, ", \"$JS.API.%s.%s\"", verbs[i], TOPOLOGY_CHECKPOINTS);
    fprintf(out, "]}, ");
    accounts_list_begin(out, "subscribe");
    fprintf(out, "\"_INBOX.%s.>\"]}", user);
}

// The requests, under the name that they are imported by. Of the stream of checkpoints operators
// and auditors ask the same.
static void accounts_asks(FILE *out, const struct ask *asks, size_t count)
{
    for (size_t i = 0; i < COUNT(auditor_asks); i++)
        fprintf(out, "\"JS.BUS.API.%s.%s%s\", ", auditor_asks[i].verb, TOPOLOGY_CHECKPOINTS,
                auditor_asks[i].rest);
    for (size_t stream = 0; stream < topology_stream_count(); stream++)
        for (size_t i = 0; i < count; i++)
            fprintf(out, "%s\"JS.BUS.API.%s.%s%s\"", stream + i == 0 ? "" : ", ", asks[i].verb,
                    topology_stream_of(topology_stream_service(stream)), asks[i].rest);
}

static void accounts_operator(FILE *out, const char *user)
{
    accounts_list_begin(out, "publish");
    accounts_asks(out, operator_asks, COUNT(operator_asks));
    for (size_t i = 0; i < COUNT(operator_asks_of_all); i++)
        fprintf(out, ", \"JS.BUS.API.%s\"", operator_asks_of_all[i]);
    for (size_t i = 0; i < topology_stream_count(); i++)
        fprintf(out, ", \"$JS.ACK.%s.>\"", topology_stream_of(topology_stream_service(i)));
    fprintf(out, "]}, ");
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
    accounts_asks(out, auditor_asks, COUNT(auditor_asks));
    fprintf(out, "]}, ");
    accounts_list_begin(out, "subscribe");
    fprintf(out, "\"_INBOX.%s.>\", \"nova.audit.checkpoint.>\"]}", user);
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

// The two requests that a verifier needs for its durable: the filter is a part of the subject, so
// that the server holds it.
static void accounts_verifier_subject(FILE *out, const struct topology_verifier *verifier,
                                      const char *api, bool makes)
{
    fprintf(out, "\"%s.CONSUMER.%s.%s.%s%s\"", api, makes ? "CREATE" : "DELETE",
            TOPOLOGY_REVOKED_STREAM, verifier->durable, makes ? "." TOPOLOGY_REVOKED_SUBJECT : "");
}

static void accounts_service(FILE *out, const char *user)
{
    char service[64];
    snprintf(service, sizeof service, "%.*s", (int)(strlen(user) - strlen("_service")), user);
    accounts_list_begin(out, "publish");
    if (accounts_calls(out, user) > 0)
        fprintf(out, ", ");
    const struct topology_verifier *verifier = topology_verifier_find(service);
    for (int makes = 0; verifier != NULL && makes < 2; makes++) {
        accounts_verifier_subject(out, verifier, "JS.BUS.API", makes);
        fprintf(out, ", ");
    }
    fprintf(out, "\"nova.bell.%s\"]}, ", service);
    accounts_list_begin(out, "subscribe");
    if (verifier != NULL)
        fprintf(out, "\"%s.*\", ", verifier->delivers);
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
    fprintf(out, "\"nova.evt.>\", \"nova.audit.checkpoint.>\", \"_INBOX.%s.>\"]}", user);
}

static void (*const permissions[])(FILE *out, const char *user) = {
    [TOPOLOGY_RELAY] = accounts_relay,
    [TOPOLOGY_OPERATOR] = accounts_operator,
    [TOPOLOGY_PROVISIONER] = accounts_provisioner,
    [TOPOLOGY_SIGNER] = accounts_signer,
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

// One more account's: what `asks` names, of every stream.
static void accounts_export_asks(FILE *out, const struct ask *asks, size_t count,
                                 const char *accounts)
{
    for (size_t stream = 0; stream < topology_stream_count(); stream++)
        for (size_t i = 0; i < count; i++)
            fprintf(out, "      {service: \"$JS.API.%s.%s%s\"%s, accounts: [%s]}\n", asks[i].verb,
                    topology_stream_of(topology_stream_service(stream)), asks[i].rest,
                    asks[i].is_stream ? ", response: stream" : "", accounts);
}

static void accounts_export_durables(FILE *out)
{
    for (size_t i = 0; i < topology_reader_count(); i++) {
        struct durable durable = accounts_durable(topology_reader_at(i));
        for (int verb = 0; verb < DURABLE_VERBS; verb++)
            fprintf(out, "      {service: \"$JS.API.%s.%s.%s\"%s, accounts: [SERVICES]}\n",
                    durable_verbs[verb], durable.stream, durable.name,
                    verb == 0 ? ", response: stream" : "");
        fprintf(out, "      {service: \"$JS.ACK.%s.%s.>\", accounts: [SERVICES]}\n", durable.stream,
                durable.name);
    }
}

static void accounts_export_verifiers(FILE *out)
{
    for (size_t i = 0; i < topology_verifier_count(); i++) {
        const struct topology_verifier *verifier = topology_verifier_at(i);
        for (int makes = 0; makes < 2; makes++) {
            fprintf(out, "      {service: ");
            accounts_verifier_subject(out, verifier, "$JS.API", makes);
            fprintf(out, ", accounts: [SERVICES]}\n");
        }
        fprintf(out, "      {stream: \"%s.*\", accounts: [SERVICES]}\n", verifier->delivers);
    }
}

// What auditors ask, operators ask too, and of STREAM.INFO services: an export is written once,
// with all of its accounts.
static void accounts_exports(FILE *out)
{
    _Static_assert(COUNT(operator_asks) > COUNT(auditor_asks), "operators ask more");
    fprintf(out, "    exports: [\n");
    accounts_export_durables(out);
    accounts_export_verifiers(out);
    accounts_export_asks(out, auditor_asks, 1, "SERVICES, OPERATORS, AUDITORS");
    accounts_export_asks(out, auditor_asks + 1, COUNT(auditor_asks) - 1, "OPERATORS, AUDITORS");
    accounts_export_asks(out, operator_asks + COUNT(auditor_asks),
                         COUNT(operator_asks) - COUNT(auditor_asks), "OPERATORS");
    for (size_t i = 0; i < COUNT(auditor_asks); i++)
        fprintf(out, "      {service: \"$JS.API.%s.%s%s\", accounts: [OPERATORS, AUDITORS]}\n",
                auditor_asks[i].verb, TOPOLOGY_CHECKPOINTS, auditor_asks[i].rest);
    fprintf(out,
            "      {stream: \"nova.audit.checkpoint.>\", accounts: [AUDITORS, SUBSCRIBERS]}\n");
    for (size_t i = 0; i < COUNT(operator_asks_of_all); i++)
        fprintf(out, "      {service: \"$JS.API.%s\", accounts: [OPERATORS]}\n",
                operator_asks_of_all[i]);
    for (size_t i = 0; i < topology_stream_count(); i++) {
        const char *service = topology_stream_service(i);
        fprintf(out,
                "      {service: \"$JS.ACK.%s.>\", accounts: [OPERATORS]}\n"
                "      {service: \"nova.bell.%s\", accounts: [SERVICES]}\n"
                "      {stream: \"nova.evt.%s.>\", accounts: [SUBSCRIBERS]}\n",
                topology_stream_of(service), service, service);
    }
    fprintf(out, "      {stream: \"$JS.EVENT.ADVISORY.>\", accounts: [OPERATORS]}\n    ]\n");
}

static void accounts_import_verifiers(FILE *out)
{
    for (size_t i = 0; i < topology_verifier_count(); i++) {
        const struct topology_verifier *verifier = topology_verifier_at(i);
        for (int makes = 0; makes < 2; makes++) {
            fprintf(out, "      {service: {account: BUS, subject: ");
            accounts_verifier_subject(out, verifier, "$JS.API", makes);
            fprintf(out, "}, to: ");
            accounts_verifier_subject(out, verifier, "JS.BUS.API", makes);
            fprintf(out, "}\n");
        }
        fprintf(out, "      {stream: {account: BUS, subject: \"%s.*\"}}\n", verifier->delivers);
    }
}

static void accounts_services_imports(FILE *out)
{
    fprintf(out, "    imports: [\n");
    accounts_import_verifiers(out);
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

static void accounts_import_ask(FILE *out, const struct ask *ask, const char *stream)
{
    fprintf(out,
            "      {service: {account: BUS, subject: \"$JS.API.%s.%s%s\"}, "
            "to: \"JS.BUS.API.%s.%s%s\"}\n",
            ask->verb, stream, ask->rest, ask->verb, stream, ask->rest);
}

static void accounts_import_asks(FILE *out, const struct ask *asks, size_t count)
{
    for (size_t i = 0; i < COUNT(auditor_asks); i++)
        accounts_import_ask(out, &auditor_asks[i], TOPOLOGY_CHECKPOINTS);
    for (size_t stream = 0; stream < topology_stream_count(); stream++)
        for (size_t i = 0; i < count; i++)
            accounts_import_ask(out, &asks[i], topology_stream_of(topology_stream_service(stream)));
}

static void accounts_operators_imports(FILE *out)
{
    fprintf(out, "    imports: [\n");
    accounts_import_asks(out, operator_asks, COUNT(operator_asks));
    for (size_t i = 0; i < COUNT(operator_asks_of_all); i++)
        fprintf(out,
                "      {service: {account: BUS, subject: \"$JS.API.%s\"}, to: \"JS.BUS.API.%s\"}\n",
                operator_asks_of_all[i], operator_asks_of_all[i]);
    for (size_t i = 0; i < topology_stream_count(); i++)
        fprintf(out, "      {service: {account: BUS, subject: \"$JS.ACK.%s.>\"}}\n",
                topology_stream_of(topology_stream_service(i)));
    fprintf(out, "      {stream: {account: BUS, subject: \"$JS.EVENT.ADVISORY.>\"}}\n    ]\n");
}

static void accounts_auditors_imports(FILE *out)
{
    fprintf(out, "    imports: [\n");
    accounts_import_asks(out, auditor_asks, COUNT(auditor_asks));
    fprintf(out, "      {stream: {account: BUS, subject: \"nova.audit.checkpoint.>\"}}\n    ]\n");
}

static void accounts_subscribers_imports(FILE *out)
{
    fprintf(out, "    imports: [\n");
    for (size_t i = 0; i < topology_stream_count(); i++)
        fprintf(out, "      {stream: {account: BUS, subject: \"nova.evt.%s.>\"}}\n",
                topology_stream_service(i));
    fprintf(out, "      {stream: {account: BUS, subject: \"nova.audit.checkpoint.>\"}}\n    ]\n");
}

static const struct {
    enum topology_account account;
    const char *name;
    void (*borders)(FILE *out);
} accounts[] = {
    {TOPOLOGY_BUS, "BUS", accounts_exports},
    {TOPOLOGY_SERVICES, "SERVICES", accounts_services_imports},
    {TOPOLOGY_OPERATORS, "OPERATORS", accounts_operators_imports},
    {TOPOLOGY_AUDITORS, "AUDITORS", accounts_auditors_imports},
    {TOPOLOGY_SUBSCRIBERS, "SUBSCRIBERS", accounts_subscribers_imports},
};

enum nova_status topology_write_accounts(FILE *out,
                                         const char *(*public_key)(void *context, const char *user),
                                         void *context, struct error *err)
{
    enum nova_status status = NOVA_OK;
    fprintf(out, "# Generated from bus/topology.def: change that, not this.\naccounts {\n");
    for (size_t i = 0; i < COUNT(accounts) && status == NOVA_OK; i++) {
        fprintf(out, "  %s {\n", accounts[i].name);
        if (accounts[i].account == TOPOLOGY_BUS)
            fprintf(out, "    jetstream: enabled\n");
        status = accounts_users(out, accounts[i].account, public_key, context, err);
        accounts[i].borders(out);
        fprintf(out, "  }\n");
    }
    fprintf(out, "}\n");
    return status;
}
