// given_identity.h - identity's givens and thens, for the programs that try its rules. Each counts
// the rejections that it produced, so that its last case can fail when one was not.
#pragma once
#include "aggregates/identity/identity.h"
#include "nova/identity/v2/identity.pb-c.h"
#include "test/lib/given.h"

#define USER "0197a3c0-0000-7000-8000-000000000001"
#define OTHER "0197a3c0-0000-7000-8000-000000000002"
#define SESSION "0197a3c0-0000-7000-8000-000000000003"

static bool produced[IDENTITY_REJECTION_COUNT];

// caller: "" is anonymous, "importer", or a user's id.
static inline struct given identity_given(const char *caller, struct identity_facts *facts)
{
    struct given given = given_begin(identity_rules, IDENTITY_RULES_COUNT);
    *facts = (struct identity_facts){.password_length_ok = true,
                                     .password_hash_ok = true,
                                     .password_matches = true,
                                     .handle_is_new = true,
                                     .handle_change_wait_us = 1000000,
                                     .token_lifetime_us = 3600000000,
                                     .refresh_lifetime_us = 7200000000,
                                     .session_lifetime_us = 9000000000,
                                     .login_user_id = id_parse(USER)};
    given.facts = facts;
    if (strcmp(caller, "importer") == 0)
        given.caller.kind = CALLER_IMPORTER;
    else if (*caller != '\0') {
        given.caller.kind = CALLER_USER;
        given.caller.user_id = id_parse(caller);
    }
    return given;
}

static inline void given_user(struct given *given)
{
    struct uuid id = id_parse(USER);
    given_past(given, "identity", "user.created", &id);
}

static inline void given_deleted_user(struct given *given)
{
    struct uuid id = id_parse(USER);
    given_user(given);
    given_past(given, "identity", "user.deleted", &id);
}

static inline void then_rejected(struct given *given, enum identity_rejection rejection)
{
    if (given->rejection == NULL)
        fail_msg("%s was expected, and it was accepted", identity_rejections[rejection].name);
    assert_string_equal(given->rejection->name, identity_rejections[rejection].name);
    assert_int_equal(given->decision.event_count, 0);
    produced[rejection] = true;
    given_end(given);
}

// The events stay, and the answer is no.
static inline void then_event_and_refused(struct given *given, const char *type,
                                          enum identity_rejection refusal)
{
    if (given->rejection != NULL)
        fail_msg("%s", given->rejection->name);
    assert_int_equal(given->decision.event_count, 1);
    assert_string_equal(given->decision.events[0].type->type, type);
    assert_null(given->reply);
    assert_string_equal(given->refusal->name, identity_rejections[refusal].name);
    produced[refusal] = true;
    given_end(given);
}

static inline void then_event(struct given *given, const char *type)
{
    if (given->rejection != NULL)
        fail_msg("%s", given->rejection->name);
    assert_int_equal(given->decision.event_count, 1);
    assert_string_equal(given->decision.events[0].type->type, type);
    assert_non_null(given->reply);
    given_end(given);
}

// Of the list's part from `first` up to before `end`.
static inline void then_all_were_produced(int first, int end)
{
    for (int i = first; i < end; i++)
        if (!produced[i])
            fail_msg("no case produces %s", identity_rejections[i].name);
}
