// mail.h - the tables behind e-mails: effects, which the mailer carries out, and the tokens in
// them.
//
// A token is asked for, and its e-mail with it, in one statement of its command's transaction.
// Locks are taken in one order: the account, then the token.
//
// Ownership: what is found lives in the arena.
// Threads:   one at a time per struct pg.
// Errors:    PostgreSQL's.
#pragma once
#include "pg/pg.h"
#include "services/identity/account.h"
#include "services/identity/mail_token.h"

// Whether MAIL_WAITING_MAX e-mails wait already. First makes room of what has expired.
MUST_CHECK enum nova_status mail_is_full(bool *out, struct pg *pg, struct error *err);
// The token of its purpose and address from now on, and the e-mail that brings it. An older e-mail
// that still waits is not sent any more. Nothing happens for an id that was asked for before.
MUST_CHECK enum nova_status mail_ask(struct pg *pg, const struct mail_token *token,
                                     const struct account_digest *email,
                                     const uint8_t hash[MAIL_TOKEN_HASH_BYTES],
                                     int64_t expires_at_us, struct error *err);

// An e-mail that brings no token, to who has the address (user_id nil: nobody, and it is not sent).
// Nothing happens for an id that was asked for before, or while MAIL_WAITING_MAX wait.
MUST_CHECK enum nova_status mail_notify(struct pg *pg, const struct mail_token *notice,
                                        const struct account_digest *email, int64_t expires_at_us,
                                        struct error *err);

// The token that may be used, with that id; the token's row is locked when `lock` says so.
struct mail_token_row {
    bool found; // it is somebody's, whose address is still the one it was sent to
    bool expired;
    struct uuid user_id;
    uint8_t hash[MAIL_TOKEN_HASH_BYTES];
};
MUST_CHECK enum nova_status mail_token_find(struct mail_token_row *out, struct pg *pg,
                                            enum mail_purpose purpose, const struct uuid *id,
                                            bool lock, struct error *err);
// The user's tokens for that purpose may not be used any more: one was, or none is wanted.
MUST_CHECK enum nova_status mail_token_void(struct pg *pg, enum mail_purpose purpose,
                                            const struct uuid *user_id, struct error *err);
// A user is gone: so are their tokens and e-mails.
MUST_CHECK enum nova_status mail_forget(struct pg *pg, const struct uuid *user_id,
                                        struct error *err);

// ---- the mailer's -------------------------------------------------------------------------------

struct mail_effect {
    struct mail_token token; // of the effect's id; a purpose is its kind
    struct account_digest email;
    int64_t expires_at_us;
    int32_t attempt; // 1: the first
    bool wanted;     // its token may still be used, and somebody has the address
};
// Takes the effect that is due the longest: it counts an attempt, and is due again after retry_s,
// doubled with each attempt up to MAIL_RETRY_S_MAX, whatever becomes of the mailer. *found false:
// none is due.
MUST_CHECK enum nova_status mail_effect_take(struct mail_effect *out, bool *found, struct pg *pg,
                                             int64_t retry_s, struct error *err);
// It is done: "sent", "refused", "given_up" or "obsolete".
MUST_CHECK enum nova_status mail_effect_done(struct pg *pg, const struct uuid *id,
                                             const char *outcome, struct error *err);
// One mailer at a time: true when it is this session, until it ends.
MUST_CHECK enum nova_status mail_lock(bool *out, struct pg *pg, struct error *err);
// Deletes what has expired, MAIL_PRUNE_MAX rows of each table at most.
MUST_CHECK enum nova_status mail_prune(struct pg *pg, struct error *err);
