// identity_internal.h - what user.c, session.c and rules.c share; nobody else includes it.
#pragma once
#include "aggregates/identity/identity.h"
#include "nova/identity/v2/identity.pb-c.h"

static inline const struct rejection *identity_rejected(enum identity_rejection rejection)
{
    return &identity_rejections[rejection];
}

const struct rejection *user_target_new(struct targets *, const struct decision *);
const struct rejection *user_target_import(struct targets *, const struct decision *);
const struct rejection *user_target_update(struct targets *, const struct decision *);
const struct rejection *user_target_delete(struct targets *, const struct decision *);
const struct rejection *user_register(struct decision *);
const struct rejection *user_import(struct decision *);
const struct rejection *user_update(struct decision *);
const struct rejection *user_delete(struct decision *);
const struct rejection *password_target_change(struct targets *, const struct decision *);
const struct rejection *password_change(struct decision *);
void password_reply_changed(struct reply *);
const struct rejection *email_target_request(struct targets *, const struct decision *);
const struct rejection *email_request_verification(struct decision *);
void email_reply_requested(struct reply *);
const struct rejection *email_target_verify(struct targets *, const struct decision *);
const struct rejection *email_verify(struct decision *);
void email_reply_verified(struct reply *);
const struct rejection *password_target_request(struct targets *, const struct decision *);
const struct rejection *password_request_reset(struct decision *);
const struct rejection *password_target_reset(struct targets *, const struct decision *);
const struct rejection *password_reset(struct decision *);
void password_reply_requested(struct reply *);
void password_reply_reset(struct reply *);
// A login whose password was wrong: whom it is noted for, and user.locked when it is one too many.
void lock_target_failed(struct targets *, const struct decision *);
void lock_note_failed(struct decision *);
// user.unlocked, when the user is locked. The reason is a constant.
void lock_emit_unlocked(struct decision *, struct aggregate *user, const char *reason);
void user_reply_registered(struct reply *);
void user_reply_imported(struct reply *);
void user_reply_updated(struct reply *);
void user_reply_deleted(struct reply *);

// NULL: it may be used.
// The new password of Register, ResetPassword and ChangePassword.
const struct rejection *password_check(const struct identity_facts *facts);
const struct rejection *mail_token_check(const struct mail_token_fact *token);

// The one who asks is the user of decision->aggregates[0], or may act for them; and the user is
// there.
const struct rejection *user_check(const struct decision *decision);
const struct rejection *user_target_known(struct targets *targets, const char *user_id);

const struct rejection *session_target_login(struct targets *, const struct decision *);
const struct rejection *session_login(struct decision *);
const struct rejection *session_target_refresh(struct targets *, const struct decision *);
const struct rejection *session_refresh(struct decision *);
const struct rejection *session_target_logout(struct targets *, const struct decision *);
const struct rejection *session_logout(struct decision *);
const struct rejection *session_target_revoke(struct targets *, const struct decision *);
const struct rejection *session_revoke(struct decision *);
const struct rejection *session_target_revoke_all(struct targets *, const struct decision *);
const struct rejection *session_revoke_all(struct decision *);
void session_reply_login(struct reply *);
void session_reply_refresh(struct reply *);
void session_reply_logout(struct reply *);
void session_reply_revoke(struct reply *);
void session_reply_revoke_all(struct reply *);

const struct rejection *keyring_target_rotate(struct targets *, const struct decision *);
const struct rejection *keyring_rotate(struct decision *);
void keyring_reply_rotated(struct reply *);

// session.revoked of each of decision->aggregates[from..] that goes on.
void session_emit_all_revoked(struct decision *decision, uint32_t from, const struct uuid *user_id,
                              const char *reason);
