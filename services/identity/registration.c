// registration.c - see registration.h.
#include "services/identity/registration.h"

#include <sodium.h>
#include <string.h>

#include "aggregates/runtime/digest.h"
#include "services/identity/mail.h"

// ---- the same command again ---------------------------------------------------------------------

// As the runtime's own of an event (decision 0011).
static void registration_digest(uint8_t out[COMMAND_DIGEST_BYTES],
                                const struct service_command_context *context, struct arena *arena)
{
    const struct rpc_request *request = context->call->request;
    struct command_digest_key key;
    command_digest_key_make(&key, service_master_key(context->worker->service));
    command_digest(out, &key, request->method->name, request->message, request->wire, arena);
    command_digest_key_forget(&key);
}

// The password is looked at first and always, as for a registration that was not refused.
static bool registration_is_same(const struct registration *registration,
                                 const struct service_command_context *context,
                                 const struct pg_result *rows, struct arena *arena)
{
    uint8_t digest[COMMAND_DIGEST_BYTES];
    struct bytes kept = pg_get_bytea(rows, 0, 0);
    const char *password = registration->password;
    bool matches = false;
    password_matches(&matches, password != NULL ? pg_get_text(rows, 0, 1) : NULL,
                     password != NULL ? password : "", &registration->cost);
    registration_digest(digest, context, arena);
    return matches && kept.len == sizeof digest &&
           sodium_memcmp(kept.data, digest, sizeof digest) == 0;
}

enum nova_status registration_look_up(struct identity_facts *facts,
                                      struct registration *registration,
                                      const struct service_command_context *context, struct pg *pg,
                                      struct arena *arena, struct error *err)
{
    const struct rejection *taken = &runtime_rejections[RUNTIME_COMMAND_ID_TAKEN];
    struct pg_result *rows = NULL;
    struct account holder = {0};
    const struct pg_param params[] = {pg_text(context->call->caller.actor),
                                      pg_uuid(&context->call->request->headers.command_id)};
    enum nova_status status = account_find(&holder, pg, &registration->email, arena, err);
    if (status == NOVA_OK)
        status = pg_query(&rows, pg,
                          "SELECT command_digest, password_hash, user_id, created_at, position"
                          " FROM identity.refused_registration"
                          " WHERE actor = $1 AND command_id = $2",
                          params, 2, err);
    facts->registration.holder_id = holder.user_id;
    facts->registration.repeated = pg_rows(rows) > 0;
    if (facts->registration.repeated) {
        facts->registration.user_id = pg_get_uuid(rows, 0, 2);
        facts->registration.created_at_us = pg_get_time_us(rows, 0, 3);
        registration->position = pg_get_int8(rows, 0, 4);
        if (!registration_is_same(registration, context, rows, arena))
            status = error_set(err, taken->status, "%s: %s", taken->name, taken->text);
    }
    pg_result_destroy(&rows);
    return status;
}

// ---- the first time -----------------------------------------------------------------------------

static enum nova_status registration_keep(struct registration *registration,
                                          const struct service_command_context *context,
                                          const struct decision *decision, int64_t notice_us,
                                          struct pg *pg, struct error *err)
{
    uint8_t digest[COMMAND_DIGEST_BYTES];
    struct pg_result *rows = NULL;
    registration_digest(digest, context, decision->arena);
    const struct pg_param params[] = {
        pg_text(context->call->caller.actor),
        pg_uuid(&context->call->request->headers.command_id),
        pg_bytea((struct bytes){digest, sizeof digest}),
        pg_text(registration->hash),
        pg_uuid(&decision->aggregates[0].id),
        pg_time_us(decision->now_us),
        pg_int8(notice_us),
        pg_int8(MAIL_PRUNE_MAX),
    };
    enum nova_status status = pg_query(
        &rows, pg,
        "WITH old AS (DELETE FROM identity.refused_registration WHERE (actor, command_id) IN"
        "  (SELECT actor, command_id FROM identity.refused_registration"
        "   WHERE expires_at <= now() ORDER BY expires_at LIMIT $8 FOR UPDATE SKIP LOCKED))"
        " INSERT INTO identity.refused_registration (actor, command_id, command_digest,"
        "  password_hash, user_id, created_at, position, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6,"
        "  COALESCE((SELECT max(position) FROM identity.outbox), 1),"
        "  now() + $7 * interval '1 microsecond') RETURNING position",
        params, 8, err);
    if (pg_rows(rows) > 0)
        registration->position = pg_get_int8(rows, 0, 0);
    pg_result_destroy(&rows);
    return status;
}

// One e-mail to an address in notice_us, however often somebody tries: its id is made of both.
static struct uuid registration_notice_id(const struct account_digest *email, int64_t now_us,
                                          int64_t notice_us)
{
    static const struct uuid space = {{'n', 'o', 'v', 'a', ' ', 'n', 'o', 't', 'i', 'c', 'e'}};
    uint8_t made_of[sizeof email->bytes + 8];
    int64_t interval = now_us / notice_us;
    memcpy(made_of, email->bytes, sizeof email->bytes);
    for (int i = 0; i < 8; i++)
        made_of[sizeof email->bytes + (size_t)i] = (uint8_t)((uint64_t)interval >> (56 - 8 * i));
    return uuid_v5(&space, made_of, sizeof made_of);
}

enum nova_status registration_refuse(struct registration *registration,
                                     const struct service_command_context *context,
                                     const struct decision *decision, struct pg *pg,
                                     struct error *err)
{
    const struct settings *settings = service_settings(context->worker->service);
    const struct identity_facts *facts = decision->facts;
    int64_t notice_us =
        settings_int(settings, SETTING_IDENTITY_REGISTRATION_NOTICE_S) * INT64_C(1000000);
    struct mail_token notice = {
        .purpose = MAIL_REGISTRATION_ATTEMPT,
        .id = registration_notice_id(&registration->email, decision->now_us, notice_us),
        .user_id = facts->registration.holder_id,
        .created_at_us = decision->now_us,
    };
    enum nova_status status =
        registration_keep(registration, context, decision, notice_us, pg, err);
    return status == NOVA_OK
               ? mail_notify(pg, &notice, &registration->email, decision->now_us + notice_us, err)
               : status;
}
