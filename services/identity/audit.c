// audit.c - writing and reading the security audit log's table. See audit.h; which command leaves
// what stands in audit_events.c, the method in audit_query.c.
#include <sodium.h>
#include <string.h>

#include "base/log.h"
#include "nova/identity/v2/identity.pb-c.h"
#include "proto/sealed.h"
#include "services/identity/audit_internal.h"

// ---- what is sealed -----------------------------------------------------------------------------

static void audit_key(struct seal_key *out, const struct seal_key *master)
{
    crypto_kdf_derive_from_key(out->bytes, sizeof out->bytes, 1, "auditlog", master->bytes);
}

// A sealed part belongs to its account and action, and cannot be moved to another's.
static struct bytes audit_bound(struct arena *arena, const struct uuid *user_id, const char *action)
{
    size_t len = strlen(action);
    uint8_t *bound = arena_alloc(arena, sizeof user_id->bytes + len);
    memcpy(bound, user_id->bytes, sizeof user_id->bytes);
    memcpy(bound + sizeof user_id->bytes, action, len);
    return (struct bytes){bound, sizeof user_id->bytes + len};
}

static struct bytes audit_seal(struct arena *arena, const struct seal_key *master,
                               const struct audit_entry *entry)
{
    struct seal_key key;
    if (*entry->device == '\0' && *entry->address == '\0')
        return (struct bytes){NULL, 0};
    Nova__Identity__V2__SecurityAuditPersonal *personal =
        message_new(arena, &nova__identity__v2__security_audit_personal__descriptor);
    personal->device = (char *)(uintptr_t)entry->device;
    personal->address = (char *)(uintptr_t)entry->address;
    struct bytes plain = message_pack(arena, &personal->base);
    uint8_t *sealed = arena_alloc(arena, SEAL_NONCE_BYTES + plain.len + SEAL_TAG_BYTES);
    audit_key(&key, master);
    seal_text(sealed + SEAL_NONCE_BYTES, sealed, &key, plain,
              audit_bound(arena, &entry->user_id, entry->action));
    seal_key_forget(&key);
    return (struct bytes){sealed, SEAL_NONCE_BYTES + plain.len + SEAL_TAG_BYTES};
}

// What does not open is as if it were not there: an entry that was damaged must not hide the
// others.
static void audit_open(struct audit_row *row, struct bytes sealed, const struct seal_key *master,
                       struct arena *arena)
{
    struct seal_key key;
    struct error err = {0};
    const ProtobufCMessage *message = NULL;
    row->device = row->address = "";
    if (sealed.data == NULL)
        return;
    if (sealed.len >= SEAL_NONCE_BYTES + SEAL_TAG_BYTES) {
        const struct bytes text = {sealed.data + SEAL_NONCE_BYTES, sealed.len - SEAL_NONCE_BYTES};
        struct bytes bound = audit_bound(arena, &row->user_id, row->action);
        uint8_t *plain = arena_alloc(arena, text.len);
        audit_key(&key, master);
        if (seal_open(plain, sealed.data, &key, text, bound, &err) == NOVA_OK)
            message =
                message_unpack(arena, &nova__identity__v2__security_audit_personal__descriptor,
                               (struct bytes){plain, text.len - SEAL_TAG_BYTES});
        seal_key_forget(&key);
    }
    if (message == NULL) {
        log_error("identity: an entry of the security audit log does not open",
                  LOG_INT("audit_id", row->id));
        return;
    }
    const Nova__Identity__V2__SecurityAuditPersonal *personal = (const void *)message;
    row->device = personal->device;
    row->address = personal->address;
}

// ---- writing ------------------------------------------------------------------------------------

static void audit_prune_add(struct pg *pg, int64_t days)
{
    const struct pg_param params[] = {pg_int8(days), pg_int8(AUDIT_PRUNE_MAX)};
    pg_pipeline_add(pg,
                    "DELETE FROM identity.security_audit WHERE audit_id IN (SELECT audit_id"
                    " FROM identity.security_audit WHERE last_at < now() - $1 * interval '1 day'"
                    " ORDER BY last_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
                    params, 2);
}

static enum nova_status audit_send(struct pg *pg, int64_t days, struct error *err)
{
    struct pg_result *results[2] = {NULL};
    audit_prune_add(pg, days);
    enum nova_status status = pg_pipeline_end(results, 2, NULL, pg, err);
    pg_result_destroy(&results[0]);
    pg_result_destroy(&results[1]);
    return status;
}

enum nova_status audit_add(struct pg *pg, const struct audit_writer *writer,
                           const struct audit_entry *entries, size_t count, struct error *err)
{
    struct arena *arena = writer->arena;
    struct uuid *users = arena_alloc(arena, count * sizeof *users);
    struct uuid *sessions = arena_alloc(arena, count * sizeof *sessions);
    const char **actions = arena_alloc(arena, count * sizeof *actions);
    const char **reasons = arena_alloc(arena, count * sizeof *reasons);
    struct bytes *sealed = arena_alloc(arena, count * sizeof *sealed);
    if (count == 0)
        return NOVA_OK;
    for (size_t i = 0; i < count; i++) {
        users[i] = entries[i].user_id;
        sessions[i] = entries[i].session_id;
        actions[i] = entries[i].action;
        reasons[i] = entries[i].reason;
        sealed[i] = audit_seal(arena, writer->master, &entries[i]);
    }
    const struct pg_param params[] = {
        pg_uuid_array(arena, users, count),
        pg_text_array(arena, actions, count),
        pg_text_array(arena, reasons, count),
        pg_text(writer->actor),
        pg_uuid_array(arena, sessions, count),
        pg_bytea_array(arena, sealed, count),
        writer->at_us == 0 ? pg_null() : pg_time_us(writer->at_us),
    };
    pg_pipeline_begin(pg);
    pg_pipeline_add(pg,
                    "INSERT INTO identity.security_audit"
                    " (user_id, action, reason, actor, session_id, sealed, at, last_at)"
                    " SELECT user_id, action, reason, $4,"
                    "  NULLIF(session_id, '00000000-0000-0000-0000-000000000000'), sealed,"
                    "  COALESCE($7::timestamptz, now()), COALESCE($7::timestamptz, now())"
                    " FROM unnest($1, $2, $3, $5, $6) WITH ORDINALITY"
                    " AS e (user_id, action, reason, session_id, sealed, i) ORDER BY i",
                    params, 7);
    return audit_send(pg, writer->days, err);
}

// The same statement whether the account is somebody's or (nil) nobody's.
enum nova_status audit_count(struct pg *pg, const struct audit_writer *writer,
                             const struct audit_entry *entry, const struct account_digest *address,
                             struct error *err)
{
    const struct pg_param params[] = {
        pg_uuid(&entry->user_id),
        pg_text(entry->action),
        pg_text(writer->actor),
        pg_bytea((struct bytes){address->bytes, sizeof address->bytes}),
        pg_bytea(audit_seal(writer->arena, writer->master, entry)),
    };
    pg_pipeline_begin(pg);
    pg_pipeline_add(pg,
                    "INSERT INTO identity.security_audit AS a"
                    " (user_id, action, actor, hour, address_digest, sealed)"
                    " VALUES ($1, $2, $3, floor(extract(epoch FROM now()) / 3600)::bigint, $4, $5)"
                    " ON CONFLICT (user_id, action, hour, address_digest) WHERE hour IS NOT NULL"
                    " DO UPDATE SET attempts = a.attempts + 1, last_at = excluded.last_at,"
                    " sealed = excluded.sealed",
                    params, 5);
    return audit_send(pg, writer->days, err);
}

// A digest that is of no address keeps the rows of one hour apart.
enum nova_status audit_forget(struct pg *pg, const struct uuid *user_id, struct error *err)
{
    const struct pg_param params[] = {pg_uuid(user_id)};
    return pg_query(NULL, pg,
                    "UPDATE identity.security_audit SET sealed = NULL, address_digest ="
                    " CASE WHEN hour IS NOT NULL THEN int8send(audit_id) END"
                    " WHERE user_id = $1 AND (sealed IS NOT NULL OR hour IS NOT NULL)",
                    params, 1, err);
}

// ---- reading ------------------------------------------------------------------------------------

#define AUDIT_COLUMNS                                                                              \
    "SELECT audit_id, user_id, action, reason, actor, session_id, at, last_at, attempts, sealed"   \
    " FROM identity.security_audit"

enum audit_column {
    AUDIT_ID,
    AUDIT_USER_ID,
    AUDIT_ACTION,
    AUDIT_REASON,
    AUDIT_ACTOR,
    AUDIT_SESSION_ID,
    AUDIT_AT,
    AUDIT_LAST_AT,
    AUDIT_ATTEMPTS,
    AUDIT_SEALED,
};

static void audit_take_row(struct audit_row *out, const struct pg_result *rows, size_t row,
                           const struct seal_key *master, struct arena *arena)
{
    const char *reason = pg_get_text(rows, row, AUDIT_REASON);
    *out = (struct audit_row){
        .id = pg_get_int8(rows, row, AUDIT_ID),
        .user_id = pg_get_uuid(rows, row, AUDIT_USER_ID),
        .action = arena_strdup(arena, pg_get_text(rows, row, AUDIT_ACTION)),
        .reason = reason == NULL ? NULL : arena_strdup(arena, reason),
        .actor = arena_strdup(arena, pg_get_text(rows, row, AUDIT_ACTOR)),
        .at_us = pg_get_time_us(rows, row, AUDIT_AT),
        .last_at_us = pg_get_time_us(rows, row, AUDIT_LAST_AT),
        .attempts = pg_get_int8(rows, row, AUDIT_ATTEMPTS),
    };
    if (!pg_is_null(rows, row, AUDIT_SESSION_ID))
        out->session_id = pg_get_uuid(rows, row, AUDIT_SESSION_ID);
    audit_open(out, pg_get_bytea(rows, row, AUDIT_SEALED), master, arena);
}

enum nova_status audit_list(struct audit_row **out, size_t *count, struct pg *pg,
                            const struct seal_key *master, const struct uuid *user_id,
                            int64_t before, uint32_t limit, struct arena *arena, struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param of_all[] = {pg_int8(before), pg_int8(limit)};
    const struct pg_param of_user[] = {pg_int8(before), pg_int8(limit), pg_uuid(user_id)};
    enum nova_status status =
        uuid_is_nil(user_id)
            ? pg_query(&rows, pg,
                       AUDIT_COLUMNS " WHERE audit_id < $1 ORDER BY audit_id DESC LIMIT $2", of_all,
                       2, err)
            : pg_query(&rows, pg,
                       AUDIT_COLUMNS " WHERE user_id = $3 AND audit_id < $1"
                                     " ORDER BY audit_id DESC LIMIT $2",
                       of_user, 3, err);
    *count = pg_rows(rows);
    *out = arena_alloc(arena, *count * sizeof **out);
    for (size_t row = 0; row < *count; row++)
        audit_take_row(&(*out)[row], rows, row, master, arena);
    pg_result_destroy(&rows);
    return status;
}
