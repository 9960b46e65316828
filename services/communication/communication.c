// communication.c - the communication service: commands that must know who is a user, and queries
// on conversation_view for those who belong to a conversation.
#include "aggregates/communication/communication.h"

#include <string.h>

#include "nova/communication/v2/communication.pb-c.h"
#include "projections/conversation_view/conversation_view_query.h"
#include "services/communication/senders.h"
#include "services/service.h"

// ---- commands: facts, found before the transaction because identity may have to be asked --------

static enum nova_status communication_members(struct communication_facts *facts,
                                              struct service_worker *worker,
                                              struct service_call *call, struct error *err)
{
    const Nova__Communication__V2__CreateConversationRequest *request =
        (const void *)call->request->message;
    if (request->n_member_ids > CONVERSATION_MEMBERS_MAX)
        return NOVA_OK; // the rule refuses it
    struct uuid ids[CONVERSATION_MEMBERS_MAX];
    for (size_t i = 0; i < request->n_member_ids; i++)
        ids[i] = id_parse(request->member_ids[i]);
    return senders_known(&facts->members_known, worker, call, ids, request->n_member_ids, err);
}

static enum nova_status communication_prepare(struct service_worker *worker,
                                              struct service_call *call, void **prepared,
                                              struct error *err)
{
    struct communication_facts *facts = arena_alloc(call->request->arena, sizeof *facts);
    *prepared = facts;
    if (strcmp(call->request->method->name, "CreateConversation") == 0)
        return communication_members(facts, worker, call, err);
    if (strcmp(call->request->method->name, "SendMessage") == 0 &&
        !uuid_is_nil(&call->caller.user_id))
        return senders_known(&facts->sender_known, worker, call, &call->caller.user_id, 1, err);
    return NOVA_OK;
}

static enum nova_status communication_look_up(void *context, const struct command *command,
                                              struct pg *pg, struct arena *arena,
                                              const void **facts, struct error *err)
{
    (void)command;
    (void)pg;
    (void)arena;
    (void)err;
    *facts = ((const struct service_command_context *)context)->prepared;
    return NOVA_OK;
}

// ---- queries ------------------------------------------------------------------------------------

// Only members, operators and importers see a conversation.
static enum nova_status communication_permit(struct service_worker *worker,
                                             const struct service_call *call,
                                             const struct uuid *conversation, struct error *err)
{
    enum conversation_membership membership;
    enum nova_status status = conversation_view_membership(&membership, worker->pg, conversation,
                                                           &call->caller.user_id, err);
    if (status != NOVA_OK)
        return status;
    if (membership == CONVERSATION_NONE)
        return error_set(err, NOVA_NOT_FOUND,
                         "CONVERSATION_UNKNOWN: there is no such conversation");
    bool all = caller_is_privileged(&call->caller) && uuid_is_nil(&call->caller.user_id);
    if (membership == CONVERSATION_STRANGER && !all)
        return error_set(err, NOVA_PERMISSION_DENIED,
                         "NOT_A_MEMBER: only members see this conversation");
    return NOVA_OK;
}

static enum nova_status communication_get(struct service_worker *worker, struct service_call *call,
                                          struct error *err)
{
    const Nova__Communication__V2__GetConversationRequest *request =
        (const void *)call->request->message;
    struct arena *arena = call->request->arena;
    Nova__Communication__V2__GetConversationReply *reply =
        message_new(arena, &nova__communication__v2__get_conversation_reply__descriptor);
    struct uuid id;
    enum nova_status status = service_id(&id, "conversation_id", request->conversation_id, err);
    if (status == NOVA_OK)
        status = communication_permit(worker, call, &id, err);
    if (status == NOVA_OK)
        status = conversation_view_get(&reply->conversation, worker->pg, &id, &call->caller.user_id,
                                       arena, err);
    if (status == NOVA_OK && reply->conversation != NULL && reply->conversation->last_message)
        status = senders_name(&reply->conversation->last_message, 1, worker, call, err);
    call->request->reply = &reply->base;
    return status;
}

static enum nova_status communication_list(struct service_worker *worker, struct service_call *call,
                                           struct error *err)
{
    const Nova__Communication__V2__ListConversationsRequest *request =
        (const void *)call->request->message;
    Nova__Communication__V2__ListConversationsReply *reply = NULL;
    struct uuid user =
        request->user_id[0] != '\0' ? id_parse(request->user_id) : call->caller.user_id;
    if (uuid_is_nil(&user))
        return error_set(err, NOVA_INVALID_ARGUMENT, "user_id is missing");
    if (!caller_is(&call->caller, &user))
        return error_set(err, NOVA_PERMISSION_DENIED,
                         "NOT_ALLOWED: only the user sees these conversations");
    enum nova_status status =
        conversation_view_list(&reply, worker->pg, &user, request->page, call->request->arena, err);
    for (size_t i = 0; status == NOVA_OK && i < reply->n_conversations; i++)
        if (reply->conversations[i]->last_message != NULL)
            status = senders_name(&reply->conversations[i]->last_message, 1, worker, call, err);
    if (status == NOVA_OK)
        call->request->reply = &reply->base;
    return status;
}

static enum nova_status communication_messages(struct service_worker *worker,
                                               struct service_call *call, struct error *err)
{
    const Nova__Communication__V2__GetMessagesRequest *request =
        (const void *)call->request->message;
    Nova__Communication__V2__GetMessagesReply *reply = NULL;
    struct uuid id;
    bool unnamed = false;
    enum nova_status status = service_id(&id, "conversation_id", request->conversation_id, err);
    if (status == NOVA_OK)
        status = communication_permit(worker, call, &id, err);
    if (status == NOVA_OK)
        status = conversation_view_messages(&reply, &unnamed, worker->pg, &id, request->page,
                                            call->request->arena, err);
    if (status == NOVA_OK && unnamed)
        status = senders_name(reply->messages, reply->n_messages, worker, call, err);
    if (status == NOVA_OK)
        call->request->reply = &reply->base;
    return status;
}

#define CONVERSATIONS                                                                              \
    .consumers = {"communication/conversation_view", "communication/message_sender_cache"}

static const struct service_query communication_queries[] = {
    {.method = "GetConversation", .answer = communication_get, CONVERSATIONS},
    {.method = "ListConversations", .answer = communication_list, CONVERSATIONS},
    {.method = "GetMessages", .answer = communication_messages, CONVERSATIONS},
    {.method = "GetPersonKeys", .answer = service_get_person_keys, .urgent = true},
};

const struct service_type service_communication = {
    .name = "communication",
    .rules = communication_rules,
    .rule_count = COMMUNICATION_RULES_COUNT,
    .queries = communication_queries,
    .query_count = sizeof communication_queries / sizeof *communication_queries,
    .prepare = communication_prepare,
    .look_up = communication_look_up,
};
