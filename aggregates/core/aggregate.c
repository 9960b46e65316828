// aggregate.c - see aggregate.h.
#include "aggregates/core/aggregate.h"

#include <assert.h>
#include <string.h>

bool caller_is_privileged(const struct caller *caller)
{
    return caller->kind == CALLER_OPERATOR || caller->kind == CALLER_IMPORTER;
}

bool caller_is(const struct caller *caller, const struct uuid *user_id)
{
    if (uuid_is_nil(&caller->user_id))
        return caller_is_privileged(caller);
    return caller->kind != CALLER_ANONYMOUS && uuid_equal(&caller->user_id, user_id);
}

// Room for one more of what grows in an arena: the same memory, or twice as much of it.
static void *grown(struct arena *arena, void *items, uint32_t count, uint32_t *room, size_t size)
{
    enum { ROOM_AT_FIRST = 2 };
    if (count < *room)
        return items;
    *room = *room == 0 ? ROOM_AT_FIRST : 2 * *room;
    void *more = arena_alloc(arena, *room * size);
    if (count > 0)
        memcpy(more, items, count * size);
    return more;
}

uint32_t targets_add(struct targets *targets, const struct aggregate_type *type,
                     const struct uuid *id)
{
    assert(targets->count < TARGETS_MAX);
    targets->at =
        grown(targets->arena, targets->at, targets->count, &targets->room, sizeof *targets->at);
    targets->at[targets->count] = (struct target){type, *id};
    return targets->count++;
}

void decision_emit(struct decision *decision, struct aggregate *aggregate, const char *event,
                   ProtobufCMessage *payload, const ProtobufCMessage *personal,
                   const struct uuid *person_id)
{
    const struct contract_event *type = contract_event_find(aggregate->type->service, event);
    assert(type != NULL && strcmp(type->aggregate_type, aggregate->type->name) == 0);
    assert(payload->descriptor == type->payload);
    assert(personal == NULL || (personal->descriptor == type->personal && person_id != NULL));
    assert(decision->event_count < DECISION_EVENTS_MAX);
    decision->events = grown(decision->arena, decision->events, decision->event_count,
                             &decision->event_room, sizeof *decision->events);
    struct pending_event *pending = &decision->events[decision->event_count++];
    *pending = (struct pending_event){type, aggregate, ++aggregate->version, payload, personal, {}};
    if (personal != NULL)
        pending->person_id = *person_id;
    struct recorded recorded = {type, payload, aggregate->id, aggregate->version, decision->now_us};
    aggregate->type->evolve(aggregate->state, &recorded);
}

struct uuid id_parse(const char *text)
{
    struct uuid id = {0};
    return uuid_parse(&id, text) ? id : (struct uuid){0};
}

char *id_text(struct arena *arena, const struct uuid *id)
{
    char *text = arena_alloc(arena, UUID_TEXT_BYTES);
    uuid_format(text, id);
    return text;
}

void *message_new(struct arena *arena, const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *message = arena_alloc(arena, type->sizeof_message);
    type->message_init(message);
    return message;
}
