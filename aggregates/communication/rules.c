// rules.c - communication's commands and rejections as tables.
#include "aggregates/communication/communication_internal.h"

const struct rejection communication_rejections[COMMUNICATION_REJECTION_COUNT] = {
#define REJECTION(name, status, text) {#name, NOVA_##status, text},
    COMMUNICATION_REJECTIONS(REJECTION)
#undef REJECTION
};

const struct command_rule communication_rules[COMMUNICATION_RULES_COUNT] = {
    {"CreateConversation", conversation_target_new, conversation_create,
     conversation_reply_created},
    {"SendMessage", message_target_send, message_send, message_reply_sent},
    {"EditMessage", message_target_edit, message_edit, message_reply_edited},
    {"DeleteMessage", message_target_delete, message_delete, message_reply_deleted},
    {"MarkRead", message_target_read, message_read, message_reply_read},
};
