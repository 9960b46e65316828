// jwt.h - the one kind of token Nova knows: a JWT signed with Ed25519 (RFC 7519, 8037, 8725).
//
// A token says who asks: a user (signed by identity's key, `kid` names it in GetJwks) or one of
// Nova's processes (signed with the seed of its NATS nkey, `kid` is the public nkey). Nothing
// else is accepted: alg is EdDSA, always, and the key decides what the token may say. A header
// holds `alg`, `kid` and perhaps `typ`: keys that a token brings along (jwk, jku, x5u) are no keys
// of ours. A token has one text: no padding, no white space, no other base64.
//
// Ownership: the caller owns every buffer.
// Threads:   all functions are safe from any thread.
// Errors:    UNAUTHENTICATED with a text that says what is wrong with the token, never the token
// itself. Bounds:    a token has at most JWT_BYTES_MAX bytes.
#pragma once
#include "base/arena.h"
#include "base/error.h"
#include "base/uuid.h"

enum {
    JWT_BYTES_MAX = 4096,
    JWT_NAME_BYTES = 128,
    JWT_KEY_BYTES = 32,
    JWT_SECRET_BYTES = 64,
    JWT_CLOCK_SKEW_S = 60,
    JWT_LIFETIME_S_MAX = 86400, // from iat to exp: a key that leaks signs nothing for ever
};

struct jwt_claims {
    char issuer[JWT_NAME_BYTES];  // iss: "identity" for users, "process" for processes
    char subject[JWT_NAME_BYTES]; // sub: a user's id, or a process's name
    char session[JWT_NAME_BYTES]; // sid: a session's id; empty for processes
    char kid[JWT_NAME_BYTES];     // out of jwt_verify: the key that signed it
    int64_t issued_at_s;          // iat
    int64_t expires_at_s;         // exp
};

// Signs claims with `secret` (libsodium's 64 bytes) under the key's name. The same input gives the
// same token: Ed25519 has no randomness, and `jti` is a digest of the other claims. `nbf` is `iat`.
char *jwt_sign(struct arena *arena, const struct jwt_claims *claims, const char *kid,
               const uint8_t secret[JWT_SECRET_BYTES]);

// Gives the public key of a `kid`, and the issuer it may sign for; false: no such key.
typedef bool (*jwt_key_of)(void *context, const char *kid, uint8_t public_key[JWT_KEY_BYTES],
                           char issuer[JWT_NAME_BYTES]);

// Verifies form, algorithm, key, signature, audience "nova", times (with JWT_CLOCK_SKEW_S, and no
// longer than JWT_LIFETIME_S_MAX) and issuer. `nbf` and `jti` may be missing, as in tokens of
// before.
MUST_CHECK enum nova_status jwt_verify(struct jwt_claims *out, const char *token, jwt_key_of key_of,
                                       void *context, int64_t now_s, struct error *err);
