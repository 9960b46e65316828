// jwks.h - the public keys of access tokens, as identity's GetJwks gives them.
//
// An unknown kid asks again, at most once in JWKS_REFRESH_MS and for JWKS_FETCH_MS; a known one
// never waits. A new key is in GetJwks for longer than that before it signs (identity.key_lead_s),
// so that no good token meets the bound. What is older than the owner allows is asked for again,
// so that a key that was removed is forgotten, too.
//
// Ownership: borrows the fetch's context.
// Threads:   safe from any thread.
// Errors:    none of its own: whoever cannot be asked leaves the keys as they are.
// Bounds:    AUTH_KEYS_MAX keys. Two threads at once wait for an answer, once there was one at all.
// Source:    RFC 7517, 8037.
#pragma once
#include "base/jwt.h"
#include "base/limits.h"
#include "bus/process_token.h"
#include "bus/rpc.h"

enum { JWKS_REFRESH_MS = 1000, JWKS_FETCH_MS = 2000 };

struct jwks_key {
    char kid[JWT_NAME_BYTES];
    uint8_t public_key[JWT_KEY_BYTES];
};

// Fetches all keys; *count of them were written.
typedef enum nova_status (*jwks_fetch)(void *context, struct jwks_key *keys, size_t cap,
                                       size_t *count, struct error *err);

struct jwks;
struct jwks *jwks_create(jwks_fetch fetch, void *context);
void jwks_destroy(struct jwks **jwks);

enum jwks_answer {
    JWKS_KNOWN,
    JWKS_UNKNOWN, // there is no such key
    JWKS_UNSURE,  // it is unknown here, and could not be asked for just now
};
// may_ask false: an unknown key is UNSURE, and nobody waits.
enum jwks_answer jwks_find(uint8_t public_key[JWT_KEY_BYTES], struct jwks *jwks, const char *kid,
                           bool may_ask);

// Asks again when the keys are older; nothing before anybody needed one.
void jwks_renew(struct jwks *jwks, int64_t age_ms_max);

// A fetch over the bus.
struct jwks_source {
    struct bus_connection *connection;
    const struct process_token *token;
};
enum nova_status jwks_from_identity(void *source, struct jwks_key *keys, size_t cap, size_t *count,
                                    struct error *err);
