// rules.c - content's commands and rejections as tables.
#include "aggregates/content/content_internal.h"

const struct rejection content_rejections[CONTENT_REJECTION_COUNT] = {
#define REJECTION(name, status, text) {#name, NOVA_##status, text},
    CONTENT_REJECTIONS(REJECTION)
#undef REJECTION
};

const struct command_rule content_rules[CONTENT_RULES_COUNT] = {
    {"CreatePost", post_target_new, post_create, post_reply_created},
    {"UpdatePost", post_target_update, post_update, post_reply_updated},
    {"DeletePost", post_target_delete, post_delete, post_reply_deleted},
    {"CreateComment", comment_target_new, comment_create, comment_reply_created},
    {"UpdateComment", comment_target_update, comment_update, comment_reply_updated},
    {"DeleteComment", comment_target_delete, comment_delete, comment_reply_deleted},
};
