// signing.h - the Ed25519 keys that access tokens are signed with.
//
// The table signing_key holds each wrapped by the service's master key, and from when on it signs;
// what it is for at a moment, key_schedule.h says. Each instance reads the table again when what it
// knows is SIGNING_READ_MS old: a new key is there for longer than that before it signs, so all
// change at the same time, and one that changes a little later signs with a key that is still
// published.
//
// Ownership: a signing borrows the master key; it holds secrets, which destroy wipes.
// Threads:   safe from any thread after the start.
// Errors:    PostgreSQL's; DATA_LOSS for a key that the master key does not open. While PostgreSQL
//            is away it signs with what it knows.
// Bounds:    SIGNING_KEYS_MAX keys that are not gone.
// Source:    RFC 8037 (Ed25519 in JOSE), RFC 7638 (a key's thumbprint as its kid).
#pragma once
#include "base/jwt.h"
#include "base/seal.h"
#include "bus/jwks.h"
#include "pg/pg.h"
#include "services/identity/key_schedule.h"

enum { SIGNING_KEYS_MAX = 16, SIGNING_READ_MS = 1000 };

struct signing;

struct signing *signing_create(void);
void signing_destroy(struct signing **signing);

// Reads the keys, and makes the first when there is none. pg is the signing's own from now on. A
// key is published for token_lifetime_s, and the skew of clocks, after it signed last.
MUST_CHECK enum nova_status signing_start(struct signing *signing, struct pg *pg,
                                          const struct seal_key *master, int64_t token_lifetime_s,
                                          struct error *err);
// All keys that are not gone.
MUST_CHECK enum nova_status signing_keys(struct signing *signing, struct jwks_key *keys, size_t cap,
                                         size_t *count, struct error *err);
char *signing_token(struct signing *signing, struct arena *arena, const struct jwt_claims *claims);

// ---- rotation -----------------------------------------------------------------------------------

// A key that is not in the table yet.
struct signing_new {
    char kid[JWT_NAME_BYTES];
    uint8_t public_key[JWT_KEY_BYTES];
    uint8_t wrapped[SEAL_WRAPPED_BYTES];
};
void signing_make(struct signing_new *out, const struct seal_key *master);
// In the transaction that pg is in.
MUST_CHECK enum nova_status signing_add(struct pg *pg, const struct signing_new *key,
                                        int64_t signs_from_us, struct error *err);

// A key as people see it.
struct signing_row {
    char kid[JWT_NAME_BYTES];
    uint8_t public_key[JWT_KEY_BYTES];
    int64_t created_at_us;
    struct key_times times;
    struct key_stage stage;
};
// The table's rows, the oldest first, as they stand at now_us; at most SIGNING_KEYS_MAX, the
// newest.
MUST_CHECK enum nova_status signing_list(struct signing_row **out, size_t *count, struct pg *pg,
                                         int64_t token_lifetime_s, int64_t now_us,
                                         struct arena *arena, struct error *err);
MUST_CHECK enum nova_status signing_delete(struct pg *pg, const char *kid, struct error *err);
