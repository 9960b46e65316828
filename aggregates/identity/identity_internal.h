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
void user_reply_registered(struct reply *);
void user_reply_imported(struct reply *);
void user_reply_updated(struct reply *);
void user_reply_deleted(struct reply *);

const struct rejection *session_target_login(struct targets *, const struct decision *);
const struct rejection *session_login(struct decision *);
void session_reply_login(struct reply *);
