// session.c - the aggregate session: a login that goes on until it expires or is revoked.
#include <string.h>

#include "aggregates/identity/identity_internal.h"

static void session_evolve(void *state, const struct recorded *event)
{
    struct session_state *session = state;
    if (strcmp(event->type->type, "session.started") == 0)
        session->exists = 1;
    else if (strcmp(event->type->type, "session.revoked") == 0)
        session->revoked = 1;
}

const struct aggregate_type session_aggregate = {
    .service = "identity",
    .name = "session",
    .state_bytes = sizeof(struct session_state),
    .state_version = 1,
    .evolve = session_evolve,
};

// The session that begins, and the user whom it is for: a deletion wins over a login. The password
// counts before anything is loaded: what loading says of a session_id is not for strangers.
const struct rejection *session_target_login(struct targets *targets,
                                             const struct decision *decision)
{
    const Nova__Identity__V2__LoginRequest *request = (const void *)decision->request;
    const struct identity_facts *facts = decision->facts;
    struct uuid id = id_parse(request->session_id);
    if (uuid_is_nil(&facts->login_user_id) || !facts->password_matches)
        return identity_rejected(IDENTITY_WRONG_LOGIN);
    targets_add(targets, &session_aggregate, uuid_is_nil(&id) ? &decision->new_id : &id);
    targets_add(targets, &user_aggregate, &facts->login_user_id);
    return NULL;
}

const struct rejection *session_login(struct decision *decision)
{
    const struct identity_facts *facts = decision->facts;
    const struct session_state *session = decision->aggregates[0].state;
    const struct user_state *user = decision->aggregates[1].state;
    if (!user->exists || user->deleted)
        return identity_rejected(IDENTITY_WRONG_LOGIN);
    if (session->exists)
        return identity_rejected(IDENTITY_SESSION_EXISTS);
    Nova__Identity__V2__SessionStarted *started =
        message_new(decision->arena, &nova__identity__v2__session_started__descriptor);
    started->user_id = id_text(decision->arena, &facts->login_user_id);
    started->expires_at_us = decision->now_us + facts->session_lifetime_us;
    decision_emit(decision, &decision->aggregates[0], "session.started", &started->base, NULL,
                  NULL);
    return NULL;
}

// The access token is not of the events: the service signs it from what this says.
void session_reply_login(struct reply *reply)
{
    const Nova__Identity__V2__SessionStarted *started = (const void *)reply->events[0].payload;
    Nova__Identity__V2__LoginReply *message =
        message_new(reply->arena, &nova__identity__v2__login_reply__descriptor);
    message->user_id = arena_strdup(reply->arena, started->user_id);
    message->session_id = id_text(reply->arena, &reply->events[0].aggregate_id);
    message->expires_at_us = started->expires_at_us;
    reply->message = &message->base;
}
