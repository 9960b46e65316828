// signing.c - see signing.h.
#include "services/identity/signing.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base64url.h"
#include "base/log.h"

// A key with its secret, as the table said when it was read.
struct signer {
    char kid[JWT_NAME_BYTES];
    uint8_t secret[JWT_SECRET_BYTES];
};

struct signing {
    pthread_mutex_t lock; // of all below
    struct pg *pg;
    const struct seal_key *master;
    int64_t token_lifetime_s;
    struct signer signers[SIGNING_KEYS_MAX];
    struct key_times times[SIGNING_KEYS_MAX];
    size_t count;
    int64_t read_ms; // when the table was read, or tried to be; monotonic
};

static int64_t signing_now_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

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
    sodium_memzero((*signing)->signers, sizeof(*signing)->signers);
    free(*signing);
    *signing = NULL;
}

// ---- one key ------------------------------------------------------------------------------------

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

void signing_make(struct signing_new *out, const struct seal_key *master)
{
    uint8_t secret[JWT_SECRET_BYTES];
    struct seal_key seed;
    seal_key_generate(&seed);
    static_assert(SEAL_KEY_BYTES == crypto_sign_SEEDBYTES, "a seed is wrapped like a key");
    crypto_sign_seed_keypair(out->public_key, secret, seed.bytes);
    struct uuid id = signing_id(out->public_key);
    seal_key_wrap(out->wrapped, master, &seed, &id);
    signing_kid(out->kid, out->public_key);
    sodium_memzero(secret, sizeof secret);
    seal_key_forget(&seed);
}

static enum nova_status signing_open(struct signer *out, const struct signing_row *row,
                                     struct bytes wrapped, const struct seal_key *master,
                                     struct error *err)
{
    struct seal_key seed;
    uint8_t public_key[JWT_KEY_BYTES];
    struct uuid id = signing_id(row->public_key);
    enum nova_status status = seal_key_unwrap(&seed, master, wrapped, &id, err);
    if (status != NOVA_OK)
        return error_while(err, "opening the signing key %s", row->kid);
    strcpy(out->kid, row->kid);
    crypto_sign_seed_keypair(public_key, out->secret, seed.bytes);
    seal_key_forget(&seed);
    return NOVA_OK;
}

// ---- the table ----------------------------------------------------------------------------------

static enum nova_status signing_add_first(struct pg *pg, const struct seal_key *master,
                                          struct error *err)
{
    struct signing_new key;
    signing_make(&key, master);
    const struct pg_param params[] = {
        pg_text(key.kid), pg_bytea((struct bytes){key.public_key, sizeof key.public_key}),
        pg_bytea((struct bytes){key.wrapped, sizeof key.wrapped})};
    return pg_query(NULL, pg,
                    "INSERT INTO identity.signing_key (kid, public, wrapped) SELECT $1, $2, $3"
                    " WHERE NOT EXISTS (SELECT FROM identity.signing_key WHERE retired_at IS NULL)",
                    params, 3, err);
}

enum nova_status signing_add(struct pg *pg, const struct signing_new *key, int64_t signs_from_us,
                             struct error *err)
{
    const struct pg_param params[] = {
        pg_text(key->kid), pg_bytea((struct bytes){key->public_key, sizeof key->public_key}),
        pg_bytea((struct bytes){key->wrapped, sizeof key->wrapped}), pg_time_us(signs_from_us)};
    return pg_query(NULL, pg,
                    "INSERT INTO identity.signing_key (kid, public, wrapped, signs_from)"
                    " VALUES ($1, $2, $3, $4)",
                    params, 4, err);
}

enum nova_status signing_delete(struct pg *pg, const char *kid, struct error *err)
{
    const struct pg_param param = pg_text(kid);
    return pg_query(NULL, pg, "DELETE FROM identity.signing_key WHERE kid = $1", &param, 1, err);
}

enum column { KID, PUBLIC, WRAPPED, CREATED_AT, SIGNS_FROM, RETIRED_AT };

static enum nova_status signing_select(struct pg_result **rows, struct pg *pg, struct error *err)
{
    const struct pg_param most = pg_int8(SIGNING_KEYS_MAX);
    return pg_query(rows, pg,
                    "SELECT * FROM (SELECT kid, public, wrapped, created_at,"
                    "  coalesce(signs_from, created_at) AS signs_from, retired_at"
                    " FROM identity.signing_key ORDER BY 5 DESC, kid DESC LIMIT $1) AS newest"
                    " ORDER BY signs_from, kid",
                    &most, 1, err);
}

static enum nova_status signing_row_of(struct signing_row *out, const struct pg_result *rows,
                                       size_t row, struct error *err)
{
    struct bytes public_key = pg_get_bytea(rows, row, PUBLIC);
    const char *kid = pg_get_text(rows, row, KID);
    if (public_key.len != sizeof out->public_key || strlen(kid) >= sizeof out->kid)
        return error_set(err, NOVA_DATA_LOSS, "the table signing_key holds a key that is none");
    strcpy(out->kid, kid);
    memcpy(out->public_key, public_key.data, public_key.len);
    out->created_at_us = pg_get_time_us(rows, row, CREATED_AT);
    out->times.signs_from_us = pg_get_time_us(rows, row, SIGNS_FROM);
    out->times.retired_us =
        pg_is_null(rows, row, RETIRED_AT) ? 0 : pg_get_time_us(rows, row, RETIRED_AT);
    return NOVA_OK;
}

// After a key's last token has expired by everybody's clock nobody needs it.
static int64_t signing_keep_us(int64_t token_lifetime_s)
{
    return (token_lifetime_s + INT64_C(2) * JWT_CLOCK_SKEW_S) * 1000000;
}

enum nova_status signing_list(struct signing_row **out, size_t *count, struct pg *pg,
                              int64_t token_lifetime_s, int64_t now_us, struct arena *arena,
                              struct error *err)
{
    struct pg_result *rows = NULL;
    struct key_times times[SIGNING_KEYS_MAX] = {0};
    struct key_stage stages[SIGNING_KEYS_MAX];
    enum nova_status status = signing_select(&rows, pg, err);
    *count = pg_rows(rows);
    *out = arena_alloc(arena, *count * sizeof **out);
    for (size_t row = 0; row < *count && status == NOVA_OK; row++) {
        status = signing_row_of(&(*out)[row], rows, row, err);
        times[row] = (*out)[row].times;
    }
    if (status == NOVA_OK)
        key_schedule(stages, times, *count, now_us, signing_keep_us(token_lifetime_s));
    for (size_t row = 0; row < *count && status == NOVA_OK; row++)
        (*out)[row].stage = stages[row];
    pg_result_destroy(&rows);
    return status;
}

// ---- what an instance knows ---------------------------------------------------------------------

// Called under the lock. A failure leaves what was known.
static enum nova_status signing_read(struct signing *signing, struct error *err)
{
    struct signer signers[SIGNING_KEYS_MAX] = {0};
    struct key_times times[SIGNING_KEYS_MAX] = {0};
    struct pg_result *rows = NULL;
    signing->read_ms = signing_now_us(CLOCK_MONOTONIC) / 1000;
    enum nova_status status = pg_ensure_connected(signing->pg, err);
    if (status == NOVA_OK)
        status = signing_select(&rows, signing->pg, err);
    size_t count = pg_rows(rows);
    for (size_t row = 0; row < count && status == NOVA_OK; row++) {
        struct signing_row read = {.kid = ""};
        status = signing_row_of(&read, rows, row, err);
        times[row] = read.times;
        if (status == NOVA_OK)
            status = signing_open(&signers[row], &read, pg_get_bytea(rows, row, WRAPPED),
                                  signing->master, err);
    }
    if (status == NOVA_OK && count == 0)
        status = error_set(err, NOVA_DATA_LOSS, "the table signing_key is empty");
    if (status == NOVA_OK) {
        memcpy(signing->signers, signers, sizeof signers);
        memcpy(signing->times, times, sizeof times);
        signing->count = count;
    }
    sodium_memzero(signers, sizeof signers);
    pg_result_destroy(&rows);
    return status;
}

enum nova_status signing_start(struct signing *signing, struct pg *pg,
                               const struct seal_key *master, int64_t token_lifetime_s,
                               struct error *err)
{
    signing->pg = pg;
    signing->master = master;
    signing->token_lifetime_s = token_lifetime_s;
    enum nova_status status = signing_add_first(pg, master, err);
    pthread_mutex_lock(&signing->lock);
    if (status == NOVA_OK)
        status = signing_read(signing, err);
    pthread_mutex_unlock(&signing->lock);
    return status;
}

enum nova_status signing_keys(struct signing *signing, struct jwks_key *keys, size_t cap,
                              size_t *count, struct error *err)
{
    struct arena *arena = arena_create();
    struct signing_row *rows = NULL;
    size_t found = 0;
    *count = 0;
    pthread_mutex_lock(&signing->lock);
    enum nova_status status = pg_ensure_connected(signing->pg, err);
    if (status == NOVA_OK)
        status = signing_list(&rows, &found, signing->pg, signing->token_lifetime_s,
                              signing_now_us(CLOCK_REALTIME), arena, err);
    pthread_mutex_unlock(&signing->lock);
    for (size_t i = 0; i < found && *count < cap && status == NOVA_OK; i++) {
        if (rows[i].stage.state == KEY_GONE)
            continue;
        struct jwks_key *key = &keys[(*count)++];
        memcpy(key->kid, rows[i].kid, sizeof key->kid);
        memcpy(key->public_key, rows[i].public_key, sizeof key->public_key);
    }
    arena_destroy(&arena);
    return status;
}

// Called under the lock.
static const struct signer *signing_signer(struct signing *signing)
{
    struct error err;
    struct key_stage stages[SIGNING_KEYS_MAX];
    if (signing_now_us(CLOCK_MONOTONIC) / 1000 - signing->read_ms >= SIGNING_READ_MS &&
        signing_read(signing, &err) != NOVA_OK)
        log_warn("identity: signs with the keys that it knows", LOG_ERROR(&err));
    key_schedule(stages, signing->times, signing->count, signing_now_us(CLOCK_REALTIME), 0);
    size_t signer = signing->count;
    for (size_t i = 0; i < signing->count; i++)
        if (stages[i].state == KEY_SIGNS)
            signer = i;
    if (signer == signing->count) // all were taken out by hand: the newest is the least wrong
        signer = signing->count - 1;
    return &signing->signers[signer];
}

char *signing_token(struct signing *signing, struct arena *arena, const struct jwt_claims *claims)
{
    pthread_mutex_lock(&signing->lock);
    const struct signer *signer = signing_signer(signing);
    char *token = jwt_sign(arena, claims, signer->kid, signer->secret);
    pthread_mutex_unlock(&signing->lock);
    return token;
}
