// identity.h - the aggregates of identity: user, session and keyring.
//
//   user      Register, ImportUser -> user.created; Register with an address that is taken -> no
//   event,
//             and the same answer
//             UpdateUser -> user.updated;
//             ChangePassword -> user.password_changed, and session.revoked of each other session
//             RequestEmailVerification -> no event; VerifyEmail -> user.email_verified
//             RequestPasswordReset -> no event: a token is sent by e-mail
//             ResetPassword -> user.password_changed, and session.revoked of each open session
//             DeleteUser -> user.deleted and session.revoked of each open session
//   session   Login -> session.started, and session.revoked of those that are too many; user.locked
//             when the password was wrong too often, user.unlocked when it was right after that
//             RefreshToken -> session.refreshed; session.revoked when the token is an old one
//             Logout, RevokeSession, RevokeAllSessions -> session.revoked
//   keyring   RotateSigningKey -> keyring.rotated
//
// However a session ends, it ends by session.revoked, and by nothing else: who verifies access
// tokens listens to that one event (bus/verifier.h).
//
// A session has one refresh token at a time, and counts them: generation 0 comes with the login,
// each refresh takes the newest and gives the next. Only an older one that is brought again shows
// that two have the session, and so it ends (RFC 9700, 4.14.2; docs/decisions/0025).
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
              "email wants an address that can be delivered to, such as ada@example.org, of at "   \
              "most 254 bytes")                                                                    \
    REJECTION(HANDLE_INVALID, INVALID_ARGUMENT, "handle wants 2 to 64 letters, digits, _ . or -")  \
    REJECTION(HANDLE_RESERVED, INVALID_ARGUMENT,                                                   \
              "that handle is reserved, or looks like one that is; choose another")                \
    REJECTION(NAME_INVALID, INVALID_ARGUMENT,                                                      \
              "display_name wants 1 to 200 bytes, not only spaces, no control characters")         \
    REJECTION(PASSWORD_LENGTH, INVALID_ARGUMENT, "password wants 8 to 1024 bytes in NFKC")         \
    REJECTION(PASSWORD_LEAKED, INVALID_ARGUMENT,                                                   \
              "that password is on the list of those that everybody knows; choose another")        \
    REJECTION(PASSWORD_HASH_INVALID, INVALID_ARGUMENT,                                             \
              "password_hash wants Argon2id in PHC form: $argon2id$v=19$m=..,t=..,p=1$..$..")      \
    REJECTION(EMAIL_TAKEN, ALREADY_EXISTS, "that e-mail address is taken")                         \
    REJECTION(HANDLE_TAKEN, ALREADY_EXISTS, "that handle is taken")                                \
    REJECTION(USER_EXISTS, ALREADY_EXISTS, "that user_id is taken; leave it out to get a new one") \
    REJECTION(USER_ID_MISSING, INVALID_ARGUMENT, "user_id is missing")                             \
    REJECTION(USER_UNKNOWN, NOT_FOUND, "there is no such user")                                    \
    REJECTION(NOTHING_TO_UPDATE, INVALID_ARGUMENT, "give an email, handle or display_name")        \
    REJECTION(HANDLE_CHANGED_LATELY, FAILED_PRECONDITION,                                          \
              "the handle was changed not long ago; wait until it may be changed again")           \
    REJECTION(SESSION_EXISTS, ALREADY_EXISTS,                                                      \
              "that session_id is taken; leave it out to get a new one")                           \
    REJECTION(WRONG_LOGIN, UNAUTHENTICATED, "the login or the password is wrong")                  \
    REJECTION(DEVICE_INVALID, INVALID_ARGUMENT,                                                    \
              "device wants at most 200 bytes, address at most 64; no control characters")         \
    REJECTION(REFRESH_MALFORMED, INVALID_ARGUMENT, "that is no refresh token")                     \
    REJECTION(REFRESH_UNKNOWN, UNAUTHENTICATED, "nobody was given that refresh token; log in")     \
    REJECTION(REFRESH_OF_ANOTHER, PERMISSION_DENIED, "that refresh token is another user's")       \
    REJECTION(REFRESH_USER_DELETED, UNAUTHENTICATED, "the refresh token's user was deleted")       \
    REJECTION(REFRESH_REVOKED, UNAUTHENTICATED, "the refresh token's session has ended; log in")   \
    REJECTION(REFRESH_REUSED, UNAUTHENTICATED,                                                     \
              "that refresh token was used before: its session has ended for safety; log in")      \
    REJECTION(REFRESH_EXPIRED, UNAUTHENTICATED, "the refresh token has expired; log in")           \
    REJECTION(SESSION_ID_MISSING, INVALID_ARGUMENT, "session_id is missing")                       \
    REJECTION(SESSION_UNKNOWN, NOT_FOUND, "the user has no such session")                          \
    REJECTION(SESSION_ENDED, FAILED_PRECONDITION, "that session has ended already")                \
    REJECTION(WRONG_PASSWORD, UNAUTHENTICATED, "old_password is wrong")                            \
    REJECTION(MAIL_FULL, RESOURCE_EXHAUSTED, "too many e-mails wait to be sent; try again later")  \
    REJECTION(MAIL_TOKEN_MALFORMED, INVALID_ARGUMENT, "that is no token of such an e-mail")        \
    REJECTION(MAIL_TOKEN_UNKNOWN, UNAUTHENTICATED,                                                 \
              "that token was used, or a newer one was asked for; ask for another")                \
    REJECTION(MAIL_TOKEN_EXPIRED, UNAUTHENTICATED, "that token has expired; ask for another")      \
    REJECTION(OPERATOR_ONLY, PERMISSION_DENIED, "only an operator sees and rotates signing keys")  \
    REJECTION(ROTATION_UNDER_WAY, FAILED_PRECONDITION,                                             \
              "a new key is published and waits for its time; ./nova keys list shows it")          \
    REJECTION(                                                                                     \
        KEYS_TOO_MANY, FAILED_PRECONDITION,                                                        \
        "too many keys are still needed for tokens of before; wait until the oldest is gone")

enum identity_rejection {
#define REJECTION(name, status, text) IDENTITY_##name,
    IDENTITY_REJECTIONS(REJECTION)
#undef REJECTION
        IDENTITY_REJECTION_COUNT,
    IDENTITY_SESSIONS_FROM = IDENTITY_DEVICE_INVALID, // from here on the rejections are sessions',
    IDENTITY_MAIL_FROM = IDENTITY_WRONG_PASSWORD,     // from here on those of tokens sent by e-mail
    IDENTITY_KEYS_FROM = IDENTITY_OPERATOR_ONLY       // and from here on those of signing keys
};
extern const struct rejection identity_rejections[IDENTITY_REJECTION_COUNT];

// What a refresh token says, and what the service found of it.
struct refresh_fact {
    bool well_formed;
    bool authentic; // we gave it out: once, or just now
    struct uuid session_id, user_id;
    int64_t generation;
};

// What the service found of a Login beside its password (docs/decisions/0038).
struct attempt_fact {
    bool failed;        // the password was wrong; nobody's login fails as well. ChangePassword too
    bool locks;         // it is the failure from which on strangers wait the longest
    bool from_stranger; // not from a device of the user's that was known before
};

// What a token that was sent by e-mail says, and what the service found of it.
struct mail_token_fact {
    bool well_formed; // for this purpose
    bool known;       // it may still be used, and its user still has the address it was sent to
    bool expired;
    struct uuid id, user_id;
};

// What the service found of a Register (docs/decisions/0039).
struct registration_fact {
    bool repeated; // the command was refused in silence before, with this answer:
    struct uuid user_id;
    int64_t created_at_us;
    struct uuid holder_id; // who has the e-mail address; nil: nobody
};

// A key that RotateSigningKey may add.
struct new_key_fact {
    const char *kid, *x;
    int64_t now_us, lead_us; // by the clock that says when a key signs
    bool is_one_too_many;
};

// decision.facts: what the service looked up.
struct identity_facts {
    bool email_taken, handle_taken;
    bool handle_is_new; // UpdateUser: not the user's own in other letters
    int64_t handle_change_wait_us;
    bool password_length_ok;               // Register, ResetPassword and ChangePassword
    bool password_leaked;                  // these
    bool password_hash_ok;                 // ImportUser; also when none was given
    bool password_matches;                 // Login and ChangePassword
    struct uuid login_user_id;             // nil: nobody has that name
    struct attempt_fact attempt;           // Login
    struct registration_fact registration; // Register
    struct uuid mail_user_id; // of a request for an e-mail: who has the address; nil: nobody
    bool mail_is_full;        // MAIL_WAITING_MAX e-mails wait
    struct mail_token_fact mail_token; // ResetPassword and VerifyEmail
    // DeleteUser, RevokeAllSessions, ResetPassword and ChangePassword: those that go on; Login:
    // those that are too many. At most ACCOUNT_SESSIONS_MAX.
    const struct uuid *session_ids;
    size_t session_count;
    int64_t token_lifetime_us, refresh_lifetime_us, session_lifetime_us;
    struct refresh_fact refresh; // RefreshToken and Logout
    struct new_key_fact new_key; // RotateSigningKey
};

struct user_state {
    uint8_t exists, deleted, has_password;
    uint8_t locked;               // for strangers
    int64_t handle_changed_at_us; // 0: never since the registration
};
struct session_state {
    uint8_t exists, revoked;
    struct uuid user_id;
    int64_t generation; // the newest refresh token's
    int64_t refresh_expires_at_us, ends_at_us;
};
struct keyring_state {
    int64_t rotations;
    int64_t signs_from_us; // the newest key
};
// The one keyring's id.
#define KEYRING_ID "6a777400-0000-5000-8000-6e6f76610000"
extern const struct aggregate_type user_aggregate, session_aggregate, keyring_aggregate;

enum { IDENTITY_RULES_COUNT = 15 };
extern const struct command_rule identity_rules[IDENTITY_RULES_COUNT];

// True for a name of the list in reserved.inc and for one that is read as such: case, the signs
// between words, digits that stand for letters and letters that look alike do not matter.
bool handle_is_reserved(const char *handle);
