// published.c - see published.h.
#include "signer/published.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bus/connection.h"
#include "bus/topology.h"

enum { ANSWER_MS = 5000 };

static enum nova_status away(struct error *err, const char *doing, natsStatus s)
{
    return error_set_transient(err, NOVA_UNAVAILABLE, "%s %s: %s", doing, TOPOLOGY_CHECKPOINTS,
                               natsStatus_GetText(s));
}

enum nova_status published_make(jsCtx *js, struct error *err)
{
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;
    natsStatus s = js_GetStreamInfo(&info, js, TOPOLOGY_CHECKPOINTS, NULL, &code);
    jsStreamInfo_Destroy(info);
    if (s == NATS_OK)
        return NOVA_OK;
    if (s != NATS_NOT_FOUND)
        return away(err, "asking for", s);
    jsStreamConfig config;
    topology_checkpoints_config(&config);
    s = js_AddStream(NULL, js, &config, NULL, &code);
    return s == NATS_OK ? NOVA_OK : away(err, "making", s);
}

static enum nova_status take(struct published *out, natsMsg *message, const char *service,
                             const struct checkpoint_policy *policy, struct arena *arena,
                             struct error *err)
{
    size_t len = (size_t)natsMsg_GetDataLength(message);
    char *note = arena_alloc(arena, len + 1);
    memcpy(note, natsMsg_GetData(message), len);
    note[len] = '\0';
    out->sequence = natsMsg_GetSequence(message);
    out->note = note;
    if (checkpoint_open(&out->opened, arena, note, len, policy, err) == NOVA_OK)
        return NOVA_OK;
    error_while(err, "message %" PRIu64 " of %s, %s's last", out->sequence, TOPOLOGY_CHECKPOINTS,
                service);
    err->status = NOVA_DATA_LOSS;
    return NOVA_DATA_LOSS;
}

enum nova_status published_last(struct published *out, jsCtx *js, const char *service,
                                const struct checkpoint_policy *policy, struct arena *arena,
                                struct error *err)
{
    natsMsg *message = NULL;
    jsErrCode code = 0;
    char subject[TOPOLOGY_SUBJECT_BYTES];
    *out = (struct published){.sequence = 0};
    topology_checkpoint_subject(subject, service);
    natsStatus s = js_GetLastMsg(&message, js, TOPOLOGY_CHECKPOINTS, subject, NULL, &code);
    if (s == NATS_NOT_FOUND || code == JSStreamNotFoundErr) // the store was lost, or is new
        return published_make(js, err);
    enum nova_status status =
        s == NATS_OK ? take(out, message, service, policy, arena, err) : away(err, "reading", s);
    natsMsg_Destroy(message);
    return status;
}

enum nova_status published_look(struct published *out, jsCtx *js, const char *service,
                                const struct checkpoint_policy *policy, struct arena *arena,
                                struct error *err)
{
    natsMsg *message = NULL;
    char subject[TOPOLOGY_SUBJECT_BYTES];
    jsDirectGetMsgOptions options;
    *out = (struct published){.sequence = 0};
    topology_checkpoint_subject(subject, service);
    jsDirectGetMsgOptions_Init(&options);
    options.LastBySubject = subject;
    natsStatus s = js_DirectGetMsg(&message, js, TOPOLOGY_CHECKPOINTS, NULL, &options);
    if (s == NATS_NOT_FOUND)
        return NOVA_OK;
    enum nova_status status =
        s == NATS_OK ? take(out, message, service, policy, arena, err) : away(err, "reading", s);
    natsMsg_Destroy(message);
    return status;
}

enum nova_status published_add(uint64_t *sequence, jsCtx *js, const char *service, const char *note,
                               struct error *err)
{
    natsMsg *message = NULL;
    jsPubAck *ack = NULL;
    jsErrCode code = 0;
    jsPubOptions options;
    char subject[TOPOLOGY_SUBJECT_BYTES], expected[24];
    topology_checkpoint_subject(subject, service);
    jsPubOptions_Init(&options);
    options.MaxWait = ANSWER_MS;
    // By hand: nats.c leaves the header out for 0, and the first one would not be fenced.
    snprintf(expected, sizeof expected, "%" PRIu64, *sequence);
    natsStatus s = natsMsg_Create(&message, subject, NULL, note, (int)strlen(note));
    s = s ? s : natsMsgHeader_Set(message, "Nats-Expected-Last-Subject-Sequence", expected);
    s = s ? s : natsMsgHeader_Set(message, "Content-Type", "text/plain; charset=utf-8");
    s = s ? s : js_PublishMsg(&ack, js, message, &options, &code);
    natsMsg_Destroy(message);
    if (s == NATS_OK)
        *sequence = ack->Sequence;
    jsPubAck_Destroy(ack);
    if (s == NATS_OK)
        return NOVA_OK;
    return code == JSStreamWrongLastSequenceErr
               ? error_set_transient(err, NOVA_ABORTED, "another signer published in %s",
                                     TOPOLOGY_CHECKPOINTS)
               : away(err, "publishing in", s);
}
