// log_messages.c - see log_messages.h.
#include "cli/log_messages.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"

enum { ANSWER_MS = 2000, ATTEMPTS = 5, LOOK_MS = 50, SUBJECT_BYTES = 160 };

struct log_messages {
    struct bus_connection *connection;
    const char *stream;
    jsCtx *js;
    natsSubscription *answers;
    char inbox[SUBJECT_BYTES / 2];
    uint64_t n, asked, last;       // given out, asked for, to be given out
    natsMsg *came[LOG_WINDOW_MAX]; // by number modulo the window
};

// ---- life ---------------------------------------------------------------------------------------

static enum nova_status count(uint64_t *out, struct log_messages *messages, struct error *err)
{
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;
    natsStatus s = js_GetStreamInfo(&info, messages->js, messages->stream, NULL, &code);
    *out = s == NATS_OK ? info->State.LastSeq : 0;
    jsStreamInfo_Destroy(info);
    return s == NATS_OK || s == NATS_NOT_FOUND ? NOVA_OK : bus_error(err, s, messages->stream);
}

static enum nova_status wait_for(struct log_messages *messages, uint64_t wanted, int64_t wait_ms,
                                 struct error *err)
{
    enum nova_status status = count(&messages->last, messages, err);
    for (int64_t ms = 0; status == NOVA_OK && messages->last < wanted && ms < wait_ms;
         ms += LOOK_MS) {
        nanosleep(&(struct timespec){0, LOOK_MS * 1000000}, NULL);
        status = count(&messages->last, messages, err);
    }
    return status;
}

enum nova_status log_messages_open(struct log_messages **out, struct bus_connection *connection,
                                   const char *stream, uint64_t wanted, int64_t wait_ms,
                                   uint64_t *last, struct error *err)
{
    char subject[SUBJECT_BYTES], id[UUID_TEXT_BYTES];
    struct log_messages *messages = calloc(1, sizeof *messages);
    if (messages == NULL)
        abort();
    *out = messages;
    messages->connection = connection;
    messages->stream = stream;
    enum nova_status status = bus_jetstream(&messages->js, connection, err);
    if (status == NOVA_OK)
        status = wait_for(messages, wanted, wait_ms, err);
    if (status != NOVA_OK)
        return status;
    *last = messages->last;
    if (messages->last > wanted)
        messages->last = wanted;
    struct uuid own = uuid_v7(); // others may verify at the same time
    uuid_format(id, &own);
    snprintf(messages->inbox, sizeof messages->inbox, "_INBOX.%s.%s",
             bus_connection_user(connection), id);
    snprintf(subject, sizeof subject, "%s.*", messages->inbox);
    natsStatus s =
        natsConnection_SubscribeSync(&messages->answers, bus_connection_nats(connection), subject);
    return s == NATS_OK ? NOVA_OK : bus_error(err, s, "listening for messages");
}

void log_messages_close(struct log_messages **messages)
{
    if (*messages == NULL)
        return;
    for (int i = 0; i < LOG_WINDOW_MAX; i++)
        natsMsg_Destroy((*messages)->came[i]);
    bus_unsubscribe((*messages)->connection, &(*messages)->answers);
    jsCtx_Destroy((*messages)->js);
    free(*messages);
    *messages = NULL;
}

// ---- messages -----------------------------------------------------------------------------------

static enum nova_status ask(struct log_messages *messages, uint64_t n, struct error *err)
{
    char subject[SUBJECT_BYTES], reply[SUBJECT_BYTES], question[48];
    snprintf(subject, sizeof subject, "%s.DIRECT.GET.%s", bus_api_prefix(messages->connection),
             messages->stream);
    snprintf(reply, sizeof reply, "%s.%" PRIu64, messages->inbox, n);
    int len = snprintf(question, sizeof question, "{\"seq\":%" PRIu64 "}", n);
    natsStatus s = natsConnection_PublishRequest(bus_connection_nats(messages->connection), subject,
                                                 reply, question, len);
    return s == NATS_OK ? NOVA_OK : bus_error(err, s, messages->stream);
}

static enum nova_status ask_ahead(struct log_messages *messages, struct error *err)
{
    enum nova_status status = NOVA_OK;
    while (messages->asked < messages->last && messages->asked < messages->n + LOG_WINDOW_MAX &&
           status == NOVA_OK)
        status = ask(messages, ++messages->asked, err);
    return status;
}

// An answer of the window; one that came twice, or too late, is dropped.
static void take(struct log_messages *messages, natsMsg *answer)
{
    const char *number = strrchr(natsMsg_GetSubject(answer), '.');
    uint64_t n = number != NULL ? strtoull(number + 1, NULL, 10) : 0;
    natsMsg **place = &messages->came[n % LOG_WINDOW_MAX];
    if (n > messages->n && n <= messages->asked && *place == NULL)
        *place = answer;
    else
        natsMsg_Destroy(answer);
}

// A message as it was stored, or a status: 404 is the one that says that there is none.
static enum nova_status read_answer(struct bytes *out, const struct log_messages *messages,
                                    natsMsg *answer, struct error *err)
{
    const char *code = NULL;
    if (natsMsgHeader_Get(answer, "Status", &code) != NATS_OK || code == NULL)
        *out = (struct bytes){(const uint8_t *)natsMsg_GetData(answer),
                              (size_t)natsMsg_GetDataLength(answer)};
    else if (strcmp(code, "404") != 0)
        return error_set_transient(err, NOVA_UNAVAILABLE, "%s: status %s", messages->stream, code);
    return NOVA_OK;
}

enum nova_status log_messages_next(struct bytes *out, struct log_messages *messages,
                                   struct error *err)
{
    natsMsg **given = &messages->came[messages->n % LOG_WINDOW_MAX];
    natsMsg_Destroy(*given); // the last one
    *given = NULL;
    *out = (struct bytes){NULL, 0};
    if (messages->n == messages->last)
        return NOVA_OK;
    uint64_t n = messages->n + 1;
    natsMsg **place = &messages->came[n % LOG_WINDOW_MAX];
    enum nova_status status = ask_ahead(messages, err);
    for (int attempt = 0; status == NOVA_OK && *place == NULL; attempt++) {
        natsMsg *answer = NULL;
        natsStatus s = natsSubscription_NextMsg(&answer, messages->answers, ANSWER_MS);
        if (s == NATS_OK) {
            take(messages, answer);
            attempt = -1;
        } else if (attempt == ATTEMPTS || s != NATS_TIMEOUT) {
            status = bus_error(err, s, messages->stream);
        } else {
            status = ask(messages, n, err); // the question or its answer was lost
        }
    }
    if (status != NOVA_OK)
        return status;
    messages->n = n;
    return read_answer(out, messages, *place, err);
}
