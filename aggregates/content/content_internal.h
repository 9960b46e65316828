// content_internal.h - what post.c, comment.c and rules.c share; nobody else includes it.
#pragma once
#include "aggregates/content/content.h"
#include "nova/content/v2/content.pb-c.h"

static inline const struct rejection *content_rejected(enum content_rejection rejection)
{
    return &content_rejections[rejection];
}

const struct rejection *post_target_new(struct targets *, const struct decision *);
const struct rejection *post_target_update(struct targets *, const struct decision *);
const struct rejection *post_target_delete(struct targets *, const struct decision *);
const struct rejection *post_create(struct decision *);
const struct rejection *post_update(struct decision *);
const struct rejection *post_delete(struct decision *);
void post_reply_created(struct reply *);
void post_reply_updated(struct reply *);
void post_reply_deleted(struct reply *);

const struct rejection *comment_target_new(struct targets *, const struct decision *);
const struct rejection *comment_target_update(struct targets *, const struct decision *);
const struct rejection *comment_target_delete(struct targets *, const struct decision *);
const struct rejection *comment_create(struct decision *);
const struct rejection *comment_update(struct decision *);
const struct rejection *comment_delete(struct decision *);
void comment_reply_created(struct reply *);
void comment_reply_updated(struct reply *);
void comment_reply_deleted(struct reply *);
