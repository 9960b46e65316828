// user_password.c - a user's password: asked to be set anew, set by a token, changed by its owner.
#include <string.h>

#include "aggregates/identity/identity_internal.h"
#include "base/email_address.h"

const struct rejection *password_check(const struct identity_facts *facts)
{
    if (!facts->password_length_ok)
        return identity_rejected(IDENTITY_PASSWORD_LENGTH);
    return facts->password_leaked ? identity_rejected(IDENTITY_PASSWORD_LEAKED) : NULL;
}

static void password_emit_changed(struct decision *decision, const char *reason)
{
    struct aggregate *user = &decision->aggregates[0];
    Nova__Identity__V2__UserPasswordChanged *changed =
        message_new(decision->arena, &nova__identity__v2__user_password_changed__descriptor);
    changed->reason = (char *)(uintptr_t)reason;
    decision_emit(decision, user, "user.password_changed", &changed->base, NULL, NULL);
    session_emit_all_revoked(decision, 1, &user->id, "password_changed");
    lock_emit_unlocked(decision, user,
                       strcmp(reason, "reset") == 0 ? "password_reset" : "password_changed");
}

// ---- RequestPasswordReset -----------------------------------------------------------------------

// Of an address that nobody has, a user who does not exist is loaded: the work is the same.
const struct rejection *password_target_request(struct targets *targets,
                                                const struct decision *decision)
{
    const struct identity_facts *facts = decision->facts;
    const struct uuid *user_id = &facts->mail_user_id;
    targets_add(targets, &user_aggregate, uuid_is_nil(user_id) ? &decision->new_id : user_id);
    return NULL;
}

// No event: what somebody asked for did not happen to the user. What follows depends on the request
// and on how many e-mails wait, never on who exists.
const struct rejection *password_request_reset(struct decision *decision)
{
    const Nova__Identity__V2__RequestPasswordResetRequest *request =
        (const void *)decision->request;
    const struct identity_facts *facts = decision->facts;
    if (!email_address_is_valid(request->email))
        return identity_rejected(IDENTITY_EMAIL_INVALID);
    if (facts->mail_is_full)
        return identity_rejected(IDENTITY_MAIL_FULL);
    decision->writes_inline = true;
    return NULL;
}

void password_reply_requested(struct reply *reply)
{
    Nova__Identity__V2__RequestPasswordResetReply *message =
        message_new(reply->arena, &nova__identity__v2__request_password_reset_reply__descriptor);
    reply->message = &message->base;
}

// ---- ResetPassword ------------------------------------------------------------------------------

const struct rejection *mail_token_check(const struct mail_token_fact *token)
{
    if (!token->well_formed)
        return identity_rejected(IDENTITY_MAIL_TOKEN_MALFORMED);
    if (!token->known)
        return identity_rejected(IDENTITY_MAIL_TOKEN_UNKNOWN);
    if (token->expired)
        return identity_rejected(IDENTITY_MAIL_TOKEN_EXPIRED);
    return NULL;
}

static void password_target_sessions(struct targets *targets, const struct identity_facts *facts,
                                     const struct uuid *keep)
{
    for (size_t i = 0; i < facts->session_count; i++)
        if (!uuid_equal(&facts->session_ids[i], keep))
            targets_add(targets, &session_aggregate, &facts->session_ids[i]);
}

// The user of the token, then all their sessions that go on.
const struct rejection *password_target_reset(struct targets *targets,
                                              const struct decision *decision)
{
    static const struct uuid none;
    const struct identity_facts *facts = decision->facts;
    const struct rejection *rejection = mail_token_check(&facts->mail_token);
    if (rejection != NULL)
        return rejection;
    targets_add(targets, &user_aggregate, &facts->mail_token.user_id);
    password_target_sessions(targets, facts, &none);
    return NULL;
}

// Who has the token need not say who they are.
const struct rejection *password_reset(struct decision *decision)
{
    const struct identity_facts *facts = decision->facts;
    const struct user_state *user = decision->aggregates[0].state;
    if (!user->exists || user->deleted)
        return identity_rejected(IDENTITY_MAIL_TOKEN_UNKNOWN);
    const struct rejection *rejection = password_check(facts);
    if (rejection != NULL)
        return rejection;
    password_emit_changed(decision, "reset");
    return NULL;
}

void password_reply_reset(struct reply *reply)
{
    Nova__Identity__V2__ResetPasswordReply *message =
        message_new(reply->arena, &nova__identity__v2__reset_password_reply__descriptor);
    message->user_id = id_text(reply->arena, &reply->events[0].aggregate_id);
    message->changed_at_us = reply->events[0].occurred_at_us;
    reply->message = &message->base;
}

// ---- ChangePassword -----------------------------------------------------------------------------

// The user, then the sessions that go on, but for the one to keep.
const struct rejection *password_target_change(struct targets *targets,
                                               const struct decision *decision)
{
    const Nova__Identity__V2__ChangePasswordRequest *request = (const void *)decision->request;
    const struct identity_facts *facts = decision->facts;
    struct uuid keep = id_parse(request->keep_session_id);
    const struct rejection *rejection = user_target_known(targets, request->user_id);
    if (rejection == NULL)
        password_target_sessions(targets, facts, &keep);
    return rejection;
}

// Who acts for the user must know the old password as well. That one was wrong is noted.
const struct rejection *password_change(struct decision *decision)
{
    const struct identity_facts *facts = decision->facts;
    const struct rejection *rejection = user_check(decision);
    if (rejection != NULL)
        return rejection;
    if (facts->attempt.failed) {
        decision->writes_inline = true;
        return NULL;
    }
    if (!facts->password_matches) // it was another when it was checked
        return identity_rejected(IDENTITY_WRONG_PASSWORD);
    rejection = password_check(facts);
    if (rejection != NULL)
        return rejection;
    password_emit_changed(decision, "changed");
    return NULL;
}

void password_reply_changed(struct reply *reply)
{
    if (reply->event_count == 0) {
        reply->rejection = identity_rejected(IDENTITY_WRONG_PASSWORD);
        return;
    }
    Nova__Identity__V2__ChangePasswordReply *message =
        message_new(reply->arena, &nova__identity__v2__change_password_reply__descriptor);
    message->changed_at_us = reply->events[0].occurred_at_us;
    reply->message = &message->base;
}
