// user_email.c - whether a user's e-mail address is theirs: asked to be shown, and shown by a
// token.
#include "aggregates/identity/identity_internal.h"

// ---- RequestEmailVerification -------------------------------------------------------------------

const struct rejection *email_target_request(struct targets *targets,
                                             const struct decision *decision)
{
    const Nova__Identity__V2__RequestEmailVerificationRequest *request =
        (const void *)decision->request;
    return user_target_known(targets, request->user_id);
}

// Also of an address that was verified before: who asks for an e-mail gets one.
const struct rejection *email_request_verification(struct decision *decision)
{
    const struct identity_facts *facts = decision->facts;
    const struct rejection *rejection = user_check(decision);
    if (rejection != NULL)
        return rejection;
    if (facts->mail_is_full)
        return identity_rejected(IDENTITY_MAIL_FULL);
    decision->writes_inline = true;
    return NULL;
}

void email_reply_requested(struct reply *reply)
{
    Nova__Identity__V2__RequestEmailVerificationReply *message = message_new(
        reply->arena, &nova__identity__v2__request_email_verification_reply__descriptor);
    reply->message = &message->base;
}

// ---- VerifyEmail --------------------------------------------------------------------------------

const struct rejection *email_target_verify(struct targets *targets,
                                            const struct decision *decision)
{
    const struct identity_facts *facts = decision->facts;
    const struct rejection *rejection = mail_token_check(&facts->mail_token);
    if (rejection == NULL)
        targets_add(targets, &user_aggregate, &facts->mail_token.user_id);
    return rejection;
}

// Who has the token need not say who they are. The service found that the address is still the one
// it was sent to, and the user's version holds that until this event is appended.
const struct rejection *email_verify(struct decision *decision)
{
    const struct user_state *user = decision->aggregates[0].state;
    if (!user->exists || user->deleted)
        return identity_rejected(IDENTITY_MAIL_TOKEN_UNKNOWN);
    Nova__Identity__V2__UserEmailVerified *verified =
        message_new(decision->arena, &nova__identity__v2__user_email_verified__descriptor);
    decision_emit(decision, &decision->aggregates[0], "user.email_verified", &verified->base, NULL,
                  NULL);
    return NULL;
}

void email_reply_verified(struct reply *reply)
{
    Nova__Identity__V2__VerifyEmailReply *message =
        message_new(reply->arena, &nova__identity__v2__verify_email_reply__descriptor);
    message->user_id = id_text(reply->arena, &reply->events[0].aggregate_id);
    message->verified_at_us = reply->events[0].occurred_at_us;
    reply->message = &message->base;
}
