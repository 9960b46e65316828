// history.h - made-up events for tests, as handlers see them, with each source's own positions.
//
// Ownership: everything lives in the history's arena.
#pragma once
#include <stdio.h>
#include <string.h>

#include "inbox/consumer.h"
#include "nova/communication/v2/communication.pb-c.h"
#include "nova/content/v2/content.pb-c.h"
#include "nova/identity/v2/identity.pb-c.h"
#include "proto/sealed.h"

enum { HISTORY_EVENTS_MAX = 4096 };
#define HISTORY_FROM_US INT64_C(1700000000000000)

struct history {
    struct arena *arena;
    size_t count;
    struct inbox_event events[HISTORY_EVENTS_MAX];
    const char *sources[HISTORY_EVENTS_MAX];
    struct uuid persons[HISTORY_EVENTS_MAX]; // whose personal data it is; nil: nobody's
    int64_t positions[3];
};

#define UNUSED __attribute__((unused))

UNUSED static struct uuid history_id(uint8_t kind, uint32_t number)
{
    struct uuid id = {{kind, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, (uint8_t)(number >> 24),
                       (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number}};
    return id;
}

UNUSED static char *history_text(struct history *history, const struct uuid *id)
{
    char *text = arena_alloc(history->arena, UUID_TEXT_BYTES);
    uuid_format(text, id);
    return text;
}

static void *history_message(struct history *history, const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *message = arena_alloc(history->arena, type->sizeof_message);
    protobuf_c_message_init(type, message);
    return message;
}

// Adds an event; payload and personal are new messages of its type, to be filled.
UNUSED static struct inbox_event *history_add(struct history *history, const char *source,
                                              const char *type, struct uuid aggregate_id,
                                              const struct uuid *person)
{
    static const char *const services[] = {"identity", "content", "communication"};
    size_t place = 0;
    while (strcmp(services[place], source) != 0)
        place++;
    struct inbox_event *event = &history->events[history->count];
    *event = (struct inbox_event){.type = contract_event_find(source, type)};
    event->event.type = event->type->type;
    event->event.aggregate_type = event->type->aggregate_type;
    event->event.aggregate_id = aggregate_id;
    event->event.position = history->positions[place] += 1 + history->count % 2;
    event->event.occurred_at_us = HISTORY_FROM_US + (int64_t)history->count * 1000000;
    event->payload = history_message(history, event->type->payload);
    if (event->type->personal)
        event->personal = history_message(history, event->type->personal);
    history->sources[history->count] = services[place];
    history->persons[history->count] = person ? *person : (struct uuid){{0}};
    history->count++;
    return event;
}

// The payload or personal part of an event that was just added.
#define PAYLOAD(Type, event) ((Type *)(uintptr_t)(event)->payload)
#define PERSONAL(Type, event) ((Type *)(uintptr_t)(event)->personal)

UNUSED static void history_user(struct history *history, struct uuid id, const char *handle,
                                const char *name)
{
    struct inbox_event *event = history_add(history, "identity", "user.created", id, &id);
    Nova__Identity__V2__UserCreatedPersonal *personal =
        PERSONAL(Nova__Identity__V2__UserCreatedPersonal, event);
    personal->handle = arena_strdup(history->arena, handle);
    personal->display_name = arena_strdup(history->arena, name);
}

UNUSED static void history_rename(struct history *history, struct uuid id, const char *handle,
                                  const char *name)
{
    struct inbox_event *event = history_add(history, "identity", "user.updated", id, &id);
    Nova__Identity__V2__UserUpdatedPersonal *personal =
        PERSONAL(Nova__Identity__V2__UserUpdatedPersonal, event);
    personal->handle = arena_strdup(history->arena, handle);
    personal->display_name = arena_strdup(history->arena, name);
}

UNUSED static void history_user_gone(struct history *history, struct uuid id)
{
    history_add(history, "identity", "user.deleted", id, NULL);
}

// tags: one, or NULL.
UNUSED static void history_post(struct history *history, struct uuid id, struct uuid author,
                                const char *title, const char *text, const char *tag)
{
    struct inbox_event *event = history_add(history, "content", "post.created", id, &author);
    Nova__Content__V2__PostCreatedPersonal *personal =
        PERSONAL(Nova__Content__V2__PostCreatedPersonal, event);
    PAYLOAD(Nova__Content__V2__PostCreated, event)->author_id = history_text(history, &author);
    personal->title = arena_strdup(history->arena, title);
    personal->text = arena_strdup(history->arena, text);
    personal->n_tags = tag != NULL;
    personal->tags = arena_alloc(history->arena, sizeof *personal->tags);
    personal->tags[0] = arena_strdup(history->arena, tag ? tag : "");
}

UNUSED static void history_post_update(struct history *history, struct uuid id, struct uuid author,
                                       const char *title, const char *text)
{
    struct inbox_event *event = history_add(history, "content", "post.updated", id, &author);
    Nova__Content__V2__PostUpdatedPersonal *personal =
        PERSONAL(Nova__Content__V2__PostUpdatedPersonal, event);
    personal->title = arena_strdup(history->arena, title);
    personal->text = arena_strdup(history->arena, text);
}

// parent nil: directly on the post.
UNUSED static void history_comment(struct history *history, struct uuid id, struct uuid post,
                                   struct uuid parent, struct uuid author, const char *text)
{
    struct inbox_event *event = history_add(history, "content", "comment.created", id, &author);
    Nova__Content__V2__CommentCreated *payload = PAYLOAD(Nova__Content__V2__CommentCreated, event);
    payload->author_id = history_text(history, &author);
    payload->post_id = history_text(history, &post);
    payload->parent_id = uuid_is_nil(&parent) ? "" : history_text(history, &parent);
    PERSONAL(Nova__Content__V2__CommentCreatedPersonal, event)->text =
        arena_strdup(history->arena, text);
}

UNUSED static void history_conversation(struct history *history, struct uuid id,
                                        const struct uuid *members, size_t count, const char *title)
{
    struct inbox_event *event =
        history_add(history, "communication", "conversation.created", id, &members[0]);
    Nova__Communication__V2__ConversationCreated *payload =
        PAYLOAD(Nova__Communication__V2__ConversationCreated, event);
    payload->creator_id = history_text(history, &members[0]);
    payload->n_member_ids = count;
    payload->member_ids = arena_alloc(history->arena, count * sizeof *payload->member_ids);
    for (size_t i = 0; i < count; i++)
        payload->member_ids[i] = history_text(history, &members[i]);
    PERSONAL(Nova__Communication__V2__ConversationCreatedPersonal, event)->title =
        arena_strdup(history->arena, title);
}

UNUSED static void history_send(struct history *history, struct uuid id, struct uuid conversation,
                                struct uuid sender, const char *text)
{
    struct inbox_event *event = history_add(history, "communication", "message.sent", id, &sender);
    Nova__Communication__V2__MessageSent *payload =
        PAYLOAD(Nova__Communication__V2__MessageSent, event);
    payload->conversation_id = history_text(history, &conversation);
    payload->sender_id = history_text(history, &sender);
    PERSONAL(Nova__Communication__V2__MessageSentPersonal, event)->text =
        arena_strdup(history->arena, text);
}

UNUSED static void history_edit(struct history *history, struct uuid id, struct uuid conversation,
                                struct uuid sender, const char *text)
{
    struct inbox_event *event =
        history_add(history, "communication", "message.edited", id, &sender);
    PAYLOAD(Nova__Communication__V2__MessageEdited, event)->conversation_id =
        history_text(history, &conversation);
    PERSONAL(Nova__Communication__V2__MessageEditedPersonal, event)->text =
        arena_strdup(history->arena, text);
}

UNUSED static void history_read(struct history *history, struct uuid id, struct uuid conversation,
                                struct uuid reader)
{
    struct inbox_event *event = history_add(history, "communication", "message.read", id, NULL);
    Nova__Communication__V2__MessageRead *payload =
        PAYLOAD(Nova__Communication__V2__MessageRead, event);
    payload->conversation_id = history_text(history, &conversation);
    payload->reader_id = history_text(history, &reader);
}
