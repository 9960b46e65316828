// signing.h - the Ed25519 keys that access tokens are signed with.
//
// The table signing_key holds each wrapped by the service's master key. All instances sign with the
// oldest that is not retired, and publish all of them (GetJwks), so that a token outlives a change.
//
// Ownership: a signing borrows the master key.
// Threads:   signing_token is safe from any thread; the others take a lock.
// Errors:    PostgreSQL's; DATA_LOSS for a key that the master key does not open.
// Source:    RFC 8037 (Ed25519 in JOSE), RFC 7638 (a key's thumbprint as its kid).
#pragma once
#include "base/jwt.h"
#include "base/seal.h"
#include "pg/pg.h"
#include "services/auth.h"

struct signing;

struct signing *signing_create(void);
void signing_destroy(struct signing **signing);

// Reads the keys, and makes the first when there is none. pg is the signing's own from now on.
MUST_CHECK enum nova_status signing_start(struct signing *signing, struct pg *pg,
                                          const struct seal_key *master, struct error *err);
// All keys that may have signed a token which is still valid.
MUST_CHECK enum nova_status signing_keys(struct signing *signing, struct auth_key *keys, size_t cap,
                                         size_t *count, struct error *err);
char *signing_token(const struct signing *signing, struct arena *arena,
                    const struct jwt_claims *claims);
