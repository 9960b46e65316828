// sessions.c - see sessions.h.
#include "services/identity/sessions.h"

#include <string.h>

static void take_ids(const struct uuid **ids, size_t *count, const struct pg_result *rows,
                     struct arena *arena)
{
    *count = pg_rows(rows);
    struct uuid *found = arena_alloc(arena, *count * sizeof *found);
    for (size_t row = 0; row < *count; row++)
        found[row] = pg_get_uuid(rows, row, 0);
    *ids = found;
}

enum nova_status sessions_of_user(const struct uuid **ids, size_t *count, struct pg *pg,
                                  const struct uuid *user_id, struct arena *arena,
                                  struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_uuid(user_id), pg_int8(ACCOUNT_SESSIONS_MAX)};
    enum nova_status status = pg_query(
        NULL, pg, "SELECT FROM identity.account WHERE user_id = $1 FOR UPDATE", params, 1, err);
    if (status == NOVA_OK)
        status = pg_query(&rows, pg,
                          "SELECT session_id FROM identity.session WHERE user_id = $1"
                          " AND ended_at IS NULL AND expires_at > now()"
                          " ORDER BY session_id LIMIT $2",
                          params, 2, err);
    take_ids(ids, count, rows, arena);
    pg_result_destroy(&rows);
    return status;
}

// expires_at moves with each use, so who expires first was not used for the longest.
enum nova_status sessions_too_many(const struct uuid **ids, size_t *count, struct pg *pg,
                                   const struct uuid *user_id, struct arena *arena,
                                   struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_uuid(user_id), pg_int8(SESSIONS_OPEN_MAX - 1),
                                      pg_int8(ACCOUNT_SESSIONS_MAX)};
    enum nova_status status = pg_query(&rows, pg,
                                       "SELECT session_id FROM identity.session WHERE user_id = $1"
                                       " AND ended_at IS NULL AND expires_at > now()"
                                       " ORDER BY expires_at DESC, session_id OFFSET $2 LIMIT $3",
                                       params, 3, err);
    take_ids(ids, count, rows, arena);
    pg_result_destroy(&rows);
    return status;
}

enum nova_status session_is_open(bool *out, struct pg *pg, const struct uuid *session_id,
                                 struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_uuid(session_id)};
    enum nova_status status = pg_query(&rows, pg,
                                       "SELECT FROM identity.session WHERE session_id = $1"
                                       " AND ended_at IS NULL",
                                       params, 1, err);
    *out = pg_rows(rows) > 0;
    pg_result_destroy(&rows);
    return status;
}

enum nova_status sessions_list(struct session_row **out, size_t *count, struct pg *pg,
                               const struct uuid *user_id, struct arena *arena, struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_uuid(user_id), pg_int8(ACCOUNT_SESSIONS_MAX)};
    enum nova_status status =
        pg_query(&rows, pg,
                 "SELECT s.session_id, s.expires_at, t.last_used_at FROM identity.session AS s"
                 " LEFT JOIN identity.refresh_token AS t USING (session_id)"
                 " WHERE s.user_id = $1 AND s.ended_at IS NULL AND s.expires_at > now()"
                 " ORDER BY t.last_used_at DESC NULLS LAST, s.session_id LIMIT $2",
                 params, 2, err);
    *count = pg_rows(rows);
    *out = arena_alloc(arena, *count * sizeof **out);
    for (size_t row = 0; row < *count; row++)
        (*out)[row] = (struct session_row){
            .session_id = pg_get_uuid(rows, row, 0),
            .expires_at_us = pg_get_time_us(rows, row, 1),
            .last_used_at_us = pg_is_null(rows, row, 2) ? 0 : pg_get_time_us(rows, row, 2),
        };
    pg_result_destroy(&rows);
    return status;
}

// Three statements, each with a snapshot of its own: what is read behind the lock is as new as it.
enum nova_status session_lock(struct session_refresh_row *out, struct pg *pg,
                              const struct uuid *session_id, struct error *err)
{
    struct pg_result *results[3] = {NULL};
    const struct pg_param params[] = {pg_uuid(session_id)};
    *out = (struct session_refresh_row){0};
    pg_pipeline_begin(pg);
    pg_pipeline_add(pg,
                    "SELECT FROM identity.account WHERE user_id ="
                    " (SELECT user_id FROM identity.session WHERE session_id = $1) FOR SHARE",
                    params, 1);
    pg_pipeline_add(pg, "SELECT user_id FROM identity.session WHERE session_id = $1 FOR UPDATE",
                    params, 1);
    pg_pipeline_add(pg,
                    "SELECT generation, token_hash FROM identity.refresh_token"
                    " WHERE session_id = $1",
                    params, 1);
    enum nova_status status = pg_pipeline_end(results, 3, NULL, pg, err);
    out->found = pg_rows(results[1]) > 0;
    if (out->found)
        out->user_id = pg_get_uuid(results[1], 0, 0);
    if (pg_rows(results[2]) > 0 && !pg_is_null(results[2], 0, 1)) {
        struct bytes hash = pg_get_bytea(results[2], 0, 1);
        out->generation = pg_get_int8(results[2], 0, 0);
        out->has_hash = hash.len == sizeof out->hash;
        if (out->has_hash)
            memcpy(out->hash, hash.data, sizeof out->hash);
    }
    for (int i = 0; i < 3; i++)
        pg_result_destroy(&results[i]);
    return status;
}

enum nova_status session_add(struct pg *pg, const struct uuid *session_id,
                             const struct uuid *user_id, int64_t expires_at_us, struct error *err)
{
    const struct pg_param params[] = {pg_uuid(session_id), pg_uuid(user_id),
                                      pg_time_us(expires_at_us)};
    return pg_query(NULL, pg,
                    "INSERT INTO identity.session (session_id, user_id, expires_at)"
                    " VALUES ($1, $2, $3)",
                    params, 3, err);
}

enum nova_status session_put_token(struct pg *pg, const struct uuid *session_id, int64_t generation,
                                   const uint8_t hash[REFRESH_TOKEN_HASH_BYTES], int64_t used_at_us,
                                   int64_t expires_at_us, struct error *err)
{
    const struct pg_param params[] = {
        pg_uuid(session_id), pg_int8(generation),
        pg_bytea((struct bytes){hash, hash == NULL ? 0 : REFRESH_TOKEN_HASH_BYTES}),
        pg_time_us(used_at_us), pg_time_us(expires_at_us)};
    return pg_query(NULL, pg,
                    "WITH s AS (UPDATE identity.session SET expires_at = $5 WHERE session_id = $1)"
                    " INSERT INTO identity.refresh_token"
                    " (session_id, generation, token_hash, last_used_at)"
                    " SELECT session_id, $2, $3, $4 FROM identity.session WHERE session_id = $1"
                    " ON CONFLICT (session_id) DO UPDATE SET generation = excluded.generation,"
                    " token_hash = excluded.token_hash, last_used_at = excluded.last_used_at",
                    params, 5, err);
}

enum nova_status session_end(struct pg *pg, const struct uuid *session_id, int64_t ended_at_us,
                             struct error *err)
{
    const struct pg_param params[] = {pg_uuid(session_id), pg_time_us(ended_at_us)};
    return pg_query(NULL, pg,
                    "WITH t AS (DELETE FROM identity.refresh_token WHERE session_id = $1)"
                    " UPDATE identity.session SET ended_at = $2"
                    " WHERE session_id = $1 AND ended_at IS NULL",
                    params, 2, err);
}

enum nova_status sessions_end_all(struct pg *pg, const struct uuid *user_id, struct error *err)
{
    const struct pg_param params[] = {pg_uuid(user_id)};
    return pg_query(NULL, pg,
                    "WITH t AS (DELETE FROM identity.refresh_token USING identity.session AS s"
                    "  WHERE s.user_id = $1 AND s.session_id = refresh_token.session_id)"
                    " UPDATE identity.session SET ended_at = now()"
                    " WHERE user_id = $1 AND ended_at IS NULL",
                    params, 1, err);
}
