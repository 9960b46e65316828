// device_token.h - how a device is known again at a login, so that a stranger's failures do not
// keep its user out (docs/decisions/0038).
//
// A token is base64url(version, device, time, HMAC-SHA256 of these and of the user). It comes with
// a login and goes with the next. It opens nothing: who brings it still needs the password, and has
// attempts of their own to get it right. To its holder it is opaque.
//
// Ownership: the caller owns the key, a secret.
// Threads:   pure; safe from any thread once seal_start returned.
// Source:    OWASP, Slow Down Online Guessing Attacks with Device Cookies; RFC 2104 (HMAC).
#pragma once
#include "base/arena.h"
#include "base/seal.h"
#include "base/uuid.h"

enum {
    DEVICE_TOKEN_MAC_BYTES = 32,
    DEVICE_TOKEN_BYTES = 1 + 16 + 8 + DEVICE_TOKEN_MAC_BYTES,
};

struct device_token {
    struct uuid device_id;
    int64_t given_at_us;
};

// The key that they are derived with, from the service's master key; the caller wipes it.
void device_token_key(struct seal_key *out, const struct seal_key *master);

// The token's text, in the arena.
char *device_token_make(struct arena *arena, const struct seal_key *key, const struct uuid *user_id,
                        const struct device_token *token);

// True when it was given to a device of this user (nil: of nobody, never true) not longer than
// lifetime_us before now_us. *out is set then. Takes the same time for everybody.
bool device_token_is_known(struct device_token *out, const struct seal_key *key,
                           const struct uuid *user_id, const char *text, int64_t now_us,
                           int64_t lifetime_us);
