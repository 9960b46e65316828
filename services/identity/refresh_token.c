// refresh_token.c - see refresh_token.h.
#include "services/identity/refresh_token.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "base/base64url.h"
#include "services/identity/token_mac.h"

enum { VERSION = 1, SESSION_AT = 1, GENERATION_AT = 17, MAC_AT = 25 };
static_assert(MAC_AT + REFRESH_TOKEN_MAC_BYTES == REFRESH_TOKEN_BYTES, "nothing behind the MAC");
static_assert(REFRESH_TOKEN_BYTES % 3 == 0, "base64 without spare bits: one text a token");
static_assert(REFRESH_TOKEN_MAC_BYTES == crypto_auth_hmacsha256_BYTES, "a whole HMAC");
static_assert(REFRESH_TOKEN_HASH_BYTES == crypto_hash_sha256_BYTES, "a whole SHA-256");

static const char context[] = "nova refresh token";

// Version, session and generation: what is behind them is made of them.
static void write_head(uint8_t out[MAC_AT], const struct uuid *session_id, int64_t generation)
{
    out[0] = VERSION;
    memcpy(out + SESSION_AT, session_id->bytes, sizeof session_id->bytes);
    for (int i = 0; i < 8; i++)
        out[GENERATION_AT + i] = (uint8_t)((uint64_t)generation >> (56 - 8 * i));
}

char *refresh_token_make(struct arena *arena, const struct seal_key *key,
                         const struct uuid *session_id, int64_t generation)
{
    uint8_t bytes[REFRESH_TOKEN_BYTES];
    write_head(bytes, session_id, generation);
    token_mac(bytes + MAC_AT, key, context, bytes, MAC_AT);
    char *text = base64url_encode(arena, bytes, sizeof bytes);
    sodium_memzero(bytes, sizeof bytes);
    return text;
}

bool refresh_token_parse(struct refresh_token *out, const char *text)
{
    uint8_t bytes[REFRESH_TOKEN_BYTES];
    uint64_t generation = 0;
    if (!base64url_decode(bytes, sizeof bytes, text, strlen(text)) || bytes[0] != VERSION)
        return false;
    for (int i = 0; i < 8; i++)
        generation = generation << 8 | bytes[GENERATION_AT + i];
    memcpy(out->session_id.bytes, bytes + SESSION_AT, sizeof out->session_id.bytes);
    memcpy(out->mac, bytes + MAC_AT, sizeof out->mac);
    out->generation = (int64_t)generation;
    sodium_memzero(bytes, sizeof bytes);
    return out->generation >= 0;
}

bool refresh_token_is_ours(const struct refresh_token *token, const struct seal_key *key)
{
    uint8_t head[MAC_AT], mac[REFRESH_TOKEN_MAC_BYTES];
    write_head(head, &token->session_id, token->generation);
    token_mac(mac, key, context, head, sizeof head);
    bool ours = sodium_memcmp(mac, token->mac, sizeof mac) == 0;
    sodium_memzero(mac, sizeof mac);
    return ours;
}

void refresh_token_hash(uint8_t out[REFRESH_TOKEN_HASH_BYTES], const char *text)
{
    crypto_hash_sha256(out, (const uint8_t *)text, strlen(text));
}
