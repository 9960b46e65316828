// jetstream.c - see jetstream.h.
#include "cli/jetstream.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bus/topology.h"
#include "cli/client.h"
#include "cli/command.h"

enum { ANSWER_MS_MAX = 5000, STREAMS_MAX = 32, NAME_WIDTH = 24 };

// JetStream's own refusal, in its words.
static enum nova_status refusal(const json_t *json, const char *verb, struct error *err)
{
    const json_t *error = json_object_get(json, "error");
    if (error == NULL)
        return NOVA_OK;
    const char *why = json_string_value(json_object_get(error, "description"));
    return error_set(err,
                     json_integer_value(json_object_get(error, "code")) == 404
                         ? NOVA_NOT_FOUND
                         : NOVA_FAILED_PRECONDITION,
                     "%s: %s", verb, why != NULL ? why : "refused");
}

static enum nova_status jetstream_ask(json_t **out, struct client *client, const char *verb,
                                      struct error *err)
{
    char subject[256];
    natsMsg *answer = NULL;
    *out = NULL;
    snprintf(subject, sizeof subject, "%s.%s", bus_api_prefix(client->connection), verb);
    natsStatus s = natsConnection_RequestString(&answer, bus_connection_nats(client->connection),
                                                subject, "", ANSWER_MS_MAX);
    if (s != NATS_OK)
        return bus_error(err, s, verb);
    json_error_t wrong;
    *out = json_loadb(natsMsg_GetData(answer), (size_t)natsMsg_GetDataLength(answer), 0, &wrong);
    natsMsg_Destroy(answer);
    enum nova_status status = *out == NULL
                                  ? error_set(err, NOVA_DATA_LOSS, "%s: %s", verb, wrong.text)
                                  : refusal(*out, verb, err);
    if (status != NOVA_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return status;
}

int jetstream_show(const struct settings *settings, const char *verb, bool as_json,
                   void (*print)(const json_t *answer))
{
    struct client client;
    struct error err;
    json_t *answer = NULL;
    enum nova_status status = client_open(&client, settings, "operator", &err);
    if (status == NOVA_OK)
        status = jetstream_ask(&answer, &client, verb, &err);
    client_close(&client);
    if (status != NOVA_OK)
        return command_failed(&err);
    if (as_json) {
        json_dumpf(answer, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        print(answer);
    }
    json_decref(answer);
    return EXIT_CODE_OK;
}

const char *jetstream_stream(const char *command, const char *name)
{
    const char *names[STREAMS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < topology_stream_count() && count < STREAMS_MAX; i++) {
        const char *service = topology_stream_service(i);
        if (strcmp(name, service) == 0 || strcmp(name, topology_stream_of(service)) == 0)
            return topology_stream_of(service);
        names[count++] = topology_stream_of(service);
    }
    command_unknown(command, "stream", name, names, count);
    return NULL;
}

const json_t *jetstream_get(const json_t *json, const char *key, const char *then)
{
    const json_t *found = json_object_get(json, key);
    return then != NULL ? json_object_get(found, then) : found;
}

long long jetstream_number(const json_t *json, const char *key, const char *then)
{
    return json_integer_value(jetstream_get(json, key, then));
}

const char *jetstream_text(const json_t *json, const char *key, const char *then)
{
    const char *text = json_string_value(jetstream_get(json, key, then));
    return text != NULL ? text : "";
}

void jetstream_line(const char *name, const char *format, ...)
{
    va_list arguments;
    printf("%*s: ", NAME_WIDTH, name);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

void jetstream_bytes(char out[32], long long bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes / 1024;
    size_t unit = 0;
    for (; value >= 1024 && unit < 3; unit++)
        value /= 1024;
    if (bytes < 1024)
        snprintf(out, 32, "%lld B", bytes);
    else
        snprintf(out, 32, "%.1f %s", value, units[unit]);
}
