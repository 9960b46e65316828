// device_token.c - see device_token.h.
#include "services/identity/device_token.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "base/base64url.h"
#include "services/identity/token_mac.h"

enum { VERSION = 1, DEVICE_AT = 1, TIME_AT = 17, MAC_AT = 25 };
static_assert(MAC_AT + DEVICE_TOKEN_MAC_BYTES == DEVICE_TOKEN_BYTES, "nothing behind the MAC");
static_assert(DEVICE_TOKEN_BYTES % 3 == 0, "base64 without spare bits: one text a token");
static_assert(DEVICE_TOKEN_MAC_BYTES == crypto_auth_hmacsha256_BYTES, "a whole HMAC");

void device_token_key(struct seal_key *out, const struct seal_key *master)
{
    crypto_kdf_derive_from_key(out->bytes, sizeof out->bytes, 1, "devicetk", master->bytes);
}

static void make_mac(uint8_t out[DEVICE_TOKEN_MAC_BYTES], const struct seal_key *key,
                     const uint8_t head[MAC_AT], const struct uuid *user_id)
{
    uint8_t made_of[MAC_AT + sizeof user_id->bytes];
    memcpy(made_of, head, MAC_AT);
    memcpy(made_of + MAC_AT, user_id->bytes, sizeof user_id->bytes);
    token_mac(out, key, "nova device token", made_of, sizeof made_of);
}

char *device_token_make(struct arena *arena, const struct seal_key *key, const struct uuid *user_id,
                        const struct device_token *token)
{
    uint8_t bytes[DEVICE_TOKEN_BYTES] = {VERSION};
    memcpy(bytes + DEVICE_AT, token->device_id.bytes, sizeof token->device_id.bytes);
    for (int i = 0; i < 8; i++)
        bytes[TIME_AT + i] = (uint8_t)((uint64_t)token->given_at_us >> (56 - 8 * i));
    make_mac(bytes + MAC_AT, key, bytes, user_id);
    return base64url_encode(arena, bytes, sizeof bytes);
}

bool device_token_is_known(struct device_token *out, const struct seal_key *key,
                           const struct uuid *user_id, const char *text, int64_t now_us,
                           int64_t lifetime_us)
{
    uint8_t bytes[DEVICE_TOKEN_BYTES] = {0}, mac[DEVICE_TOKEN_MAC_BYTES];
    uint64_t given_at_us = 0;
    bool formed = base64url_decode(bytes, sizeof bytes, text, strlen(text));
    for (int i = 0; i < 8; i++)
        given_at_us = given_at_us << 8 | bytes[TIME_AT + i];
    make_mac(mac, key, bytes, user_id);
    bool ours = sodium_memcmp(mac, bytes + MAC_AT, sizeof mac) == 0;
    sodium_memzero(mac, sizeof mac);
    memcpy(out->device_id.bytes, bytes + DEVICE_AT, sizeof out->device_id.bytes);
    out->given_at_us = (int64_t)given_at_us;
    return formed && ours && bytes[0] == VERSION && !uuid_is_nil(user_id) &&
           now_us - out->given_at_us <= lifetime_us;
}
