// senders.c - see senders.h.
#include "services/communication/senders.h"

#include <string.h>

#include "nova/identity/v2/identity.pb-c.h"
#include "projections/message_sender_cache/message_sender_cache_query.h"

static const char sender_cache[] = "communication/message_sender_cache";

// Asks identity in this process's own name.
static enum nova_status senders_ask(Nova__Identity__V2__GetUsersReply **out,
                                    struct service_worker *worker, struct service_call *call,
                                    char **ids, size_t count, struct error *err)
{
    struct arena *arena = call->request->arena;
    Nova__Identity__V2__GetUsersRequest request = NOVA__IDENTITY__V2__GET_USERS_REQUEST__INIT;
    request.user_ids = ids;
    request.n_user_ids = count;
    const struct rpc_headers headers = {
        .token = service_token(worker->service, arena),
        .correlation_id = call->request->headers.correlation_id,
        .deadline_us = call->request->headers.deadline_us,
        .traceparent = call->request->headers.traceparent,
    };
    ProtobufCMessage *reply = NULL;
    enum nova_status status = rpc_call(&reply, NULL, service_connection(worker->service),
                                       "identity", "GetUsers", &request.base, &headers, arena, err);
    *out = (void *)reply;
    return status;
}

enum nova_status senders_known(bool *out, struct service_worker *worker, struct service_call *call,
                               const struct uuid *ids, size_t count, struct error *err)
{
    struct arena *arena = call->request->arena;
    struct sender *senders = NULL;
    char **unknown = arena_alloc(arena, count * sizeof *unknown);
    size_t unknown_count = 0;
    *out = true;
    enum nova_status status = service_wait(worker, call, sender_cache, err);
    if (status == NOVA_OK)
        status = message_sender_cache_get(&senders, worker->pg, ids, count, arena, err);
    for (size_t i = 0; i < count && status == NOVA_OK; i++) {
        if (senders[i].state == SENDER_UNKNOWN)
            unknown[unknown_count++] = id_text(arena, &ids[i]);
        *out &= senders[i].state != SENDER_GONE;
    }
    if (status != NOVA_OK || !*out || unknown_count == 0)
        return status;
    Nova__Identity__V2__GetUsersReply *users = NULL;
    status = senders_ask(&users, worker, call, unknown, unknown_count, err);
    *out = status == NOVA_OK && users->n_users == unknown_count;
    return status;
}

static const char *sender_name_of(const Nova__Identity__V2__GetUsersReply *users, const char *id)
{
    for (size_t i = 0; i < users->n_users; i++)
        if (strcmp(users->users[i]->user_id, id) == 0)
            return users->users[i]->display_name[0] != '\0' ? users->users[i]->display_name
                                                            : users->users[i]->handle;
    return NULL;
}

static bool sender_is_listed(char *const *ids, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(ids[i], id) == 0)
            return true;
    return false;
}

enum nova_status senders_name(Nova__Communication__V2__Message **messages, size_t count,
                              struct service_worker *worker, struct service_call *call,
                              struct error *err)
{
    char **ids = arena_alloc(call->request->arena, count * sizeof *ids);
    size_t id_count = 0;
    for (size_t i = 0; i < count; i++)
        if (messages[i]->sender_name[0] == '\0' &&
            !sender_is_listed(ids, id_count, messages[i]->sender_id))
            ids[id_count++] = messages[i]->sender_id;
    if (id_count == 0)
        return NOVA_OK;
    Nova__Identity__V2__GetUsersReply *users = NULL;
    enum nova_status status = senders_ask(&users, worker, call, ids, id_count, err);
    for (size_t i = 0; status == NOVA_OK && i < count; i++) {
        const char *name = messages[i]->sender_name[0] == '\0'
                               ? sender_name_of(users, messages[i]->sender_id)
                               : NULL;
        if (name != NULL)
            messages[i]->sender_name = (char *)(uintptr_t)name;
    }
    return status;
}
