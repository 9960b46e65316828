// session.c - the aggregate session: a login that goes on until it expires or is revoked.
#include <string.h>

#include "aggregates/identity/identity_internal.h"

enum { DEVICE_BYTES_MAX = 200, ADDRESS_BYTES_MAX = 64 };

static void session_evolve(void *state, const struct recorded *event)
{
    struct session_state *session = state;
    if (strcmp(event->type->type, "session.started") == 0) {
        const Nova__Identity__V2__SessionStarted *started = (const void *)event->payload;
        session->exists = 1;
        session->user_id = id_parse(started->user_id);
        session->refresh_expires_at_us = started->refresh_expires_at_us;
        session->ends_at_us = started->ends_at_us;
    } else if (strcmp(event->type->type, "session.refreshed") == 0) {
        const Nova__Identity__V2__SessionRefreshed *refreshed = (const void *)event->payload;
        session->generation = refreshed->generation;
        session->refresh_expires_at_us = refreshed->refresh_expires_at_us;
    } else if (strcmp(event->type->type, "session.revoked") == 0) {
        session->revoked = 1;
    }
}

static const struct state_field session_fields[] = {
    STATE_FIELD(session_state, STATE_FLAG, exists),
    STATE_FIELD(session_state, STATE_FLAG, revoked),
    STATE_FIELD(session_state, STATE_ID, user_id),
    STATE_FIELD(session_state, STATE_NUMBER, generation),
    STATE_FIELD(session_state, STATE_TIME, refresh_expires_at_us),
    STATE_FIELD(session_state, STATE_TIME, ends_at_us),
};

const struct aggregate_type session_aggregate = {
    .service = "identity",
    .name = "session",
    .state_bytes = sizeof(struct session_state),
    .state_version = 2,
    .evolve = session_evolve,
    .fields = session_fields,
    .field_count = sizeof session_fields / sizeof *session_fields,
};

static void session_emit_revoked(struct decision *decision, struct aggregate *session,
                                 const struct uuid *user_id, const char *reason)
{
    Nova__Identity__V2__SessionRevoked *revoked =
        message_new(decision->arena, &nova__identity__v2__session_revoked__descriptor);
    revoked->user_id = id_text(decision->arena, user_id);
    revoked->reason = (char *)(uintptr_t)reason;
    decision_emit(decision, session, "session.revoked", &revoked->base, NULL, NULL);
}

void session_emit_all_revoked(struct decision *decision, uint32_t from, const struct uuid *user_id,
                              const char *reason)
{
    for (uint32_t i = from; i < decision->aggregate_count; i++) {
        const struct session_state *session = decision->aggregates[i].state;
        if (!session->revoked)
            session_emit_revoked(decision, &decision->aggregates[i], user_id, reason);
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

// ---- Login --------------------------------------------------------------------------------------

// The session that begins, and the user whom it is for: a deletion wins over a login. The password
// counts before anything is loaded: what loading says of a session_id is not for strangers. Then
// the sessions that are too many. Of a failed one only the user.
const struct rejection *session_target_login(struct targets *targets,
                                             const struct decision *decision)
{
    const Nova__Identity__V2__LoginRequest *request = (const void *)decision->request;
    const struct identity_facts *facts = decision->facts;
    struct uuid id = id_parse(request->session_id);
    if (facts->attempt.failed) {
        lock_target_failed(targets, decision);
        return NULL;
    }
    if (uuid_is_nil(&facts->login_user_id) || !facts->password_matches)
        return identity_rejected(IDENTITY_WRONG_LOGIN);
    targets_add(targets, &session_aggregate, uuid_is_nil(&id) ? &decision->new_id : &id);
    targets_add(targets, &user_aggregate, &facts->login_user_id);
    for (size_t i = 0; i < facts->session_count; i++)
        targets_add(targets, &session_aggregate, &facts->session_ids[i]);
    return NULL;
}

static bool label_is_valid(const char *text, size_t bytes_max)
{
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return false;
    return strlen(text) <= bytes_max;
}

static void session_emit_started(struct decision *decision)
{
    const Nova__Identity__V2__LoginRequest *request = (const void *)decision->request;
    const struct identity_facts *facts = decision->facts;
    const struct uuid *user_id = &facts->login_user_id;
    Nova__Identity__V2__SessionStarted *started =
        message_new(decision->arena, &nova__identity__v2__session_started__descriptor);
    Nova__Identity__V2__SessionStartedPersonal *personal =
        message_new(decision->arena, &nova__identity__v2__session_started_personal__descriptor);
    started->user_id = id_text(decision->arena, user_id);
    started->ends_at_us = decision->now_us + facts->session_lifetime_us;
    started->refresh_expires_at_us =
        earlier(decision->now_us + facts->refresh_lifetime_us, started->ends_at_us);
    started->expires_at_us = // no access token is good of a session that is over by itself
        earlier(decision->now_us + facts->token_lifetime_us, started->refresh_expires_at_us);
    personal->device = request->device;
    personal->address = request->address;
    bool is_personal = *request->device != '\0' || *request->address != '\0';
    decision_emit(decision, &decision->aggregates[0], "session.started", &started->base,
                  is_personal ? &personal->base : NULL, is_personal ? user_id : NULL);
}

const struct rejection *session_login(struct decision *decision)
{
    const Nova__Identity__V2__LoginRequest *request = (const void *)decision->request;
    const struct identity_facts *facts = decision->facts;
    if (facts->attempt.failed) {
        lock_note_failed(decision);
        return NULL;
    }
    const struct session_state *session = decision->aggregates[0].state;
    const struct user_state *user = decision->aggregates[1].state;
    if (!user->exists || user->deleted)
        return identity_rejected(IDENTITY_WRONG_LOGIN);
    if (!label_is_valid(request->device, DEVICE_BYTES_MAX) ||
        !label_is_valid(request->address, ADDRESS_BYTES_MAX))
        return identity_rejected(IDENTITY_DEVICE_INVALID);
    if (session->exists)
        return identity_rejected(IDENTITY_SESSION_EXISTS);
    session_emit_started(decision);
    session_emit_all_revoked(decision, 2, &decision->aggregates[1].id, "too_many_sessions");
    if (facts->attempt.from_stranger) // else those at the door wait on
        lock_emit_unlocked(decision, &decision->aggregates[1], "login");
    return NULL;
}

// No token is of the events: the service makes them of what this says. What a failed login left,
// stays.
void session_reply_login(struct reply *reply)
{
    if (reply->event_count == 0 || strcmp(reply->events[0].type->type, "session.started") != 0) {
        reply->rejection = identity_rejected(IDENTITY_WRONG_LOGIN);
        return;
    }
    const Nova__Identity__V2__SessionStarted *started = (const void *)reply->events[0].payload;
    Nova__Identity__V2__LoginReply *message =
        message_new(reply->arena, &nova__identity__v2__login_reply__descriptor);
    message->user_id = arena_strdup(reply->arena, started->user_id);
    message->session_id = id_text(reply->arena, &reply->events[0].aggregate_id);
    message->expires_at_us = started->expires_at_us;
    message->refresh_expires_at_us = started->refresh_expires_at_us;
    message->issued_at_us = reply->events[0].occurred_at_us;
    reply->message = &message->base;
}

// ---- RefreshToken -------------------------------------------------------------------------------

// Who made a token up learns nothing of the session that it names, and ends none.
const struct rejection *session_target_refresh(struct targets *targets,
                                               const struct decision *decision)
{
    const struct refresh_fact *refresh = &((const struct identity_facts *)decision->facts)->refresh;
    if (!refresh->well_formed)
        return identity_rejected(IDENTITY_REFRESH_MALFORMED);
    if (!refresh->authentic)
        return identity_rejected(IDENTITY_REFRESH_UNKNOWN);
    targets_add(targets, &session_aggregate, &refresh->session_id);
    targets_add(targets, &user_aggregate, &refresh->user_id);
    return NULL;
}

// What RefreshToken and Logout have in common. Who has the token need not say who they are; who
// does must be its user.
static const struct rejection *refresh_check(const struct decision *decision)
{
    const struct refresh_fact *refresh = &((const struct identity_facts *)decision->facts)->refresh;
    const struct session_state *session = decision->aggregates[0].state;
    const struct user_state *user = decision->aggregates[1].state;
    if (!session->exists || refresh->generation > session->generation)
        return identity_rejected(IDENTITY_REFRESH_UNKNOWN); // of a log that a recovery left behind
    if (decision->caller->kind != CALLER_ANONYMOUS &&
        !caller_is(decision->caller, &session->user_id))
        return identity_rejected(IDENTITY_REFRESH_OF_ANOTHER);
    if (!user->exists || user->deleted)
        return identity_rejected(IDENTITY_REFRESH_USER_DELETED);
    if (session->revoked)
        return identity_rejected(IDENTITY_REFRESH_REVOKED);
    return NULL;
}

// An old token ends the session even when it has expired meanwhile: somebody else has the newer.
const struct rejection *session_refresh(struct decision *decision)
{
    const struct identity_facts *facts = decision->facts;
    const struct session_state *session = decision->aggregates[0].state;
    const struct rejection *rejection = refresh_check(decision);
    if (rejection != NULL)
        return rejection;
    if (facts->refresh.generation < session->generation) {
        session_emit_revoked(decision, &decision->aggregates[0], &session->user_id,
                             "refresh_token_reused");
        return NULL;
    }
    if (decision->now_us >= session->refresh_expires_at_us)
        return identity_rejected(IDENTITY_REFRESH_EXPIRED);
    Nova__Identity__V2__SessionRefreshed *refreshed =
        message_new(decision->arena, &nova__identity__v2__session_refreshed__descriptor);
    refreshed->user_id = id_text(decision->arena, &session->user_id);
    refreshed->generation = session->generation + 1;
    refreshed->refresh_expires_at_us =
        earlier(decision->now_us + facts->refresh_lifetime_us, session->ends_at_us);
    refreshed->expires_at_us =
        earlier(decision->now_us + facts->token_lifetime_us, refreshed->refresh_expires_at_us);
    decision_emit(decision, &decision->aggregates[0], "session.refreshed", &refreshed->base, NULL,
                  NULL);
    return NULL;
}

void session_reply_refresh(struct reply *reply)
{
    const Nova__Identity__V2__SessionRefreshed *refreshed = (const void *)reply->events[0].payload;
    if (strcmp(reply->events[0].type->type, "session.refreshed") != 0) {
        reply->rejection = identity_rejected(IDENTITY_REFRESH_REUSED);
        return;
    }
    Nova__Identity__V2__RefreshTokenReply *message =
        message_new(reply->arena, &nova__identity__v2__refresh_token_reply__descriptor);
    message->user_id = arena_strdup(reply->arena, refreshed->user_id);
    message->session_id = id_text(reply->arena, &reply->events[0].aggregate_id);
    message->expires_at_us = refreshed->expires_at_us;
    message->refresh_expires_at_us = refreshed->refresh_expires_at_us;
    message->issued_at_us = reply->events[0].occurred_at_us;
    reply->message = &message->base;
}

// ---- Logout, RevokeSession, RevokeAllSessions ---------------------------------------------------

const struct rejection *session_target_logout(struct targets *targets,
                                              const struct decision *decision)
{
    return session_target_refresh(targets, decision);
}

const struct rejection *session_logout(struct decision *decision)
{
    const struct session_state *session = decision->aggregates[0].state;
    const struct rejection *rejection = refresh_check(decision);
    if (rejection != NULL)
        return rejection;
    session_emit_revoked(decision, &decision->aggregates[0], &session->user_id, "logout");
    return NULL;
}

void session_reply_logout(struct reply *reply)
{
    Nova__Identity__V2__LogoutReply *message =
        message_new(reply->arena, &nova__identity__v2__logout_reply__descriptor);
    message->session_id = id_text(reply->arena, &reply->events[0].aggregate_id);
    message->ended_at_us = reply->events[0].occurred_at_us;
    reply->message = &message->base;
}

const struct rejection *session_target_revoke(struct targets *targets,
                                              const struct decision *decision)
{
    const Nova__Identity__V2__RevokeSessionRequest *request = (const void *)decision->request;
    struct uuid id = id_parse(request->session_id);
    if (uuid_is_nil(&id))
        return identity_rejected(IDENTITY_SESSION_ID_MISSING);
    targets_add(targets, &session_aggregate, &id);
    return NULL;
}

// Another user's session is one that this user has not.
const struct rejection *session_revoke(struct decision *decision)
{
    const struct session_state *session = decision->aggregates[0].state;
    if (!session->exists || !caller_is(decision->caller, &session->user_id))
        return identity_rejected(IDENTITY_SESSION_UNKNOWN);
    if (session->revoked)
        return identity_rejected(IDENTITY_SESSION_ENDED);
    session_emit_revoked(decision, &decision->aggregates[0], &session->user_id, "revoked");
    return NULL;
}

void session_reply_revoke(struct reply *reply)
{
    Nova__Identity__V2__RevokeSessionReply *message =
        message_new(reply->arena, &nova__identity__v2__revoke_session_reply__descriptor);
    message->ended_at_us = reply->events[0].occurred_at_us;
    reply->message = &message->base;
}

// The user first, then the sessions that go on, but for the one to keep.
const struct rejection *session_target_revoke_all(struct targets *targets,
                                                  const struct decision *decision)
{
    const Nova__Identity__V2__RevokeAllSessionsRequest *request = (const void *)decision->request;
    const struct identity_facts *facts = decision->facts;
    const struct rejection *rejection = user_target_known(targets, request->user_id);
    struct uuid keep = id_parse(request->keep_session_id);
    for (size_t i = 0; rejection == NULL && i < facts->session_count; i++)
        if (!uuid_equal(&facts->session_ids[i], &keep))
            targets_add(targets, &session_aggregate, &facts->session_ids[i]);
    return rejection;
}

const struct rejection *session_revoke_all(struct decision *decision)
{
    const struct rejection *rejection = user_check(decision);
    if (rejection == NULL)
        session_emit_all_revoked(decision, 1, &decision->aggregates[0].id, "revoked");
    return rejection;
}

void session_reply_revoke_all(struct reply *reply)
{
    Nova__Identity__V2__RevokeAllSessionsReply *message =
        message_new(reply->arena, &nova__identity__v2__revoke_all_sessions_reply__descriptor);
    message->revoked = reply->event_count;
    reply->message = &message->base;
}
