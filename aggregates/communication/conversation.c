// conversation.c - the aggregate conversation: its members, fixed when it begins.
#include <string.h>

#include "aggregates/communication/communication_internal.h"

static void conversation_evolve(void *state, const struct recorded *event)
{
    struct conversation_state *conversation = state;
    if (strcmp(event->type->type, "conversation.created") != 0)
        return;
    const Nova__Communication__V2__ConversationCreated *created = (const void *)event->payload;
    conversation->exists = 1;
    for (size_t i = 0; i < created->n_member_ids; i++)
        if (conversation->member_count < CONVERSATION_MEMBERS_MAX) // a forged second event adds
            conversation->members[conversation->member_count++] = id_parse(created->member_ids[i]);
}

static const struct state_field conversation_fields[] = {
    STATE_FIELD(conversation_state, STATE_FLAG, exists),
    STATE_LIST(conversation_state, members, member_count),
};

const struct aggregate_type conversation_aggregate = {
    .service = "communication",
    .name = "conversation",
    .state_bytes = sizeof(struct conversation_state),
    .state_version = 1,
    .evolve = conversation_evolve,
    .fields = conversation_fields,
    .field_count = sizeof conversation_fields / sizeof *conversation_fields,
};

bool conversation_has(const struct conversation_state *conversation, const struct uuid *user_id)
{
    for (size_t i = 0; i < conversation->member_count; i++)
        if (uuid_equal(&conversation->members[i], user_id))
            return true;
    return false;
}

const struct rejection *conversation_target_new(struct targets *targets,
                                                const struct decision *decision)
{
    const Nova__Communication__V2__CreateConversationRequest *request =
        (const void *)decision->request;
    struct uuid id = id_parse(request->conversation_id);
    targets_add(targets, &conversation_aggregate, uuid_is_nil(&id) ? &decision->new_id : &id);
    return NULL;
}

static const struct rejection *
conversation_check_members(const Nova__Communication__V2__CreateConversationRequest *request,
                           const struct uuid *creator)
{
    bool is_member = false;
    if (request->n_member_ids < CONVERSATION_MEMBERS_MIN ||
        request->n_member_ids > CONVERSATION_MEMBERS_MAX)
        return communication_rejected(COMMUNICATION_MEMBER_COUNT);
    struct uuid ids[CONVERSATION_MEMBERS_MAX];
    for (size_t i = 0; i < request->n_member_ids; i++) {
        ids[i] = id_parse(request->member_ids[i]);
        if (uuid_is_nil(&ids[i]))
            return communication_rejected(COMMUNICATION_MEMBER_ID_MISSING);
        for (size_t j = 0; j < i; j++)
            if (uuid_equal(&ids[j], &ids[i]))
                return communication_rejected(COMMUNICATION_MEMBER_TWICE);
        is_member |= uuid_equal(&ids[i], creator);
    }
    return is_member ? NULL : communication_rejected(COMMUNICATION_NOT_A_MEMBER);
}

const struct rejection *conversation_create(struct decision *decision)
{
    const Nova__Communication__V2__CreateConversationRequest *request =
        (const void *)decision->request;
    const struct communication_facts *facts = decision->facts;
    struct aggregate *conversation = &decision->aggregates[0];
    const struct uuid *creator = &decision->caller->user_id;
    if (uuid_is_nil(creator))
        return communication_rejected(COMMUNICATION_SENDER_MISSING);
    const struct rejection *rejection = conversation_check_members(request, creator);
    if (rejection != NULL)
        return rejection;
    if (strlen(request->title) > CONVERSATION_TITLE_BYTES_MAX)
        return communication_rejected(COMMUNICATION_TITLE_TOO_LONG);
    if (((const struct conversation_state *)conversation->state)->exists)
        return communication_rejected(COMMUNICATION_CONVERSATION_EXISTS);
    if (!facts->members_known)
        return communication_rejected(COMMUNICATION_MEMBER_UNKNOWN);
    Nova__Communication__V2__ConversationCreated *payload =
        message_new(decision->arena, &nova__communication__v2__conversation_created__descriptor);
    Nova__Communication__V2__ConversationCreatedPersonal *personal = message_new(
        decision->arena, &nova__communication__v2__conversation_created_personal__descriptor);
    payload->creator_id = id_text(decision->arena, creator);
    payload->member_ids = request->member_ids;
    payload->n_member_ids = request->n_member_ids;
    personal->title = request->title;
    decision_emit(decision, conversation, "conversation.created", &payload->base, &personal->base,
                  creator);
    return NULL;
}

void conversation_reply_created(struct reply *reply)
{
    Nova__Communication__V2__CreateConversationReply *message =
        message_new(reply->arena, &nova__communication__v2__create_conversation_reply__descriptor);
    message->conversation_id = id_text(reply->arena, &reply->events[0].aggregate_id);
    message->created_at_us = reply->events[0].occurred_at_us;
    reply->message = &message->base;
}
