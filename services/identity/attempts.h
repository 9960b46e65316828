// attempts.h - logins that failed, and who waits for it: the inline table login_failure
// (docs/decisions/0038).
//
// A failure counts for the name that was typed, whether anybody has it or not, and for the address
// it came from, an IPv6 one's /64. On a device that its user's earlier login made known it counts
// for that device alone, and what others did does not count. ChangePassword's old password counts
// for its user. The table holds keyed digests only.
//
// Not by user: a user has two names, and were one delayed for what was tried at the other, a
// stranger would learn that they are the same person's.
//
// Ownership: an attempt owns what it holds.
// Threads:   one at a time per struct pg.
// Errors:    PostgreSQL's; attempts_check is RESOURCE_EXHAUSTED (transient) to who comes too early.
// Bounds:    a row lives until its failures are forgotten; each costs a hash, so that there are no
//            more than are hashed in that time. Each failure deletes some that are over.
#pragma once
#include "nova/identity/v2/identity.pb-c.h"
#include "services/identity/account.h"
#include "services/identity/throttle.h"
#include "services/service.h"

enum { ATTEMPT_KEYS_MAX = 2 };

// One login that is tried.
struct attempt {
    size_t count; // the name and, where it is known, the address; or the device; or the user
    struct account_digest keys[ATTEMPT_KEYS_MAX];
    struct throttle_policy policies[ATTEMPT_KEYS_MAX];
    bool from_stranger;
    struct uuid device_id; // unless it is a stranger's
};

// `name` is the digest of the login, user_id whose it is; nil: nobody's, which takes as long.
void attempt_make(struct attempt *out, const struct service *service,
                  const Nova__Identity__V2__LoginRequest *request,
                  const struct account_digest *name, const struct uuid *user_id);

// A ChangePassword, which counts for the user alone: who tries it has a session of theirs.
void attempt_make_own(struct attempt *out, const struct service *service,
                      const struct uuid *user_id);

// What counts as one address: its keyed digest.
void attempt_address(struct account_digest *out, const struct seal_key *master,
                     const char *address);

// Refuses an attempt that comes too early, and says how long to wait.
MUST_CHECK enum nova_status attempts_check(struct pg *pg, const struct attempt *attempt,
                                           struct error *err);

// It failed. *locks: strangers who come with this name wait the longest from now on. Rows are
// locked until the transaction's end, so that of two failures at once both count.
MUST_CHECK enum nova_status attempts_note(bool *locks, struct pg *pg, const struct attempt *attempt,
                                          struct error *err);

// It succeeded: a stranger's forgets the failures of the user's names, another its own key's. Not
// the address's: who has one account could try others' with it for ever.
MUST_CHECK enum nova_status attempts_succeed(struct pg *pg, const struct attempt *attempt,
                                             const struct uuid *user_id, struct error *err);
// The failures of the user's names are forgotten: the password is another, or the user is gone.
MUST_CHECK enum nova_status attempts_forget(struct pg *pg, const struct uuid *user_id,
                                            struct error *err);

// The token by which the device is known at its next login, made of what the reply says: a repeated
// command answers the same one.
char *attempt_device_token(const struct attempt *attempt, const struct service *service,
                           const Nova__Identity__V2__LoginReply *reply, struct arena *arena);
