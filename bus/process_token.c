// process_token.c - see process_token.h. A signature costs less than remembering the last one
// safely, so each text is signed anew.
#include "bus/process_token.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/jwt.h"
#include "bus/nkey.h"

enum { LIFETIME_S = 300 };

struct process_token {
    char user[JWT_NAME_BYTES];
    char kid[NKEY_PUBLIC_TEXT_BYTES];
    uint8_t secret[NKEY_SECRET_BYTES];
};

enum nova_status process_token_create(struct process_token **out, const char *user,
                                      const char *seed_file, struct error *err)
{
    struct process_token *token = calloc(1, sizeof *token);
    if (!token)
        abort();
    snprintf(token->user, sizeof token->user, "%s", user);
    enum nova_status status = nkey_read_seed(token->secret, token->kid, seed_file, err);
    if (status != NOVA_OK)
        process_token_destroy(&token);
    *out = token;
    return status;
}

void process_token_destroy(struct process_token **token)
{
    if (!*token)
        return;
    sodium_memzero((*token)->secret, sizeof(*token)->secret);
    free(*token);
    *token = NULL;
}

const char *process_token_text(const struct process_token *token, struct arena *arena)
{
    int64_t now_s = time(NULL);
    struct jwt_claims claims = {
        .issuer = "process", .issued_at_s = now_s, .expires_at_s = now_s + LIFETIME_S};
    snprintf(claims.subject, sizeof claims.subject, "%s", token->user);
    return jwt_sign(arena, &claims, token->kid, token->secret);
}

void process_token_mark(char out[PROCESS_TOKEN_MARK_BYTES], const struct process_token *token,
                        const char *purpose, int64_t number)
{
    char text[128];
    uint8_t digest[(PROCESS_TOKEN_MARK_BYTES - 1) / 2];
    static_assert(sizeof token->secret <= crypto_generichash_KEYBYTES_MAX &&
                      sizeof digest >= crypto_generichash_BYTES_MIN,
                  "a keyed BLAKE2b");
    int len = snprintf(text, sizeof text, "%s %" PRId64, purpose, number);
    crypto_generichash(digest, sizeof digest, (const uint8_t *)text, (size_t)len, token->secret,
                       sizeof token->secret);
    sodium_bin2hex(out, PROCESS_TOKEN_MARK_BYTES, digest, sizeof digest);
}
