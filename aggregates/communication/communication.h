// communication.h - the aggregates of communication: conversation and message.
//
//   conversation   CreateConversation -> conversation.created
//   message        SendMessage -> message.sent; EditMessage -> message.edited;
//                  DeleteMessage -> message.deleted; MarkRead -> message.read
//
// Who is a user is identity's knowledge: the service finds it out before and brings it as facts.
//
// Threads: pure; safe from any thread.
#pragma once
#include "aggregates/core/aggregate.h"

enum {
    CONVERSATION_MEMBERS_MIN = 2,
    CONVERSATION_MEMBERS_MAX = 16,
    CONVERSATION_TITLE_BYTES_MAX = 300,
    MESSAGE_TEXT_BYTES_MAX = 16384,
};

// REJECTION(name, status, text)
#define COMMUNICATION_REJECTIONS(REJECTION)                                                        \
    REJECTION(SENDER_MISSING, UNAUTHENTICATED,                                                     \
              "whoever writes or reads needs a name: log in, or act on behalf of a user")          \
    REJECTION(SENDER_UNKNOWN, NOT_FOUND, "there is no such user to send it")                       \
    REJECTION(NOT_SENDER, PERMISSION_DENIED, "only the sender or an operator may do that")         \
    REJECTION(NOT_A_MEMBER, PERMISSION_DENIED, "only members of the conversation may do that")     \
    REJECTION(MEMBER_COUNT, INVALID_ARGUMENT, "member_ids wants 2 to 16 users")                    \
    REJECTION(MEMBER_ID_MISSING, INVALID_ARGUMENT, "member_ids has an empty id")                   \
    REJECTION(MEMBER_TWICE, INVALID_ARGUMENT, "member_ids has a user twice")                       \
    REJECTION(MEMBER_UNKNOWN, NOT_FOUND, "member_ids has an id that is no user's")                 \
    REJECTION(TITLE_TOO_LONG, INVALID_ARGUMENT, "title has more than 300 bytes")                   \
    REJECTION(CONVERSATION_ID_MISSING, INVALID_ARGUMENT, "conversation_id is missing")             \
    REJECTION(CONVERSATION_EXISTS, ALREADY_EXISTS,                                                 \
              "that conversation_id is taken; leave it out to get a new one")                      \
    REJECTION(CONVERSATION_UNKNOWN, NOT_FOUND, "there is no such conversation")                    \
    REJECTION(TEXT_LENGTH, INVALID_ARGUMENT, "text wants 1 to 16384 bytes")                        \
    REJECTION(MESSAGE_ID_MISSING, INVALID_ARGUMENT, "message_id is missing")                       \
    REJECTION(MESSAGE_EXISTS, ALREADY_EXISTS,                                                      \
              "that message_id is taken; leave it out to get a new one")                           \
    REJECTION(MESSAGE_UNKNOWN, NOT_FOUND, "there is no such message")

enum communication_rejection {
#define REJECTION(name, status, text) COMMUNICATION_##name,
    COMMUNICATION_REJECTIONS(REJECTION)
#undef REJECTION
        COMMUNICATION_REJECTION_COUNT
};
extern const struct rejection communication_rejections[COMMUNICATION_REJECTION_COUNT];

// decision.facts: what the service found out.
struct communication_facts {
    bool sender_known;  // SendMessage: the caller is a user
    bool members_known; // CreateConversation: all of them are
};

struct conversation_state {
    uint8_t exists, member_count;
    struct uuid members[CONVERSATION_MEMBERS_MAX];
};
struct message_state {
    struct uuid sender_id, conversation_id;
    uint8_t exists, deleted, reader_count;
    struct uuid readers[CONVERSATION_MEMBERS_MAX];
};
extern const struct aggregate_type conversation_aggregate, message_aggregate;

enum { COMMUNICATION_RULES_COUNT = 5 };
extern const struct command_rule communication_rules[COMMUNICATION_RULES_COUNT];
