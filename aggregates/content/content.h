// content.h - the aggregates of content: post and comment.
//
//   post      CreatePost -> post.created; UpdatePost -> post.updated; DeletePost -> post.deleted
//   comment   CreateComment -> comment.created; UpdateComment -> comment.updated;
//             DeleteComment -> comment.deleted
//
// A comment belongs to a post for ever, and may reply to another comment of that post. Deleting a
// post leaves its comments' own histories alone: read models show nothing below a deleted post.
//
// Threads: pure; safe from any thread.
#pragma once
#include "aggregates/core/aggregate.h"

enum {
    POST_TITLE_BYTES_MAX = 300,
    POST_TEXT_BYTES_MAX = 65536,
    POST_TAGS_MAX = 32,
    POST_TAG_BYTES_MAX = 64,
    COMMENT_TEXT_BYTES_MAX = 65536,
};

// REJECTION(name, status, text)
#define CONTENT_REJECTIONS(REJECTION)                                                              \
    REJECTION(AUTHOR_MISSING, UNAUTHENTICATED,                                                     \
              "whoever writes needs a name: log in, or act on behalf of a user")                   \
    REJECTION(NOT_AUTHOR, PERMISSION_DENIED, "only the author or an operator may do that")         \
    REJECTION(POST_ID_MISSING, INVALID_ARGUMENT, "post_id is missing")                             \
    REJECTION(POST_EXISTS, ALREADY_EXISTS, "that post_id is taken; leave it out to get a new one") \
    REJECTION(POST_UNKNOWN, NOT_FOUND, "there is no such post")                                    \
    REJECTION(POST_EMPTY, INVALID_ARGUMENT, "a post wants a title or a text")                      \
    REJECTION(TITLE_TOO_LONG, INVALID_ARGUMENT, "title has more than 300 bytes")                   \
    REJECTION(TEXT_TOO_LONG, INVALID_ARGUMENT, "text has more than 65536 bytes")                   \
    REJECTION(TOO_MANY_TAGS, INVALID_ARGUMENT, "tags has more than 32")                            \
    REJECTION(TAG_INVALID, INVALID_ARGUMENT, "a tag wants 1 to 64 bytes without spaces")           \
    REJECTION(COMMENT_ID_MISSING, INVALID_ARGUMENT, "comment_id is missing")                       \
    REJECTION(COMMENT_EXISTS, ALREADY_EXISTS,                                                      \
              "that comment_id is taken; leave it out to get a new one")                           \
    REJECTION(COMMENT_UNKNOWN, NOT_FOUND, "there is no such comment")                              \
    REJECTION(COMMENT_EMPTY, INVALID_ARGUMENT, "a comment wants a text")                           \
    REJECTION(PARENT_UNKNOWN, NOT_FOUND, "there is no such comment to reply to")                   \
    REJECTION(PARENT_OF_ANOTHER_POST, INVALID_ARGUMENT, "parent_id is a comment of another post")

enum content_rejection {
#define REJECTION(name, status, text) CONTENT_##name,
    CONTENT_REJECTIONS(REJECTION)
#undef REJECTION
        CONTENT_REJECTION_COUNT
};
extern const struct rejection content_rejections[CONTENT_REJECTION_COUNT];

struct post_state {
    struct uuid author_id;
    uint8_t exists, deleted;
};
struct comment_state {
    struct uuid author_id, post_id;
    uint8_t exists, deleted;
};
extern const struct aggregate_type post_aggregate, comment_aggregate;

enum { CONTENT_RULES_COUNT = 6 };
extern const struct command_rule content_rules[CONTENT_RULES_COUNT];
