// keyring.c - the aggregate keyring: the keys that access tokens are signed with, one after the
// other. A rotation is one event: from when on which key signs. Everything else follows from these
// times (services/identity/key_schedule.h), so there is no second step that could be missing.
#include <string.h>

#include "aggregates/identity/identity_internal.h"

static void keyring_evolve(void *state, const struct recorded *event)
{
    struct keyring_state *keyring = state;
    if (strcmp(event->type->type, "keyring.rotated") == 0) {
        const Nova__Identity__V2__KeyringRotated *rotated = (const void *)event->payload;
        keyring->rotations++;
        keyring->signs_from_us = rotated->signs_from_us;
    }
}

static const struct state_field keyring_fields[] = {
    STATE_FIELD(keyring_state, STATE_NUMBER, rotations),
    STATE_FIELD(keyring_state, STATE_TIME, signs_from_us),
};

const struct aggregate_type keyring_aggregate = {
    .service = "identity",
    .name = "keyring",
    .state_bytes = sizeof(struct keyring_state),
    .state_version = 1,
    .evolve = keyring_evolve,
    .fields = keyring_fields,
    .field_count = sizeof keyring_fields / sizeof *keyring_fields,
};

// There is one, which all rotations append to: of two at the same moment one is first.
const struct rejection *keyring_target_rotate(struct targets *targets,
                                              const struct decision *decision)
{
    (void)decision;
    struct uuid id = id_parse(KEYRING_ID);
    targets_add(targets, &keyring_aggregate, &id);
    return NULL;
}

const struct rejection *keyring_rotate(struct decision *decision)
{
    const struct identity_facts *facts = decision->facts;
    const struct keyring_state *keyring = decision->aggregates[0].state;
    if (decision->caller->kind != CALLER_OPERATOR)
        return identity_rejected(IDENTITY_OPERATOR_ONLY);
    if (keyring->signs_from_us > facts->new_key.now_us)
        return identity_rejected(IDENTITY_ROTATION_UNDER_WAY);
    if (facts->new_key.is_one_too_many)
        return identity_rejected(IDENTITY_KEYS_TOO_MANY);
    Nova__Identity__V2__KeyringRotated *rotated =
        message_new(decision->arena, &nova__identity__v2__keyring_rotated__descriptor);
    rotated->kid = (char *)(uintptr_t)facts->new_key.kid;
    rotated->x = (char *)(uintptr_t)facts->new_key.x;
    rotated->signs_from_us = facts->new_key.now_us + facts->new_key.lead_us;
    decision_emit(decision, &decision->aggregates[0], "keyring.rotated", &rotated->base, NULL,
                  NULL);
    return NULL;
}

void keyring_reply_rotated(struct reply *reply)
{
    const Nova__Identity__V2__KeyringRotated *rotated = (const void *)reply->events[0].payload;
    Nova__Identity__V2__RotateSigningKeyReply *message =
        message_new(reply->arena, &nova__identity__v2__rotate_signing_key_reply__descriptor);
    message->kid = arena_strdup(reply->arena, rotated->kid);
    message->signs_from_us = rotated->signs_from_us;
    reply->message = &message->base;
}
