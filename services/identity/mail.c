// mail.c - see mail.h.
#include "services/identity/mail.h"

#include <assert.h>
#include <string.h>

static struct pg_param digest_param(const struct account_digest *digest)
{
    return pg_bytea((struct bytes){digest->bytes, sizeof digest->bytes});
}

// ---- asking -------------------------------------------------------------------------------------

enum nova_status mail_prune(struct pg *pg, struct error *err)
{
    const struct pg_param params[] = {pg_int8(MAIL_PRUNE_MAX)};
    enum nova_status status =
        pg_query(NULL, pg,
                 "DELETE FROM identity.effect WHERE effect_id IN (SELECT effect_id"
                 " FROM identity.effect WHERE expires_at <= now() ORDER BY expires_at LIMIT $1"
                 " FOR UPDATE SKIP LOCKED)",
                 params, 1, err);
    return status == NOVA_OK
               ? pg_query(NULL, pg,
                          "DELETE FROM identity.mail_token WHERE token_id IN (SELECT token_id"
                          " FROM identity.mail_token WHERE expires_at <= now() ORDER BY expires_at"
                          " LIMIT $1 FOR UPDATE SKIP LOCKED)",
                          params, 1, err)
               : status;
}

enum nova_status mail_is_full(bool *out, struct pg *pg, struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_int8(MAIL_WAITING_MAX)};
    enum nova_status status = mail_prune(pg, err);
    if (status == NOVA_OK)
        status = pg_query(&rows, pg,
                          "SELECT count(*) >= $1 FROM (SELECT FROM identity.effect"
                          " WHERE done_at IS NULL LIMIT $1) AS waiting",
                          params, 1, err);
    *out = pg_rows(rows) > 0 && pg_get_bool(rows, 0, 0);
    pg_result_destroy(&rows);
    return status;
}

enum nova_status mail_ask(struct pg *pg, const struct mail_token *token,
                          const struct account_digest *email,
                          const uint8_t hash[MAIL_TOKEN_HASH_BYTES], int64_t expires_at_us,
                          struct error *err)
{
    const struct pg_param params[] = {
        pg_uuid(&token->id),
        pg_text(mail_purpose_name(token->purpose)),
        pg_uuid(uuid_is_nil(&token->user_id) ? NULL : &token->user_id),
        digest_param(email),
        pg_time_us(token->created_at_us),
        pg_time_us(expires_at_us),
        pg_bytea((struct bytes){hash, MAIL_TOKEN_HASH_BYTES}),
    };
    return pg_query(
        NULL, pg,
        "WITH e AS (INSERT INTO identity.effect"
        "  (effect_id, kind, user_id, email_digest, created_at, expires_at, next_at)"
        "  VALUES ($1, $2, $3, $4, $5, $6, now()) ON CONFLICT (effect_id) DO NOTHING"
        "  RETURNING effect_id),"
        " older AS (DELETE FROM identity.effect USING e WHERE effect.kind = $2"
        "  AND effect.email_digest = $4 AND effect.done_at IS NULL)"
        " INSERT INTO identity.mail_token"
        " (purpose, email_digest, token_id, user_id, token_hash, expires_at)"
        " SELECT $2, $4, effect_id, $3, $7, $6 FROM e"
        " ON CONFLICT (purpose, email_digest) DO UPDATE SET token_id = excluded.token_id,"
        " user_id = excluded.user_id, token_hash = excluded.token_hash,"
        " expires_at = excluded.expires_at",
        params, 7, err);
}

enum nova_status mail_notify(struct pg *pg, const struct mail_token *notice,
                             const struct account_digest *email, int64_t expires_at_us,
                             struct error *err)
{
    const struct pg_param params[] = {
        pg_uuid(&notice->id),
        pg_text(mail_purpose_name(notice->purpose)),
        pg_uuid(uuid_is_nil(&notice->user_id) ? NULL : &notice->user_id),
        digest_param(email),
        pg_time_us(notice->created_at_us),
        pg_time_us(expires_at_us),
        pg_int8(MAIL_WAITING_MAX),
    };
    return pg_query(NULL, pg,
                    "INSERT INTO identity.effect"
                    " (effect_id, kind, user_id, email_digest, created_at, expires_at, next_at)"
                    " SELECT $1, $2, $3, $4, $5, $6, now() WHERE (SELECT count(*) < $7 FROM"
                    "  (SELECT FROM identity.effect WHERE done_at IS NULL LIMIT $7) AS waiting)"
                    " ON CONFLICT (effect_id) DO NOTHING",
                    params, 7, err);
}

// ---- using --------------------------------------------------------------------------------------

enum nova_status mail_token_find(struct mail_token_row *out, struct pg *pg,
                                 enum mail_purpose purpose, const struct uuid *id, bool lock,
                                 struct error *err)
{
    static const char found[] =
        "SELECT t.user_id, t.token_hash, t.expires_at <= now() FROM identity.mail_token AS t"
        " JOIN identity.account AS a ON a.user_id = t.user_id AND a.email_digest = t.email_digest"
        " WHERE t.token_id = $1 AND t.purpose = $2 AND a.free_after IS NULL";
    static const char locked[] =
        "SELECT t.user_id, t.token_hash, t.expires_at <= now() FROM identity.mail_token AS t"
        " JOIN identity.account AS a ON a.user_id = t.user_id AND a.email_digest = t.email_digest"
        " WHERE t.token_id = $1 AND t.purpose = $2 AND a.free_after IS NULL FOR UPDATE OF t";
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_uuid(id), pg_text(mail_purpose_name(purpose))};
    *out = (struct mail_token_row){0};
    enum nova_status status = pg_query(&rows, pg, lock ? locked : found, params, 2, err);
    if (pg_rows(rows) > 0) {
        struct bytes hash = pg_get_bytea(rows, 0, 1);
        assert(hash.len == sizeof out->hash); // the table's CHECK
        out->found = true;
        out->user_id = pg_get_uuid(rows, 0, 0);
        memcpy(out->hash, hash.data, sizeof out->hash);
        out->expired = pg_get_bool(rows, 0, 2);
    }
    pg_result_destroy(&rows);
    return status;
}

enum nova_status mail_token_void(struct pg *pg, enum mail_purpose purpose,
                                 const struct uuid *user_id, struct error *err)
{
    const struct pg_param params[] = {pg_uuid(user_id), pg_text(mail_purpose_name(purpose))};
    return pg_query(NULL, pg, "DELETE FROM identity.mail_token WHERE user_id = $1 AND purpose = $2",
                    params, 2, err);
}

enum nova_status mail_forget(struct pg *pg, const struct uuid *user_id, struct error *err)
{
    const struct pg_param params[] = {pg_uuid(user_id)};
    return pg_query(NULL, pg,
                    "WITH e AS (DELETE FROM identity.effect WHERE effect_id IN"
                    "  (SELECT token_id FROM identity.mail_token WHERE user_id = $1))"
                    " DELETE FROM identity.mail_token WHERE user_id = $1",
                    params, 1, err);
}

// ---- the mailer's -------------------------------------------------------------------------------

enum nova_status mail_lock(bool *out, struct pg *pg, struct error *err)
{
    struct pg_result *rows = NULL;
    enum nova_status status =
        pg_query(&rows, pg, "SELECT pg_try_advisory_lock('identity.effect'::regclass::oid::bigint)",
                 NULL, 0, err);
    *out = pg_rows(rows) > 0 && pg_get_bool(rows, 0, 0);
    pg_result_destroy(&rows);
    return status;
}

enum nova_status mail_effect_take(struct mail_effect *out, bool *found, struct pg *pg,
                                  int64_t retry_s, struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_int8(retry_s), pg_int8(MAIL_RETRY_S_MAX)};
    *out = (struct mail_effect){0};
    enum nova_status status = pg_query(
        &rows, pg,
        "UPDATE identity.effect SET attempts = attempts + 1, next_at = now() + interval '1 second'"
        " * LEAST($1 * 2 ^ LEAST(attempts, 16), $2) WHERE effect_id = (SELECT effect_id"
        "  FROM identity.effect WHERE done_at IS NULL AND next_at <= now() ORDER BY next_at LIMIT 1"
        "  FOR UPDATE SKIP LOCKED)"
        " RETURNING effect_id, kind, user_id, email_digest, created_at, expires_at, attempts,"
        " user_id IS NOT NULL AND expires_at > now() AND (kind = 'registration_attempt'"
        "  OR EXISTS (SELECT FROM identity.mail_token WHERE token_id = effect_id))",
        params, 2, err);
    *found = pg_rows(rows) > 0;
    if (*found) {
        struct bytes digest = pg_get_bytea(rows, 0, 3);
        bool known = mail_purpose_find(&out->token.purpose, pg_get_text(rows, 0, 1));
        assert(known && digest.len == sizeof out->email.bytes); // only mail_ask writes rows
        out->token.id = pg_get_uuid(rows, 0, 0);
        if (!pg_is_null(rows, 0, 2))
            out->token.user_id = pg_get_uuid(rows, 0, 2);
        memcpy(out->email.bytes, digest.data, sizeof out->email.bytes);
        out->token.created_at_us = pg_get_time_us(rows, 0, 4);
        out->expires_at_us = pg_get_time_us(rows, 0, 5);
        out->attempt = pg_get_int4(rows, 0, 6);
        out->wanted = pg_get_bool(rows, 0, 7);
    }
    pg_result_destroy(&rows);
    return status;
}

enum nova_status mail_effect_done(struct pg *pg, const struct uuid *id, const char *outcome,
                                  struct error *err)
{
    const struct pg_param params[] = {pg_uuid(id), pg_text(outcome)};
    return pg_query(NULL, pg,
                    "UPDATE identity.effect SET done_at = now(), outcome = $2"
                    " WHERE effect_id = $1 AND done_at IS NULL",
                    params, 2, err);
}
