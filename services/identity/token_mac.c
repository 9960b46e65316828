// token_mac.c - see token_mac.h.
#include "services/identity/token_mac.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

static_assert(TOKEN_MAC_BYTES == crypto_auth_hmacsha256_BYTES, "a whole HMAC");
static_assert(SEAL_KEY_BYTES == crypto_auth_hmacsha256_KEYBYTES, "a key of the home");

void token_mac(uint8_t out[TOKEN_MAC_BYTES], const struct seal_key *key, const char *context,
               const void *data, size_t len)
{
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, key->bytes, sizeof key->bytes);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)context, strlen(context) + 1);
    crypto_auth_hmacsha256_update(&state, data, len);
    crypto_auth_hmacsha256_final(&state, out);
    sodium_memzero(&state, sizeof state);
}
