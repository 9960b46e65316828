// signing.c - see signing.h.
#include "services/identity/signing.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64url.h"

struct signing {
    pthread_mutex_t lock; // of pg
    struct pg *pg;
    char kid[JWT_NAME_BYTES];
    uint8_t secret[JWT_SECRET_BYTES];
};

struct signing *signing_create(void)
{
    struct signing *signing = calloc(1, sizeof *signing);
    if (signing == NULL)
        abort();
    pthread_mutex_init(&signing->lock, NULL);
    return signing;
}

void signing_destroy(struct signing **signing)
{
    if (*signing == NULL)
        return;
    pg_destroy(&(*signing)->pg);
    pthread_mutex_destroy(&(*signing)->lock);
    sodium_memzero((*signing)->secret, sizeof(*signing)->secret);
    free(*signing);
    *signing = NULL;
}

// RFC 7638: SHA-256 of the key's members in the order of their names, as base64url.
static void signing_kid(char out[JWT_NAME_BYTES], const uint8_t public_key[JWT_KEY_BYTES])
{
    char text[256];
    uint8_t digest[crypto_hash_sha256_BYTES];
    struct arena *arena = arena_create();
    snprintf(text, sizeof text, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"%s\"}",
             base64url_encode(arena, public_key, JWT_KEY_BYTES));
    crypto_hash_sha256(digest, (const uint8_t *)text, strlen(text));
    snprintf(out, JWT_NAME_BYTES, "%s", base64url_encode(arena, digest, sizeof digest));
    arena_destroy(&arena);
}

// What a wrapped seed is bound to: the key it belongs to.
static struct uuid signing_id(const uint8_t public_key[JWT_KEY_BYTES])
{
    struct uuid id;
    memcpy(id.bytes, public_key, sizeof id.bytes);
    return id;
}

static enum nova_status signing_add_first(struct pg *pg, const struct seal_key *master,
                                          struct error *err)
{
    uint8_t public_key[JWT_KEY_BYTES], secret[JWT_SECRET_BYTES], wrapped[SEAL_WRAPPED_BYTES];
    char kid[JWT_NAME_BYTES];
    struct seal_key seed;
    seal_key_generate(&seed);
    static_assert(SEAL_KEY_BYTES == crypto_sign_SEEDBYTES, "a seed is wrapped like a key");
    crypto_sign_seed_keypair(public_key, secret, seed.bytes);
    struct uuid id = signing_id(public_key);
    seal_key_wrap(wrapped, master, &seed, &id);
    signing_kid(kid, public_key);
    sodium_memzero(secret, sizeof secret);
    seal_key_forget(&seed);
    const struct pg_param params[] = {pg_text(kid),
                                      pg_bytea((struct bytes){public_key, sizeof public_key}),
                                      pg_bytea((struct bytes){wrapped, sizeof wrapped})};
    return pg_query(NULL, pg,
                    "INSERT INTO identity.signing_key (kid, public, wrapped) SELECT $1, $2, $3"
                    " WHERE NOT EXISTS (SELECT FROM identity.signing_key WHERE retired_at IS NULL)",
                    params, 3, err);
}

static enum nova_status signing_take(struct signing *signing, const struct pg_result *rows,
                                     const struct seal_key *master, struct error *err)
{
    struct seal_key seed;
    uint8_t public_key[JWT_KEY_BYTES];
    struct bytes stored = pg_get_bytea(rows, 0, 1);
    if (stored.len != sizeof public_key)
        return error_set(err, NOVA_DATA_LOSS, "a signing key has not 32 bytes");
    memcpy(public_key, stored.data, sizeof public_key);
    struct uuid id = signing_id(public_key);
    enum nova_status status = seal_key_unwrap(&seed, master, pg_get_bytea(rows, 0, 2), &id, err);
    if (status != NOVA_OK)
        return error_while(err, "opening the signing key %s", pg_get_text(rows, 0, 0));
    snprintf(signing->kid, sizeof signing->kid, "%s", pg_get_text(rows, 0, 0));
    crypto_sign_seed_keypair(public_key, signing->secret, seed.bytes);
    seal_key_forget(&seed);
    return NOVA_OK;
}

enum nova_status signing_start(struct signing *signing, struct pg *pg,
                               const struct seal_key *master, struct error *err)
{
    struct pg_result *rows = NULL;
    signing->pg = pg;
    enum nova_status status = signing_add_first(pg, master, err);
    if (status == NOVA_OK)
        status = pg_query(&rows, pg,
                          "SELECT kid, public, wrapped FROM identity.signing_key"
                          " WHERE retired_at IS NULL ORDER BY created_at, kid LIMIT 1",
                          NULL, 0, err);
    if (status == NOVA_OK)
        status = signing_take(signing, rows, master, err);
    pg_result_destroy(&rows);
    return status;
}

static enum nova_status signing_read(struct pg_result **rows, struct pg *pg, struct error *err)
{
    enum nova_status status = pg_ensure_connected(pg, err);
    return status != NOVA_OK
               ? status
               : pg_query(rows, pg,
                          "SELECT kid, public FROM identity.signing_key"
                          " WHERE retired_at IS NULL OR retired_at > now() - interval '1 day'"
                          " ORDER BY created_at, kid",
                          NULL, 0, err);
}

enum nova_status signing_keys(struct signing *signing, struct auth_key *keys, size_t cap,
                              size_t *count, struct error *err)
{
    struct pg_result *rows = NULL;
    pthread_mutex_lock(&signing->lock);
    enum nova_status status = signing_read(&rows, signing->pg, err);
    *count = 0;
    for (size_t row = 0; row < pg_rows(rows) && *count < cap; row++) {
        struct bytes stored = pg_get_bytea(rows, row, 1);
        if (stored.len != JWT_KEY_BYTES)
            continue;
        struct auth_key *key = &keys[(*count)++];
        *key = (struct auth_key){.principal = ""};
        snprintf(key->kid, sizeof key->kid, "%s", pg_get_text(rows, row, 0));
        memcpy(key->public_key, stored.data, stored.len);
    }
    pg_result_destroy(&rows);
    pthread_mutex_unlock(&signing->lock);
    return status;
}

char *signing_token(const struct signing *signing, struct arena *arena,
                    const struct jwt_claims *claims)
{
    return jwt_sign(arena, claims, signing->kid, signing->secret);
}
