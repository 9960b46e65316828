// given.h - a command's rule tried without any I/O: given facts and past events, when a request
// comes from a caller, then these events or that rejection.
//
// Ownership: everything lives in the given's arena; given_end frees it.
#pragma once
#include <assert.h>
#include <string.h>

#include "aggregates/core/aggregate.h"

enum { GIVEN_PAST_MAX = 16 };

struct given {
    struct arena *arena;
    const struct command_rule *rules;
    size_t rule_count;
    struct caller caller;
    const void *facts;
    size_t past_count;
    struct {
        const char *service, *type;
        struct uuid id;
        ProtobufCMessage *payload;
    } past[GIVEN_PAST_MAX];
    // What came of it:
    const struct rejection *rejection;
    struct decision decision;
    ProtobufCMessage *reply;
    const struct rejection *refusal; // of the reply: the events stay all the same
};

static inline struct given given_begin(const struct command_rule *rules, size_t rule_count)
{
    return (struct given){.arena = arena_create(), .rules = rules, .rule_count = rule_count};
}

static inline void given_end(struct given *given)
{
    arena_destroy(&given->arena);
}

static inline void *given_past(struct given *given, const char *service, const char *type,
                               const struct uuid *id)
{
    const struct contract_event *event = contract_event_find(service, type);
    assert(event != NULL && given->past_count < GIVEN_PAST_MAX);
    given->past[given->past_count].service = service;
    given->past[given->past_count].type = type;
    given->past[given->past_count].id = *id;
    return given->past[given->past_count++].payload = message_new(given->arena, event->payload);
}

// What the runtime says of an id whose events are another aggregate's, before decide is asked.
static const struct rejection given_id_of_another_kind = {
    "ID_OF_ANOTHER_KIND", NOVA_INVALID_ARGUMENT, "that id is another aggregate's"};

// Only the first target of an id gets its events, as in the runtime.
static inline void given_load(struct given *given, uint32_t place)
{
    struct aggregate *aggregate = &given->decision.aggregates[place];
    aggregate->state = arena_alloc(given->arena, aggregate->type->state_bytes);
    for (uint32_t i = 0; i < place; i++)
        if (uuid_equal(&given->decision.aggregates[i].id, &aggregate->id))
            return;
    for (size_t i = 0; i < given->past_count; i++) {
        const struct contract_event *type =
            contract_event_find(given->past[i].service, given->past[i].type);
        if (!uuid_equal(&given->past[i].id, &aggregate->id))
            continue;
        if (strcmp(type->aggregate_type, aggregate->type->name) != 0) {
            given->rejection = &given_id_of_another_kind;
            return;
        }
        const struct recorded recorded = {type, given->past[i].payload, aggregate->id,
                                          ++aggregate->version, 1};
        aggregate->type->evolve(aggregate->state, &recorded);
    }
}

static inline void given_reply(struct given *given, const struct command_rule *rule)
{
    struct recorded *events =
        arena_alloc(given->arena, given->decision.event_count * sizeof *events);
    for (uint32_t i = 0; i < given->decision.event_count; i++) {
        const struct pending_event *event = &given->decision.events[i];
        events[i] = (struct recorded){event->type, event->payload, event->aggregate->id,
                                      event->version, given->decision.now_us};
    }
    struct reply reply = {.events = events,
                          .event_count = given->decision.event_count,
                          .arena = given->arena,
                          .decision = &given->decision};
    rule->reply(&reply);
    given->reply = reply.message;
    given->refusal = reply.rejection;
}

// Decides; given->rejection, or given->decision.events and given->reply, say what came of it.
static inline void when(struct given *given, const char *method, const void *request)
{
    const struct command_rule *rule = given->rules;
    while (strcmp(rule->method, method) != 0)
        rule++;
    struct targets *targets = arena_alloc(given->arena, sizeof *targets);
    targets->arena = given->arena;
    given->decision = (struct decision){.caller = &given->caller,
                                        .request = request,
                                        .facts = given->facts,
                                        .new_id = uuid_v7(),
                                        .now_us = 1000000,
                                        .arena = given->arena};
    given->reply = NULL;
    given->refusal = NULL;
    given->rejection = rule->target(targets, &given->decision);
    if (given->rejection != NULL)
        return;
    given->decision.aggregate_count = targets->count;
    given->decision.aggregates =
        arena_alloc(given->arena, targets->count * sizeof *given->decision.aggregates);
    for (uint32_t i = 0; i < targets->count; i++) {
        given->decision.aggregates[i] =
            (struct aggregate){.type = targets->at[i].type, .id = targets->at[i].id};
        given_load(given, i);
    }
    if (given->rejection == NULL)
        given->rejection = rule->decide(&given->decision);
    if (given->rejection == NULL)
        given_reply(given, rule);
}
