// message.c - the aggregate message: sent, edited, read by others, deleted.
#include <string.h>

#include "aggregates/communication/communication_internal.h"

static bool message_was_read_by(const struct message_state *message, const struct uuid *reader)
{
    for (size_t i = 0; i < message->reader_count; i++)
        if (uuid_equal(&message->readers[i], reader))
            return true;
    return false;
}

static void message_evolve(void *state, const struct recorded *event)
{
    struct message_state *message = state;
    if (strcmp(event->type->type, "message.sent") == 0) {
        const Nova__Communication__V2__MessageSent *sent = (const void *)event->payload;
        message->exists = 1;
        message->sender_id = id_parse(sent->sender_id);
        message->conversation_id = id_parse(sent->conversation_id);
    } else if (strcmp(event->type->type, "message.deleted") == 0) {
        message->deleted = 1;
    } else if (strcmp(event->type->type, "message.read") == 0 &&
               message->reader_count < CONVERSATION_MEMBERS_MAX) {
        const Nova__Communication__V2__MessageRead *read = (const void *)event->payload;
        message->readers[message->reader_count++] = id_parse(read->reader_id);
    }
}

static const struct state_field message_fields[] = {
    STATE_FIELD(message_state, STATE_ID, sender_id),
    STATE_FIELD(message_state, STATE_ID, conversation_id),
    STATE_FIELD(message_state, STATE_FLAG, exists),
    STATE_FIELD(message_state, STATE_FLAG, deleted),
    STATE_LIST(message_state, readers, reader_count),
};

const struct aggregate_type message_aggregate = {
    .service = "communication",
    .name = "message",
    .state_bytes = sizeof(struct message_state),
    .state_version = 1,
    .evolve = message_evolve,
    .fields = message_fields,
    .field_count = sizeof message_fields / sizeof *message_fields,
};

static const struct rejection *message_check_text(const char *text)
{
    size_t len = strlen(text);
    return len == 0 || len > MESSAGE_TEXT_BYTES_MAX
               ? communication_rejected(COMMUNICATION_TEXT_LENGTH)
               : NULL;
}

// The conversation, as the second target, and a member of it.
static const struct rejection *message_check_member(const struct decision *decision)
{
    const struct conversation_state *conversation = decision->aggregates[1].state;
    if (!conversation->exists)
        return communication_rejected(COMMUNICATION_CONVERSATION_UNKNOWN);
    if (!conversation_has(conversation, &decision->caller->user_id))
        return communication_rejected(COMMUNICATION_NOT_A_MEMBER);
    return NULL;
}

// ---- SendMessage --------------------------------------------------------------------------------

const struct rejection *message_target_send(struct targets *targets,
                                            const struct decision *decision)
{
    const Nova__Communication__V2__SendMessageRequest *request = (const void *)decision->request;
    struct uuid id = id_parse(request->message_id),
                conversation = id_parse(request->conversation_id);
    if (uuid_is_nil(&conversation))
        return communication_rejected(COMMUNICATION_CONVERSATION_ID_MISSING);
    targets_add(targets, &message_aggregate, uuid_is_nil(&id) ? &decision->new_id : &id);
    targets_add(targets, &conversation_aggregate, &conversation);
    return NULL;
}

static const struct rejection *message_check_send(const struct decision *decision)
{
    const Nova__Communication__V2__SendMessageRequest *request = (const void *)decision->request;
    const struct communication_facts *facts = decision->facts;
    const struct message_state *message = decision->aggregates[0].state;
    if (uuid_is_nil(&decision->caller->user_id))
        return communication_rejected(COMMUNICATION_SENDER_MISSING);
    const struct rejection *rejection = message_check_text(request->text);
    if (rejection == NULL && message->exists)
        rejection = communication_rejected(COMMUNICATION_MESSAGE_EXISTS);
    if (rejection == NULL)
        rejection = message_check_member(decision);
    if (rejection == NULL && !facts->sender_known)
        rejection = communication_rejected(COMMUNICATION_SENDER_UNKNOWN);
    return rejection;
}

const struct rejection *message_send(struct decision *decision)
{
    const Nova__Communication__V2__SendMessageRequest *request = (const void *)decision->request;
    const struct uuid *sender = &decision->caller->user_id;
    const struct rejection *rejection = message_check_send(decision);
    if (rejection != NULL)
        return rejection;
    Nova__Communication__V2__MessageSent *payload =
        message_new(decision->arena, &nova__communication__v2__message_sent__descriptor);
    Nova__Communication__V2__MessageSentPersonal *personal =
        message_new(decision->arena, &nova__communication__v2__message_sent_personal__descriptor);
    payload->conversation_id = id_text(decision->arena, &decision->aggregates[1].id);
    payload->sender_id = id_text(decision->arena, sender);
    personal->text = request->text;
    decision_emit(decision, &decision->aggregates[0], "message.sent", &payload->base,
                  &personal->base, sender);
    return NULL;
}

void message_reply_sent(struct reply *reply)
{
    Nova__Communication__V2__SendMessageReply *message =
        message_new(reply->arena, &nova__communication__v2__send_message_reply__descriptor);
    message->message_id = id_text(reply->arena, &reply->events[0].aggregate_id);
    message->sent_at_us = reply->events[0].occurred_at_us;
    reply->message = &message->base;
}

// ---- EditMessage and DeleteMessage --------------------------------------------------------------

static const struct rejection *target_known_message(struct targets *targets, const char *text)
{
    struct uuid id = id_parse(text);
    if (uuid_is_nil(&id))
        return communication_rejected(COMMUNICATION_MESSAGE_ID_MISSING);
    targets_add(targets, &message_aggregate, &id);
    return NULL;
}

static const struct rejection *message_check_sender(const struct decision *decision)
{
    const struct message_state *message = decision->aggregates[0].state;
    if (!message->exists || message->deleted)
        return communication_rejected(COMMUNICATION_MESSAGE_UNKNOWN);
    if (!caller_is(decision->caller, &message->sender_id))
        return communication_rejected(COMMUNICATION_NOT_SENDER);
    return NULL;
}

const struct rejection *message_target_edit(struct targets *targets,
                                            const struct decision *decision)
{
    const Nova__Communication__V2__EditMessageRequest *request = (const void *)decision->request;
    return target_known_message(targets, request->message_id);
}

const struct rejection *message_edit(struct decision *decision)
{
    const Nova__Communication__V2__EditMessageRequest *request = (const void *)decision->request;
    struct aggregate *message = &decision->aggregates[0];
    const struct message_state *state = message->state;
    const struct rejection *rejection = message_check_sender(decision);
    if (rejection == NULL)
        rejection = message_check_text(request->text);
    if (rejection != NULL)
        return rejection;
    Nova__Communication__V2__MessageEdited *payload =
        message_new(decision->arena, &nova__communication__v2__message_edited__descriptor);
    Nova__Communication__V2__MessageEditedPersonal *personal =
        message_new(decision->arena, &nova__communication__v2__message_edited_personal__descriptor);
    payload->conversation_id = id_text(decision->arena, &state->conversation_id);
    personal->text = request->text;
    decision_emit(decision, message, "message.edited", &payload->base, &personal->base,
                  &state->sender_id);
    return NULL;
}

void message_reply_edited(struct reply *reply)
{
    Nova__Communication__V2__EditMessageReply *message =
        message_new(reply->arena, &nova__communication__v2__edit_message_reply__descriptor);
    message->version = reply->events[0].version;
    reply->message = &message->base;
}

const struct rejection *message_target_delete(struct targets *targets,
                                              const struct decision *decision)
{
    const Nova__Communication__V2__DeleteMessageRequest *request = (const void *)decision->request;
    return target_known_message(targets, request->message_id);
}

const struct rejection *message_delete(struct decision *decision)
{
    struct aggregate *message = &decision->aggregates[0];
    const struct message_state *state = message->state;
    const struct rejection *rejection = message_check_sender(decision);
    if (rejection != NULL)
        return rejection;
    Nova__Communication__V2__MessageDeleted *payload =
        message_new(decision->arena, &nova__communication__v2__message_deleted__descriptor);
    payload->conversation_id = id_text(decision->arena, &state->conversation_id);
    decision_emit(decision, message, "message.deleted", &payload->base, NULL, NULL);
    return NULL;
}

void message_reply_deleted(struct reply *reply)
{
    Nova__Communication__V2__DeleteMessageReply *message =
        message_new(reply->arena, &nova__communication__v2__delete_message_reply__descriptor);
    message->deleted_at_us = reply->events[0].occurred_at_us;
    reply->message = &message->base;
}

// ---- MarkRead -----------------------------------------------------------------------------------

const struct rejection *message_target_read(struct targets *targets,
                                            const struct decision *decision)
{
    const Nova__Communication__V2__MarkReadRequest *request = (const void *)decision->request;
    struct uuid conversation = id_parse(request->conversation_id);
    if (uuid_is_nil(&conversation))
        return communication_rejected(COMMUNICATION_CONVERSATION_ID_MISSING);
    const struct rejection *rejection = target_known_message(targets, request->message_id);
    if (rejection == NULL)
        targets_add(targets, &conversation_aggregate, &conversation);
    return rejection;
}

static const struct rejection *message_check_read(const struct decision *decision)
{
    const struct message_state *message = decision->aggregates[0].state;
    if (uuid_is_nil(&decision->caller->user_id))
        return communication_rejected(COMMUNICATION_SENDER_MISSING);
    const struct rejection *rejection = message_check_member(decision);
    if (rejection != NULL)
        return rejection;
    if (!message->exists || !uuid_equal(&message->conversation_id, &decision->aggregates[1].id))
        return communication_rejected(COMMUNICATION_MESSAGE_UNKNOWN);
    return NULL;
}

// Read twice is read once: no second event.
const struct rejection *message_read(struct decision *decision)
{
    struct aggregate *message = &decision->aggregates[0];
    const struct uuid *reader = &decision->caller->user_id;
    const struct rejection *rejection = message_check_read(decision);
    if (rejection != NULL || message_was_read_by(message->state, reader))
        return rejection;
    Nova__Communication__V2__MessageRead *payload =
        message_new(decision->arena, &nova__communication__v2__message_read__descriptor);
    payload->conversation_id = id_text(decision->arena, &decision->aggregates[1].id);
    payload->reader_id = id_text(decision->arena, reader);
    decision_emit(decision, message, "message.read", &payload->base, NULL, NULL);
    return NULL;
}

// Without an event it was read before, and when is in the log.
void message_reply_read(struct reply *reply)
{
    Nova__Communication__V2__MarkReadReply *message =
        message_new(reply->arena, &nova__communication__v2__mark_read_reply__descriptor);
    message->read_at_us = reply->event_count > 0 ? reply->events[0].occurred_at_us : 0;
    reply->message = &message->base;
}
