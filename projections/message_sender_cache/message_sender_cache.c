// message_sender_cache.c - the projection that names senders: communication's copy of what
// identity's users are called. The only way in which communication knows them.
#include "projections/columns.h"
#include "projections/users.h"

static const char sql_add[] = "INSERT INTO sender (user_id, handle, display_name, position)"
                              " SELECT * FROM unnest($1, $2, $3, $4)";

static const char sql_change[] =
    "UPDATE sender s SET handle = COALESCE(NULLIF(u.handle, ''), s.handle),"
    " display_name = COALESCE(NULLIF(u.name, ''), s.display_name), position = u.position"
    " FROM unnest($1, $2, $3, $4) AS u (user_id, handle, name, position)"
    " WHERE s.user_id = u.user_id";

static enum nova_status apply_users(const char *sql, const struct user_columns *users,
                                    struct arena *arena, struct pg *pg, struct error *err)
{
    const struct pg_param params[] = {
        pg_uuid_array(arena, users->ids, users->count),
        pg_text_array(arena, users->handles, users->count),
        pg_text_array(arena, users->names, users->count),
        pg_int8_array(arena, users->positions, users->count),
    };
    return users->count == 0 ? NOVA_OK : pg_query(NULL, pg, sql, params, 4, err);
}

static enum nova_status remove_deleted(const struct inbox_batch *batch, struct pg *pg,
                                       struct error *err)
{
    struct columns deleted;
    columns_last_of(&deleted, batch, "user.deleted");
    if (deleted.count == 0)
        return NOVA_OK;
    const struct pg_param params[] = {columns_ids(&deleted), columns_positions(&deleted)};
    enum nova_status status =
        pg_query(NULL, pg, "DELETE FROM sender WHERE user_id = ANY($1)", params, 1, err);
    if (status != NOVA_OK)
        return status;
    return pg_query(NULL, pg,
                    "INSERT INTO sender_gone (user_id, position) SELECT * FROM unnest($1, $2)",
                    params, 2, err);
}

static enum nova_status apply_identity(struct inbox_batch *batch, struct pg *pg, struct error *err)
{
    struct user_changes users;
    users_of_batch(&users, batch);
    enum nova_status status = apply_users(sql_add, &users.created, batch->arena, pg, err);
    if (status == NOVA_OK)
        status = apply_users(sql_change, &users.updated, batch->arena, pg, err);
    if (status == NOVA_OK)
        status = remove_deleted(batch, pg, err);
    return status;
}

const struct inbox_consumer consumer_communication_message_sender_cache = {
    .name = "communication/message_sender_cache",
    .service = "communication",
    .kind = INBOX_PROJECTION,
    .projection = "message_sender_cache",
    .forgets = "user.deleted",
    .sources = {{"identity", {USER_EVENTS}, apply_identity, INBOX_UNKNOWN_SKIP}},
};
