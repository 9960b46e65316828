// refresh_token.h - what a refresh token looks like, and why nobody can make one up.
//
// A token is base64url(version, session, generation, HMAC-SHA256 of these under the refresh key).
// It is derived and not drawn, so that the same refresh, repeated, gives the same token without
// keeping it (docs/decisions/0025). To its holder it is opaque.
//
// Ownership: the caller owns the key, a secret; a token's text is one too: not for logs or errors.
// Threads:   pure; safe from any thread once seal_start returned.
// Source:    RFC 2104 (HMAC), RFC 9700 4.14.2 (rotation).
#pragma once
#include "base/arena.h"
#include "base/seal.h"
#include "base/uuid.h"

enum {
    REFRESH_TOKEN_MAC_BYTES = 32,
    REFRESH_TOKEN_BYTES = 1 + 16 + 8 + REFRESH_TOKEN_MAC_BYTES,
    REFRESH_TOKEN_TEXT_LEN = REFRESH_TOKEN_BYTES / 3 * 4, // no padding: 57 is a multiple of 3
    REFRESH_TOKEN_HASH_BYTES = 32,
};

struct refresh_token {
    struct uuid session_id;
    int64_t generation; // 0: the login's
    uint8_t mac[REFRESH_TOKEN_MAC_BYTES];
};

// The text of a session's token, in the arena.
char *refresh_token_make(struct arena *arena, const struct seal_key *key,
                         const struct uuid *session_id, int64_t generation);

// False: it has not the form of one. True says nothing yet of who made it.
bool refresh_token_parse(struct refresh_token *out, const char *text);

// Whether it was made with this key: it was given out, some time. Takes the same time either way.
bool refresh_token_is_ours(const struct refresh_token *token, const struct seal_key *key);

// SHA-256 of a token's text: what is kept of it. Enough for a text of 256 random bits.
void refresh_token_hash(uint8_t out[REFRESH_TOKEN_HASH_BYTES], const char *text);
