// sessions.h - the inline tables of sessions: which of a user's go on, and of each its refresh
// token's hash. Everything else of a session is in its events.
//
// Locks are taken in one order: the account, then the session. A login and a refresh share the
// account, so that they go on beside each other and none beside a deletion.
//
// Ownership: what is found lives in the arena.
// Threads:   one at a time per struct pg.
// Errors:    PostgreSQL's.
#pragma once
#include "base/arena.h"
#include "pg/pg.h"
#include "services/identity/refresh_token.h"

// The user's open sessions, at most ACCOUNT_SESSIONS_MAX; the account is locked until the
// transaction's end, so that none is added meanwhile.
MUST_CHECK enum nova_status sessions_of_user(const struct uuid **ids, size_t *count, struct pg *pg,
                                             const struct uuid *user_id, struct arena *arena,
                                             struct error *err);
// Those that must end so that one more is at most SESSIONS_OPEN_MAX: not used for the longest.
MUST_CHECK enum nova_status sessions_too_many(const struct uuid **ids, size_t *count, struct pg *pg,
                                              const struct uuid *user_id, struct arena *arena,
                                              struct error *err);
MUST_CHECK enum nova_status session_is_open(bool *out, struct pg *pg, const struct uuid *session_id,
                                            struct error *err);

// One of a user's sessions as ListSessions needs it.
struct session_row {
    struct uuid session_id;
    int64_t last_used_at_us; // 0: from before there were refresh tokens
    int64_t expires_at_us;
};
// Those that go on, the last used first; at most ACCOUNT_SESSIONS_MAX.
MUST_CHECK enum nova_status sessions_list(struct session_row **rows, size_t *count, struct pg *pg,
                                          const struct uuid *user_id, struct arena *arena,
                                          struct error *err);

// What is known of a session's newest refresh token. The account is shared and the session locked
// until the transaction's end: who comes at the same moment finds the next one.
struct session_refresh_row {
    bool found; // the session
    struct uuid user_id;
    bool has_hash; // of that generation's token
    int64_t generation;
    uint8_t hash[REFRESH_TOKEN_HASH_BYTES];
};
MUST_CHECK enum nova_status session_lock(struct session_refresh_row *out, struct pg *pg,
                                         const struct uuid *session_id, struct error *err);

// A session began: until expires_at_us, unless it is refreshed.
MUST_CHECK enum nova_status session_add(struct pg *pg, const struct uuid *session_id,
                                        const struct uuid *user_id, int64_t expires_at_us,
                                        struct error *err);
// Its newest refresh token, the first or the next. hash NULL: not known (any more).
MUST_CHECK enum nova_status session_put_token(struct pg *pg, const struct uuid *session_id,
                                              int64_t generation,
                                              const uint8_t hash[REFRESH_TOKEN_HASH_BYTES],
                                              int64_t used_at_us, int64_t expires_at_us,
                                              struct error *err);
// It ended, unless it had before; its token's hash goes.
MUST_CHECK enum nova_status session_end(struct pg *pg, const struct uuid *session_id,
                                        int64_t ended_at_us, struct error *err);
MUST_CHECK enum nova_status sessions_end_all(struct pg *pg, const struct uuid *user_id,
                                             struct error *err);
