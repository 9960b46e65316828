// rpc_async.c - see rpc_async.h. One subscription takes all answers; the reply subject ends with
// the slot and how often it was used, so that a late answer is not taken for another request's.
#include "bus/rpc_async.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "bus/rpc_internal.h"

enum { REPLY_BYTES = 160 };

struct rpc_slot {
    bool busy;
    uint64_t use;
    int64_t deadline_us;
    char service[32], method[64];
};

struct rpc_async {
    struct bus_connection *connection;
    natsSubscription *answers;
    char prefix[REPLY_BYTES / 2];
    struct arena *arena;
    uint32_t slot_count;
    struct rpc_slot *slots;
};

enum nova_status rpc_async_create(struct rpc_async **out, struct bus_connection *connection,
                                  uint32_t slot_count, struct error *err)
{
    char subject[REPLY_BYTES];
    struct rpc_async *async = calloc(1, sizeof *async);
    if (async == NULL)
        abort();
    async->connection = connection;
    async->slot_count = slot_count;
    async->slots = calloc(slot_count, sizeof *async->slots);
    async->arena = arena_create();
    snprintf(async->prefix, sizeof async->prefix, RPC_INBOX_PREFIX "%s.async-%08x",
             bus_connection_user(connection), randombytes_random());
    snprintf(subject, sizeof subject, "%s.*.*", async->prefix);
    natsStatus s =
        natsConnection_SubscribeSync(&async->answers, bus_connection_nats(connection), subject);
    if (s == NATS_OK)
        s = natsSubscription_SetPendingLimits(async->answers, -1, -1); // bounded by the slots
    *out = async;
    if (s == NATS_OK)
        return NOVA_OK;
    rpc_async_destroy(out);
    return bus_error(err, s, "subscribing to answers");
}

void rpc_async_destroy(struct rpc_async **async)
{
    if (*async == NULL)
        return;
    bus_unsubscribe((*async)->connection, &(*async)->answers);
    arena_destroy(&(*async)->arena);
    free((*async)->slots);
    free(*async);
    *async = NULL;
}

enum nova_status rpc_async_send(struct rpc_async *async, uint32_t slot, const char *service,
                                const char *method, struct bytes request,
                                const struct rpc_headers *headers, struct error *err)
{
    struct rpc_slot *own = &async->slots[slot];
    struct rpc_headers sent = *headers;
    char subject[RPC_SUBJECT_BYTES], reply[REPLY_BYTES];
    if (sent.deadline_us == 0)
        sent.deadline_us = rpc_now_us() + (int64_t)RPC_DEADLINE_MS * 1000;
    *own = (struct rpc_slot){.busy = true, .use = own->use + 1, .deadline_us = sent.deadline_us};
    snprintf(own->service, sizeof own->service, "%s", service);
    snprintf(own->method, sizeof own->method, "%s", method);
    snprintf(subject, sizeof subject, RPC_SUBJECT_FORMAT, service, method);
    snprintf(reply, sizeof reply, "%s.%" PRIu32 ".%" PRIu64, async->prefix, slot, own->use);
    natsMsg *msg = NULL;
    natsStatus s =
        natsMsg_Create(&msg, subject, reply, (const char *)request.data, (int)request.len);
    enum nova_status status =
        s == NATS_OK ? rpc_headers_write(msg, &sent, err) : bus_error(err, s, "making a request");
    if (status == NOVA_OK) {
        s = natsConnection_PublishMsg(bus_connection_nats(async->connection), msg);
        status = s == NATS_OK ? NOVA_OK : rpc_failed(s, service, method, err);
    }
    natsMsg_Destroy(msg);
    own->busy = status == NOVA_OK;
    return status;
}

// The slot that a reply subject names; NULL: none that waits.
static struct rpc_slot *async_slot(struct rpc_async *async, const char *subject)
{
    char *end = NULL;
    size_t len = strlen(async->prefix);
    if (strncmp(subject, async->prefix, len) != 0)
        return NULL;
    unsigned long slot = strtoul(subject + len + 1, &end, 10);
    if (slot >= async->slot_count || *end != '.' || !async->slots[slot].busy ||
        strtoull(end + 1, NULL, 10) != async->slots[slot].use)
        return NULL;
    return &async->slots[slot];
}

static void async_answer(struct rpc_answer *out, struct rpc_async *async, struct rpc_slot *slot,
                         natsMsg *reply)
{
    struct bytes ignored;
    *out = (struct rpc_answer){.slot = (uint32_t)(slot - async->slots)};
    slot->busy = false;
    if (reply == NULL)
        out->status = rpc_failed(NATS_TIMEOUT, slot->service, slot->method, &out->err);
    else if (natsMsg_IsNoResponders(reply))
        out->status = rpc_failed(NATS_NO_RESPONDERS, slot->service, slot->method, &out->err);
    else
        out->status = rpc_answer_read(&ignored, &out->position, reply, slot->service, async->arena,
                                      &out->err);
    arena_reset(async->arena);
}

static struct rpc_slot *async_expired(struct rpc_async *async)
{
    int64_t now_us = rpc_now_us();
    for (uint32_t i = 0; i < async->slot_count; i++)
        if (async->slots[i].busy && async->slots[i].deadline_us < now_us)
            return &async->slots[i];
    return NULL;
}

bool rpc_async_next(struct rpc_answer *out, struct rpc_async *async, int64_t wait_ms)
{
    natsMsg *reply = NULL;
    struct rpc_slot *slot = NULL;
    natsStatus s;
    // What is there already costs no wait; late answers are passed over.
    while ((s = natsSubscription_NextMsg(&reply, async->answers, wait_ms)) == NATS_OK) {
        slot = async_slot(async, natsMsg_GetSubject(reply));
        if (slot != NULL)
            break;
        natsMsg_Destroy(reply);
        reply = NULL;
    }
    if (slot == NULL)
        slot = async_expired(async);
    if (slot != NULL)
        async_answer(out, async, slot, reply);
    natsMsg_Destroy(reply);
    return slot != NULL;
}
