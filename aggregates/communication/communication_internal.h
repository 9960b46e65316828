// communication_internal.h - what conversation.c, message.c and rules.c share; nobody else includes
// it.
#pragma once
#include "aggregates/communication/communication.h"
#include "nova/communication/v2/communication.pb-c.h"

static inline const struct rejection *communication_rejected(enum communication_rejection rejection)
{
    return &communication_rejections[rejection];
}

bool conversation_has(const struct conversation_state *conversation, const struct uuid *user_id);

const struct rejection *conversation_target_new(struct targets *, const struct decision *);
const struct rejection *conversation_create(struct decision *);
void conversation_reply_created(struct reply *);

const struct rejection *message_target_send(struct targets *, const struct decision *);
const struct rejection *message_target_edit(struct targets *, const struct decision *);
const struct rejection *message_target_delete(struct targets *, const struct decision *);
const struct rejection *message_target_read(struct targets *, const struct decision *);
const struct rejection *message_send(struct decision *);
const struct rejection *message_edit(struct decision *);
const struct rejection *message_delete(struct decision *);
const struct rejection *message_read(struct decision *);
void message_reply_sent(struct reply *);
void message_reply_edited(struct reply *);
void message_reply_deleted(struct reply *);
void message_reply_read(struct reply *);
