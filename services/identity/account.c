// account.c - see account.h.
#include "services/identity/account.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/email_address.h"
#include "services/identity/sessions.h"

// ---- digests ------------------------------------------------------------------------------------

void account_digest(struct account_digest *out, const struct seal_key *master, const char *kind,
                    const char *text)
{
    struct arena *arena = arena_create();
    const char *sent = strcmp(kind, "email") == 0 ? email_address_to_send(arena, text) : NULL;
    uint8_t *folded = NULL, key[crypto_generichash_KEYBYTES];
    crypto_generichash_state hash;
    text = sent != NULL ? sent : text; // what is no address is nobody's
    utf8proc_map((const uint8_t *)text, 0, &folded,
                 UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT |
                     UTF8PROC_CASEFOLD);
    assert(folded != NULL); // requests were checked for UTF-8
    crypto_kdf_derive_from_key(key, sizeof key, 1, "accounts", master->bytes);
    crypto_generichash_init(&hash, key, sizeof key, sizeof out->bytes);
    crypto_generichash_update(&hash, (const uint8_t *)kind, strlen(kind) + 1);
    crypto_generichash_update(&hash, folded, strlen((char *)folded));
    crypto_generichash_final(&hash, out->bytes, sizeof out->bytes);
    sodium_memzero(key, sizeof key);
    sodium_memzero(folded, strlen((char *)folded));
    free(folded);
    arena_destroy(&arena);
}

static struct pg_param digest_param(const struct account_digest *digest)
{
    return digest == NULL ? pg_bytea((struct bytes){NULL, 0})
                          : pg_bytea((struct bytes){digest->bytes, sizeof digest->bytes});
}

// ---- accounts -----------------------------------------------------------------------------------

#define ACCOUNT_BY_DIGEST                                                                          \
    "SELECT user_id, password_hash FROM identity.account"                                          \
    " WHERE (email_digest = $1 OR handle_digest = $1) AND free_after IS NULL"

static enum nova_status account_by_digest(struct account *out, struct pg *pg, const char *sql,
                                          const struct account_digest *digest, struct arena *arena,
                                          struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {digest_param(digest)};
    *out = (struct account){0};
    enum nova_status status = pg_query(&rows, pg, sql, params, 1, err);
    if (pg_rows(rows) > 0) {
        const char *hash = pg_get_text(rows, 0, 1);
        out->found = true;
        out->user_id = pg_get_uuid(rows, 0, 0);
        out->password_hash = hash == NULL ? NULL : arena_memdup(arena, hash, strlen(hash) + 1);
    }
    pg_result_destroy(&rows);
    return status;
}

enum nova_status account_find(struct account *out, struct pg *pg,
                              const struct account_digest *digest, struct arena *arena,
                              struct error *err)
{
    return account_by_digest(out, pg, ACCOUNT_BY_DIGEST, digest, arena, err);
}

enum nova_status account_hold(struct account *out, struct pg *pg,
                              const struct account_digest *digest, struct arena *arena,
                              struct error *err)
{
    return account_by_digest(out, pg, ACCOUNT_BY_DIGEST " FOR SHARE", digest, arena, err);
}

enum nova_status account_password(const char **out, struct pg *pg, const struct uuid *user_id,
                                  struct arena *arena, struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_uuid(user_id)};
    *out = NULL;
    enum nova_status status = pg_query(&rows, pg,
                                       "SELECT password_hash FROM identity.account"
                                       " WHERE user_id = $1 AND free_after IS NULL"
                                       " AND password_hash IS NOT NULL",
                                       params, 1, err);
    if (pg_rows(rows) > 0)
        *out = arena_strdup(arena, pg_get_text(rows, 0, 0));
    pg_result_destroy(&rows);
    return status;
}

// Two logins at once hold the row FOR SHARE: were one to wait for the other, both would.
enum nova_status account_rehash(struct pg *pg, const struct uuid *user_id, const char *old,
                                const char *hash, struct error *err)
{
    const struct pg_param params[] = {pg_uuid(user_id), pg_text(old), pg_text(hash)};
    return pg_query(NULL, pg,
                    "UPDATE identity.account SET password_hash = $3 WHERE user_id ="
                    " (SELECT user_id FROM identity.account WHERE user_id = $1"
                    "  AND password_hash = $2 AND free_after IS NULL"
                    "  FOR NO KEY UPDATE SKIP LOCKED)",
                    params, 3, err);
}

enum nova_status account_taken(bool *email, bool *handle, struct pg *pg,
                               const struct account_digest *email_digest,
                               const struct account_digest *handle_digest,
                               const struct uuid *user_id, struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {digest_param(email_digest), digest_param(handle_digest),
                                      pg_uuid(user_id)};
    enum nova_status status =
        pg_query(&rows, pg,
                 "SELECT COALESCE(bool_or(email_digest = $1), false),"
                 " COALESCE(bool_or(handle_digest = $2), false) FROM identity.account"
                 " WHERE (email_digest = $1 OR handle_digest = $2) AND user_id <> $3"
                 " AND (free_after IS NULL OR free_after > now())",
                 params, 3, err);
    *email = status == NOVA_OK && pg_get_bool(rows, 0, 0);
    *handle = status == NOVA_OK && pg_get_bool(rows, 0, 1);
    pg_result_destroy(&rows);
    return status;
}

enum nova_status account_has_handle(bool *out, struct pg *pg, const struct uuid *user_id,
                                    const struct account_digest *handle, struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_uuid(user_id), digest_param(handle)};
    enum nova_status status = pg_query(
        &rows, pg, "SELECT 1 FROM identity.account WHERE user_id = $1 AND handle_digest = $2",
        params, 2, err);
    *out = pg_rows(rows) > 0;
    pg_result_destroy(&rows);
    return status;
}

// Rows that only kept a deleted user's names taken, and no longer do.
static enum nova_status account_free(struct pg *pg, const struct account_digest *email,
                                     const struct account_digest *handle, struct error *err)
{
    const struct pg_param params[] = {digest_param(email), digest_param(handle)};
    return pg_query(NULL, pg,
                    "DELETE FROM identity.account WHERE (email_digest = $1 OR handle_digest = $2)"
                    " AND free_after <= now()",
                    params, 2, err);
}

enum nova_status account_add(struct pg *pg, const struct uuid *user_id,
                             const struct account_digest *email,
                             const struct account_digest *handle, const char *password_hash,
                             struct error *err)
{
    const struct pg_param params[] = {
        pg_uuid(user_id), digest_param(email), digest_param(handle),
        pg_text(password_hash != NULL && *password_hash != '\0' ? password_hash : NULL)};
    enum nova_status status = account_free(pg, email, handle, err);
    if (status != NOVA_OK)
        return status;
    return pg_query(NULL, pg,
                    "INSERT INTO identity.account"
                    " (user_id, email_digest, handle_digest, password_hash)"
                    " VALUES ($1, $2, $3, $4)",
                    params, 4, err);
}

enum nova_status account_email(struct account_digest *out, bool *found, struct pg *pg,
                               const struct uuid *user_id, struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_uuid(user_id)};
    *out = (struct account_digest){0};
    enum nova_status status = pg_query(&rows, pg,
                                       "SELECT email_digest FROM identity.account"
                                       " WHERE user_id = $1 AND free_after IS NULL FOR SHARE",
                                       params, 1, err);
    *found = pg_rows(rows) > 0;
    if (*found) {
        struct bytes digest = pg_get_bytea(rows, 0, 0);
        assert(digest.len == sizeof out->bytes); // only account_digest makes them
        memcpy(out->bytes, digest.data, sizeof out->bytes);
    }
    pg_result_destroy(&rows);
    return status;
}

enum nova_status account_set_password(struct pg *pg, const struct uuid *user_id,
                                      const char *password_hash, struct error *err)
{
    const struct pg_param params[] = {pg_uuid(user_id), pg_text(password_hash)};
    return pg_query(NULL, pg, "UPDATE identity.account SET password_hash = $2 WHERE user_id = $1",
                    params, 2, err);
}

enum nova_status account_rename(struct pg *pg, const struct uuid *user_id,
                                const struct account_digest *email,
                                const struct account_digest *handle, struct error *err)
{
    const struct pg_param params[] = {pg_uuid(user_id), digest_param(email), digest_param(handle)};
    enum nova_status status = account_free(pg, email, handle, err);
    if (status != NOVA_OK)
        return status;
    return pg_query(NULL, pg,
                    "UPDATE identity.account SET email_digest = COALESCE($2, email_digest),"
                    " handle_digest = COALESCE($3, handle_digest) WHERE user_id = $1",
                    params, 3, err);
}

enum nova_status account_delete(struct pg *pg, const struct uuid *user_id, int64_t days,
                                struct error *err)
{
    const struct pg_param params[] = {pg_uuid(user_id), pg_int8(days)};
    enum nova_status status = pg_query(NULL, pg,
                                       "UPDATE identity.account SET password_hash = NULL,"
                                       " free_after = now() + $2 * interval '1 day'"
                                       " WHERE user_id = $1",
                                       params, 2, err);
    return status == NOVA_OK ? sessions_end_all(pg, user_id, err) : status;
}
