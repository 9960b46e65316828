// password.h - passwords: normalised, hashed with Argon2id, checked at the same cost for everybody.
//
// Hashing takes memory and time on purpose. The methods that hash are the service's heavy ones
// (identity.c): PASSWORD_AT_ONCE run at once, PASSWORD_WAITING_MAX wait, more are refused at once,
// so that a storm of logins takes neither the machine nor all workers.
//
// Nothing is truncated: what is hashed is the whole normalised password, or it is refused.
//
// Threads:   safe from any thread.
// Errors:    RESOURCE_EXHAUSTED (transient) when there is no memory for a hash.
// Source:    RFC 9106 (Argon2), OWASP's parameters; PHC string format as libsodium writes it.
#pragma once
#include <sodium.h>

#include "base/arena.h"
#include "base/error.h"

enum {
    PASSWORD_BYTES_MIN = 8, // after NFKC
    PASSWORD_BYTES_MAX = 1024,
    PASSWORD_TYPED_BYTES_MAX = 4096, // before it, which may shorten
    PASSWORD_HASH_BYTES = crypto_pwhash_STRBYTES,
};

struct password_cost {
    int64_t memory_kib;
    int64_t passes;
};

// NFKC in the arena, so that one password typed on two keyboards is one. False: not UTF-8, or out
// of its length.
bool password_normalise(char **out, struct arena *arena, const char *password);

// Hashes a normalised password into a PHC string.
MUST_CHECK enum nova_status password_hash(char out[PASSWORD_HASH_BYTES], const char *normalised,
                                          const struct password_cost *cost, struct error *err);

// True when it is the hash's password. hash NULL or "": the same work against a hash that nothing
// matches, so that time does not tell who exists.
void password_matches(bool *out, const char *hash, const char *normalised,
                      const struct password_cost *cost);

// True when a hash was made at another cost: a login that knows the password makes it anew.
bool password_needs_rehash(const char *hash, const struct password_cost *cost);

// True when the text is an Argon2id hash in PHC form that libsodium can check at a bearable cost.
bool password_hash_is_valid(const char *hash);
