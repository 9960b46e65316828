// identity.h - the aggregates of identity: user and session.
//
//   user      Register, ImportUser -> user.created; UpdateUser -> user.updated;
//             DeleteUser -> user.deleted and session.revoked of each open session
//   session   Login -> session.started
//
// States hold nothing personal: what must be unique or secret (addresses, handles, passwords) is
// looked up by the service in inline tables, in the same transaction, and comes in as facts.
//
// Threads: pure; safe from any thread.
#pragma once
#include "aggregates/core/aggregate.h"

// REJECTION(name, status, text)
#define IDENTITY_REJECTIONS(REJECTION)                                                             \
    REJECTION(NOT_ALLOWED, PERMISSION_DENIED, "only the user or an operator may do that")          \
    REJECTION(IMPORTER_ONLY, PERMISSION_DENIED, "only an importer or operator brings users in")    \
    REJECTION(EMAIL_INVALID, INVALID_ARGUMENT,                                                     \
              "email wants one @ with something on both sides, 3 to 254 bytes and no spaces")      \
    REJECTION(HANDLE_INVALID, INVALID_ARGUMENT, "handle wants 2 to 64 letters, digits, _ . or -")  \
    REJECTION(HANDLE_RESERVED, INVALID_ARGUMENT, "that handle is reserved; choose another")        \
    REJECTION(NAME_INVALID, INVALID_ARGUMENT,                                                      \
              "display_name wants 1 to 200 bytes, not only spaces, no control characters")         \
    REJECTION(PASSWORD_LENGTH, INVALID_ARGUMENT, "password wants 10 to 1024 bytes")                \
    REJECTION(PASSWORD_HASH_INVALID, INVALID_ARGUMENT,                                             \
              "password_hash wants Argon2id in PHC form: $argon2id$v=19$m=..,t=..,p=1$..$..")      \
    REJECTION(EMAIL_TAKEN, ALREADY_EXISTS, "that e-mail address is taken")                         \
    REJECTION(HANDLE_TAKEN, ALREADY_EXISTS, "that handle is taken")                                \
    REJECTION(USER_EXISTS, ALREADY_EXISTS, "that user_id is taken; leave it out to get a new one") \
    REJECTION(USER_ID_MISSING, INVALID_ARGUMENT, "user_id is missing")                             \
    REJECTION(USER_UNKNOWN, NOT_FOUND, "there is no such user")                                    \
    REJECTION(NOTHING_TO_UPDATE, INVALID_ARGUMENT, "give an email, handle or display_name")        \
    REJECTION(SESSION_EXISTS, ALREADY_EXISTS,                                                      \
              "that session_id is taken; leave it out to get a new one")                           \
    REJECTION(WRONG_LOGIN, UNAUTHENTICATED, "the login or the password is wrong")

enum identity_rejection {
#define REJECTION(name, status, text) IDENTITY_##name,
    IDENTITY_REJECTIONS(REJECTION)
#undef REJECTION
        IDENTITY_REJECTION_COUNT
};
extern const struct rejection identity_rejections[IDENTITY_REJECTION_COUNT];

// decision.facts: what the service looked up.
struct identity_facts {
    bool email_taken, handle_taken;
    bool password_length_ok; // Register
    bool password_hash_ok;   // ImportUser; also when none was given
    bool password_matches;   // Login
    struct uuid login_user_id;
    const struct uuid *session_ids; // DeleteUser: those to revoke, at most 1,000
    size_t session_count;
    int64_t session_lifetime_us;
};

struct user_state {
    uint8_t exists, deleted, has_password;
};
struct session_state {
    uint8_t exists, revoked;
};
extern const struct aggregate_type user_aggregate, session_aggregate;

enum { IDENTITY_RULES_COUNT = 5 };
extern const struct command_rule identity_rules[IDENTITY_RULES_COUNT];

// True for a name of the list in reserved.inc; case does not matter.
bool handle_is_reserved(const char *handle);
