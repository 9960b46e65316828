// log_tail.c - `nova log tail [SUBJECT]`: what the streams bring from now on, until ^C.
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bus/cloudevents.h"
#include "bus/topology.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/log.h"
#include "cli/log_event.h"

enum { STREAMS_MAX = 16, WAIT_MS = 50 };

struct tail {
    struct client client;
    struct log_keys *keys;
    jsCtx *js;
    struct arena *arena;
    enum log_format format;
    size_t count;
    const char *services[STREAMS_MAX];
    natsSubscription *subscriptions[STREAMS_MAX];
};

static volatile sig_atomic_t stop;

static void on_signal(int signal)
{
    (void)signal;
    stop = 1;
}

static enum nova_status print_message(struct tail *tail, const char *service, natsMsg *message,
                                      struct error *err)
{
    struct event event;
    struct cloudevents_extra extra;
    struct bytes body = {(const uint8_t *)natsMsg_GetData(message),
                         (size_t)natsMsg_GetDataLength(message)};
    json_t *json = NULL;
    arena_reset(tail->arena);
    enum nova_status status = cloudevents_decode(&event, &extra, tail->arena, service, body, err);
    if (status == NOVA_OK)
        status = log_events_json(&json, tail->keys, service, &event, &extra.traceparent, 1, err);
    if (status == NOVA_OK)
        log_print(json, tail->format);
    json_decref(json);
    fflush(stdout);
    return status;
}

// Words between dots, "*" for any word, ">" at the end for all that follow.
static bool is_subject(const char *text)
{
    size_t len = strlen(text), word = 0;
    for (size_t i = 0; i <= len; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c == '.' || c == '\0') && word == 0)
            return false;
        if ((c <= ' ' && c != '\0') || c == 127)
            return false;
        if ((c == '*' && (word > 0 || (text[i + 1] != '.' && text[i + 1] != '\0'))) ||
            (c == '>' && (word > 0 || text[i + 1] != '\0')))
            return false;
        word = c == '.' ? 0 : word + 1;
    }
    return len < TOPOLOGY_SUBJECT_BYTES;
}

// A subject of one service reads its stream only; "nova.evt.>" and none read all.
static enum nova_status subscribe(struct tail *tail, const char *subject, struct error *err)
{
    for (size_t i = 0; i < topology_stream_count(); i++) {
        char all[TOPOLOGY_SUBJECT_BYTES];
        const char *service = topology_stream_service(i);
        int prefix = snprintf(all, sizeof all, "nova.evt.%s.>", service) - 1;
        bool every = subject == NULL || strcmp(subject, "nova.evt.>") == 0;
        if (!every && strncmp(subject, all, (size_t)prefix) != 0)
            continue;
        jsErrCode code = 0;
        jsSubOptions options;
        jsSubOptions_Init(&options);
        options.Stream = topology_stream_of(service);
        options.Ordered = true;
        options.Config.DeliverPolicy = js_DeliverNew;
        natsStatus s = js_SubscribeSync(&tail->subscriptions[tail->count], tail->js,
                                        every ? all : subject, NULL, &options, &code);
        if (s != NATS_OK)
            return bus_error(err, s, "reading a stream");
        tail->services[tail->count++] = service;
    }
    return tail->count > 0
               ? NOVA_OK
               : error_set(err, NOVA_INVALID_ARGUMENT,
                           "no stream has '%s'; subjects are like nova.evt.content.post.created.*",
                           subject);
}

static enum nova_status follow(struct tail *tail, struct error *err)
{
    enum nova_status status = NOVA_OK;
    while (!stop && status == NOVA_OK) {
        for (size_t i = 0; i < tail->count && status == NOVA_OK && !stop; i++) {
            natsMsg *message = NULL;
            if (natsSubscription_NextMsg(&message, tail->subscriptions[i], WAIT_MS) != NATS_OK)
                continue;
            status = print_message(tail, tail->services[i], message, err);
            natsMsg_Destroy(message);
        }
        if (status == NOVA_OK)
            status = bus_connection_check(tail->client.connection, err);
    }
    return status;
}

int log_tail(const struct settings *settings, int argc, char **argv)
{
    struct tail tail = {0};
    struct error err = {0};
    const char *subject = NULL;
    bool sealed = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            tail.format = LOG_FORMAT_JSON;
        else if (strcmp(argv[i], "--sealed") == 0)
            sealed = true;
        else if (argv[i][0] == '-' || subject != NULL)
            return command_usage("log", "log tail takes no '%s'", argv[i]);
        else
            subject = argv[i];
    }
    if (subject != NULL && !is_subject(subject))
        return command_usage("log", "'%s' is no subject; they are like nova.evt.content.post.>",
                             subject);
    tail.arena = arena_create();
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    tail.keys = log_keys_create(settings, !sealed);
    enum nova_status status = client_open(&tail.client, settings, "auditor", &err);
    if (status == NOVA_OK)
        status = bus_jetstream(&tail.js, tail.client.connection, &err);
    if (status == NOVA_OK)
        status = subscribe(&tail, subject, &err);
    if (status == NOVA_OK) {
        command_say("from now on; end with ^C");
        status = follow(&tail, &err);
    }
    // Closed first: an auditor may not delete consumers, which go by themselves.
    client_close(&tail.client);
    for (size_t i = 0; i < tail.count; i++)
        natsSubscription_Destroy(tail.subscriptions[i]);
    jsCtx_Destroy(tail.js);
    log_keys_destroy(&tail.keys);
    arena_destroy(&tail.arena);
    return status == NOVA_OK ? EXIT_CODE_OK : command_failed(&err);
}
