// mail_token.c - see mail_token.h.
#include "services/identity/mail_token.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "base/base64url.h"
#include "services/identity/token_mac.h"

enum { VERSION = 1, PURPOSE_AT = 1, ID_AT = 2, MAC_AT = 18, END_AT = MAIL_TOKEN_BYTES - 1 };
static_assert(MAC_AT + MAIL_TOKEN_MAC_BYTES == END_AT, "a zero behind the MAC, and no more");
static_assert(MAIL_TOKEN_BYTES % 3 == 0, "base64 without spare bits: one text a token");
static_assert(MAIL_TOKEN_MAC_BYTES == crypto_auth_hmacsha256_BYTES, "a whole HMAC");
static_assert(MAIL_TOKEN_HASH_BYTES == crypto_hash_sha256_BYTES, "a whole SHA-256");

static const struct {
    enum mail_purpose purpose;
    const char *name;
} purposes[] = {{MAIL_PASSWORD_RESET, "password_reset"},
                {MAIL_EMAIL_VERIFICATION, "email_verification"},
                {MAIL_REGISTRATION_ATTEMPT, "registration_attempt"}};

const char *mail_purpose_name(enum mail_purpose purpose)
{
    assert(purpose == purposes[purpose - 1].purpose);
    return purposes[purpose - 1].name;
}

bool mail_purpose_find(enum mail_purpose *out, const char *name)
{
    for (size_t i = 0; i < sizeof purposes / sizeof *purposes; i++)
        if (strcmp(purposes[i].name, name) == 0) {
            *out = purposes[i].purpose;
            return true;
        }
    return false;
}

void mail_token_key(struct seal_key *out, const struct seal_key *master)
{
    crypto_kdf_derive_from_key(out->bytes, sizeof out->bytes, 1, "mailtokn", master->bytes);
}

// Who made it, for what, for whom and when: an id that comes again makes another token.
static void make_mac(uint8_t out[MAIL_TOKEN_MAC_BYTES], const struct seal_key *key,
                     const struct mail_token *token)
{
    uint8_t made_of[1 + sizeof token->id.bytes + sizeof token->user_id.bytes + 8];
    uint8_t *at = made_of;
    *at++ = (uint8_t)token->purpose;
    memcpy(at, token->id.bytes, sizeof token->id.bytes);
    at += sizeof token->id.bytes;
    memcpy(at, token->user_id.bytes, sizeof token->user_id.bytes);
    at += sizeof token->user_id.bytes;
    for (int i = 0; i < 8; i++)
        *at++ = (uint8_t)((uint64_t)token->created_at_us >> (56 - 8 * i));
    token_mac(out, key, "nova mail token", made_of, sizeof made_of);
}

char *mail_token_make(struct arena *arena, const struct seal_key *key,
                      const struct mail_token *token)
{
    uint8_t bytes[MAIL_TOKEN_BYTES] = {VERSION, (uint8_t)token->purpose};
    memcpy(bytes + ID_AT, token->id.bytes, sizeof token->id.bytes);
    make_mac(bytes + MAC_AT, key, token);
    char *text = base64url_encode(arena, bytes, sizeof bytes);
    sodium_memzero(bytes, sizeof bytes);
    return text;
}

bool mail_token_parse(struct uuid *id, enum mail_purpose purpose, const char *text)
{
    uint8_t bytes[MAIL_TOKEN_BYTES];
    if (!base64url_decode(bytes, sizeof bytes, text, strlen(text)))
        return false;
    bool formed = bytes[0] == VERSION && bytes[PURPOSE_AT] == purpose && bytes[END_AT] == 0;
    memcpy(id->bytes, bytes + ID_AT, sizeof id->bytes);
    sodium_memzero(bytes, sizeof bytes);
    return formed;
}

void mail_token_hash(uint8_t out[MAIL_TOKEN_HASH_BYTES], const char *text)
{
    crypto_hash_sha256(out, (const uint8_t *)text, strlen(text));
}
