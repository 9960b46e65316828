// log_tail.c - `nova log tail [SUBJECT]`: what the streams bring from now on, until ^C.
//
// The auditor only asks: how far a stream has come, then message after message. Nothing is made on
// the server for it, a lost connection or a stream that is filled again costs time and no event.
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bus/cloudevents.h"
#include "bus/member.h"
#include "bus/topology.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/log.h"
#include "cli/log_event.h"

enum { STREAMS_MAX = 16, POLL_MS = 100 };

// One stream that is followed.
struct followed {
    const char *service, *stream;
    char subject[TOPOLOGY_SUBJECT_BYTES];
    uint64_t next_n; // the first message that was not looked at
};

struct tail {
    struct client client;
    struct log_keys *keys;
    jsCtx *js;
    struct arena *arena;
    enum log_format format;
    struct member member;
    size_t count;
    struct followed followed[STREAMS_MAX];
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
    if (status == NOVA_OK && !member_has(&tail->member, &event.aggregate_id))
        return NOVA_OK;
    if (status == NOVA_OK)
        status = log_events_json(&json, tail->keys, service, &event, &extra.traceparent, 1, err);
    if (status == NOVA_OK)
        log_print(json, tail->format);
    json_decref(json);
    fflush(stdout);
    return status;
}

static natsStatus stream_last(uint64_t *out, struct tail *tail, const char *stream)
{
    jsStreamInfo *info = NULL;
    natsStatus s = js_GetStreamInfo(&info, tail->js, stream, NULL, NULL);
    if (s == NATS_OK)
        *out = info->State.LastSeq;
    jsStreamInfo_Destroy(info);
    return s;
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
static enum nova_status choose(struct tail *tail, const char *subject, struct error *err)
{
    for (size_t i = 0; i < topology_stream_count(); i++) {
        char all[TOPOLOGY_SUBJECT_BYTES];
        const char *service = topology_stream_service(i);
        int prefix = snprintf(all, sizeof all, "nova.evt.%s.>", service) - 1;
        bool every = subject == NULL || strcmp(subject, "nova.evt.>") == 0;
        if (!every && strncmp(subject, all, (size_t)prefix) != 0)
            continue;
        struct followed *followed = &tail->followed[tail->count++];
        uint64_t last = 0;
        followed->service = service;
        followed->stream = topology_stream_of(service);
        if (snprintf(followed->subject, sizeof followed->subject, "%s", every ? all : subject) >=
            (int)sizeof followed->subject)
            return error_set(err, NOVA_INVALID_ARGUMENT, "the subject is longer than %d bytes",
                             TOPOLOGY_SUBJECT_BYTES - 1);
        natsStatus s = stream_last(&last, tail, followed->stream);
        if (s != NATS_OK)
            return bus_error(err, s, "reading a stream");
        followed->next_n = last + 1;
    }
    return tail->count > 0
               ? NOVA_OK
               : error_set(err, NOVA_INVALID_ARGUMENT,
                           "no stream has '%s'; subjects are like nova.evt.content.post.created.*",
                           subject);
}

// Prints what came to one stream; *moved: there was something. What fails in passing (the server
// starts again, the stream is filled again) is asked again at the next look.
static enum nova_status look(bool *moved, struct tail *tail, struct followed *followed,
                             struct error *err)
{
    uint64_t last = 0;
    enum nova_status status = NOVA_OK;
    if (stream_last(&last, tail, followed->stream) != NATS_OK)
        return NOVA_OK;
    while (followed->next_n <= last && status == NOVA_OK && !stop) {
        natsMsg *message = NULL;
        jsDirectGetMsgOptions options;
        jsDirectGetMsgOptions_Init(&options);
        options.Sequence = followed->next_n;
        options.NextBySubject = followed->subject;
        natsStatus s = js_DirectGetMsg(&message, tail->js, followed->stream, NULL, &options);
        if (s != NATS_OK && s != NATS_NOT_FOUND)
            return NOVA_OK;
        followed->next_n = s == NATS_OK ? natsMsg_GetSequence(message) + 1 : last + 1;
        if (s == NATS_OK)
            status = print_message(tail, followed->service, message, err);
        natsMsg_Destroy(message);
        *moved = true;
    }
    return status;
}

static enum nova_status follow(struct tail *tail, struct error *err)
{
    enum nova_status status = NOVA_OK;
    while (!stop && status == NOVA_OK) {
        bool moved = false;
        for (size_t i = 0; i < tail->count && status == NOVA_OK && !stop; i++)
            status = look(&moved, tail, &tail->followed[i], err);
        if (status == NOVA_OK)
            status = bus_connection_check(tail->client.connection, err);
        if (!moved && !stop)
            nats_Sleep(POLL_MS);
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
        else if (strcmp(argv[i], "--member") == 0 && i + 1 < argc &&
                 member_parse(&tail.member, argv[i + 1]))
            i++;
        else if (strcmp(argv[i], "--member") == 0)
            return command_usage("log", "--member wants " MEMBER_IS);
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
        status = choose(&tail, subject, &err);
    if (status == NOVA_OK) {
        command_say("from now on; end with ^C");
        status = follow(&tail, &err);
    }
    jsCtx_Destroy(tail.js);
    client_close(&tail.client);
    log_keys_destroy(&tail.keys);
    arena_destroy(&tail.arena);
    return status == NOVA_OK ? EXIT_CODE_OK : command_failed(&err);
}
