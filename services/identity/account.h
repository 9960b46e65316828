// account.h - identity's inline tables: what uniqueness and logging in need in the transaction of a
// command. E-mail addresses and handles stand there as keyed digests only.
//
// Ownership: what is found lives in the arena.
// Threads:   one at a time per struct pg.
// Errors:    PostgreSQL's.
#pragma once
#include "base/arena.h"
#include "base/seal.h"
#include "pg/pg.h"

enum { ACCOUNT_DIGEST_BYTES = 32 };

struct account_digest {
    uint8_t bytes[ACCOUNT_DIGEST_BYTES];
};
// What two spellings of one address or handle have in common (NFKC, case folded; a
// domain in ASCII), under a key that
// comes from the service's master key: nobody else can try names against the table.
void account_digest(struct account_digest *out, const struct seal_key *master, const char *kind,
                    const char *text);

struct account {
    bool found; // and not deleted
    struct uuid user_id;
    const char *password_hash; // NULL: cannot log in with a password
};
// By digest of the e-mail address or of the handle. Writes nothing: a lock is written, and what is
// written is waited for, which would tell how long an account takes that exists.
MUST_CHECK enum nova_status account_find(struct account *out, struct pg *pg,
                                         const struct account_digest *digest, struct arena *arena,
                                         struct error *err);
// The same inside a transaction: until its end the account cannot be deleted, so no session begins
// beside a deletion.
MUST_CHECK enum nova_status account_hold(struct account *out, struct pg *pg,
                                         const struct account_digest *digest, struct arena *arena,
                                         struct error *err);

// The hash of a user's password, to be read only. NULL: there is no such user, or no password.
MUST_CHECK enum nova_status account_password(const char **out, struct pg *pg,
                                             const struct uuid *user_id, struct arena *arena,
                                             struct error *err);

// The same password's hash at another cost, where `old` is still the hash. Waits for nobody: while
// another login has the row the hash stays, and the next login does it.
MUST_CHECK enum nova_status account_rehash(struct pg *pg, const struct uuid *user_id,
                                           const char *old, const char *hash, struct error *err);

// Whether another user than `user_id` has it; a deleted one has it until free_after.
MUST_CHECK enum nova_status account_taken(bool *email, bool *handle, struct pg *pg,
                                          const struct account_digest *email_digest,
                                          const struct account_digest *handle_digest,
                                          const struct uuid *user_id, struct error *err);

// Whether a handle is one that the user has already, perhaps in other letters.
MUST_CHECK enum nova_status account_has_handle(bool *out, struct pg *pg, const struct uuid *user_id,
                                               const struct account_digest *handle,
                                               struct error *err);

// password_hash NULL or "": none.
MUST_CHECK enum nova_status account_add(struct pg *pg, const struct uuid *user_id,
                                        const struct account_digest *email,
                                        const struct account_digest *handle,
                                        const char *password_hash, struct error *err);
// The digest of a user's e-mail address; the account is shared until the transaction's end. *found
// false: there is no such user (any more).
MUST_CHECK enum nova_status account_email(struct account_digest *out, bool *found, struct pg *pg,
                                          const struct uuid *user_id, struct error *err);
// Its password from now on.
MUST_CHECK enum nova_status account_set_password(struct pg *pg, const struct uuid *user_id,
                                                 const char *password_hash, struct error *err);
// NULL: as it was.
MUST_CHECK enum nova_status account_rename(struct pg *pg, const struct uuid *user_id,
                                           const struct account_digest *email,
                                           const struct account_digest *handle, struct error *err);
// The password's hash goes, the sessions end, both names stay taken for `days`.
MUST_CHECK enum nova_status account_delete(struct pg *pg, const struct uuid *user_id, int64_t days,
                                           struct error *err);
