// rederive.c - see rederive.h. Dispatch by event type; events of other types have no inline rows.
#include "services/identity/rederive.h"

#include <string.h>

#include "nova/identity/v2/identity.pb-c.h"
#include "proto/contract.h"
#include "proto/sealed.h"
#include "services/identity/account.h"
#include "services/identity/audit.h"
#include "services/identity/sessions.h"

struct rederiving {
    struct rederive *rederive;
    struct pg *pg;
    const struct event *event;
    const struct contract_event *type;
    const ProtobufCMessage *payload;
    struct arena *arena;
    struct error *err;
};

static void note(struct rederived_list *list, const struct uuid *id)
{
    if (list->count < REDERIVE_NAMES_MAX)
        list->named[list->count] = *id;
    list->count++;
}

static enum nova_status run(struct rederiving *r, const char *sql, const struct pg_param *params,
                            size_t count)
{
    return pg_query(NULL, r->pg, sql, params, count, r->err);
}

// The sealed part; *out NULL when its key is not there (any more).
static enum nova_status open_personal(const ProtobufCMessage **out, struct rederiving *r)
{
    struct pg_result *rows = NULL;
    struct seal_key key;
    struct uuid key_id;
    struct error closed;
    ProtobufCMessage *personal = NULL;
    const Nova__Common__V1__Sealed *sealed = contract_sealed_of(r->type, r->payload);
    *out = NULL;
    if (sealed == NULL || sealed->key_id.len != sizeof key_id.bytes)
        return NOVA_OK;
    memcpy(key_id.bytes, sealed->key_id.data, sizeof key_id.bytes);
    const struct pg_param param = pg_uuid(&key_id);
    enum nova_status status = pg_query(&rows, r->pg,
                                       "SELECT wrapped FROM identity.person_key WHERE key_id = $1"
                                       " AND wrapped IS NOT NULL",
                                       &param, 1, r->err);
    if (pg_rows(rows) == 1 && seal_key_unwrap(&key, r->rederive->master, pg_get_bytea(rows, 0, 0),
                                              &key_id, &closed) == NOVA_OK) {
        if (sealed_open(&personal, r->arena, r->type, &r->event->event_id, sealed, &key, &closed) ==
            NOVA_OK)
            *out = personal;
        seal_key_forget(&key);
    }
    pg_result_destroy(&rows);
    return status;
}

static enum nova_status user_created(struct rederiving *r)
{
    const Nova__Identity__V2__UserCreatedPersonal *personal;
    struct account_digest email, handle;
    enum nova_status status = open_personal((const ProtobufCMessage **)&personal, r);
    if (status != NOVA_OK)
        return status;
    if (personal == NULL) {
        note(&r->rederive->without_account, &r->event->aggregate_id);
        return NOVA_OK;
    }
    account_digest(&email, r->rederive->master, "email", personal->email);
    account_digest(&handle, r->rederive->master, "handle", personal->handle);
    note(&r->rederive->without_password, &r->event->aggregate_id);
    return account_add(r->pg, &r->event->aggregate_id, &email, &handle, NULL, r->err);
}

static enum nova_status user_updated(struct rederiving *r)
{
    const Nova__Identity__V2__UserUpdatedPersonal *personal;
    struct account_digest email, handle;
    enum nova_status status = open_personal((const ProtobufCMessage **)&personal, r);
    if (status != NOVA_OK)
        return status;
    if (personal == NULL) {
        note(&r->rederive->renamed_unknown, &r->event->aggregate_id);
        return NOVA_OK;
    }
    account_digest(&email, r->rederive->master, "email", personal->email);
    account_digest(&handle, r->rederive->master, "handle", personal->handle);
    r->rederive->renamed++;
    return account_rename(r->pg, &r->event->aggregate_id, personal->email[0] ? &email : NULL,
                          personal->handle[0] ? &handle : NULL, r->err);
}

// The log holds no hash: neither the old password nor one that is not known lets anybody in.
static enum nova_status user_password_changed(struct rederiving *r)
{
    note(&r->rederive->without_password, &r->event->aggregate_id);
    return account_set_password(r->pg, &r->event->aggregate_id, NULL, r->err);
}

// Who was deleted is forgotten again: the copy brought the key back.
static enum nova_status user_deleted(struct rederiving *r)
{
    const struct pg_param user = pg_uuid(&r->event->aggregate_id);
    enum nova_status status =
        account_delete(r->pg, &r->event->aggregate_id, r->rederive->reuse_days, r->err);
    r->rederive->deleted++;
    const struct pg_param params[] = {user, pg_time_us(r->event->occurred_at_us),
                                      pg_int8(r->rederive->reuse_days)};
    if (status == NOVA_OK)
        status = audit_forget(r->pg, &r->event->aggregate_id, r->err);
    if (status == NOVA_OK) // as long as it would have stayed taken
        status = run(r,
                     "UPDATE identity.account SET free_after = $2 + $3 * interval '1 day'"
                     " WHERE user_id = $1",
                     params, 3);
    return status == NOVA_OK
               ? run(r,
                     "UPDATE identity.person_key SET wrapped = NULL, erased_at = clock_timestamp()"
                     " WHERE person_id = $1 AND wrapped IS NOT NULL",
                     &user, 1)
               : status;
}

static enum nova_status session_started(struct rederiving *r)
{
    const Nova__Identity__V2__SessionStarted *started = (const void *)r->payload;
    struct uuid user_id;
    if (!uuid_parse(&user_id, started->user_id))
        return NOVA_OK;
    r->rederive->sessions++;
    enum nova_status status =
        session_add(r->pg, &r->event->aggregate_id, &user_id, started->expires_at_us, r->err);
    return status != NOVA_OK || started->refresh_expires_at_us == 0
               ? status
               : session_put_token(r->pg, &r->event->aggregate_id, 0, NULL,
                                   r->event->occurred_at_us, started->refresh_expires_at_us,
                                   r->err);
}

// The log holds no hash: what the token is, the key that derives it tells.
static enum nova_status session_refreshed(struct rederiving *r)
{
    const Nova__Identity__V2__SessionRefreshed *refreshed = (const void *)r->payload;
    return session_put_token(r->pg, &r->event->aggregate_id, refreshed->generation, NULL,
                             r->event->occurred_at_us, refreshed->refresh_expires_at_us, r->err);
}

static enum nova_status session_revoked(struct rederiving *r)
{
    return session_end(r->pg, &r->event->aggregate_id, r->event->occurred_at_us, r->err);
}

static const struct {
    const char *type;
    enum nova_status (*apply)(struct rederiving *r);
} handlers[] = {
    {"user.created", user_created},
    {"user.updated", user_updated},
    {"user.password_changed", user_password_changed},
    {"user.deleted", user_deleted},
    {"session.started", session_started},
    {"session.refreshed", session_refreshed},
    {"session.revoked", session_revoked},
};

// What happened to an account is known from then on, as far as it is in the log. The person's key
// goes with a deletion, so this comes first.
static enum nova_status rederive_audit(struct rederiving *r)
{
    const ProtobufCMessage *personal = NULL;
    enum nova_status status = r->type->personal == NULL ? NOVA_OK : open_personal(&personal, r);
    return status == NOVA_OK ? audit_rederive(r->pg, r->rederive->master, r->event, r->type,
                                              r->payload, personal, r->arena, r->err)
                             : status;
}

enum nova_status rederive_event(struct rederive *rederive, struct pg *pg, const struct event *event,
                                struct arena *arena, struct error *err)
{
    struct rederiving r = {
        .rederive = rederive, .pg = pg, .event = event, .arena = arena, .err = err};
    r.type = contract_event_find("identity", event->type);
    r.payload = r.type == NULL ? NULL : message_unpack(arena, r.type->payload, event->payload);
    enum nova_status status = r.payload == NULL ? NOVA_OK : rederive_audit(&r);
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers && r.payload != NULL; i++)
        if (status == NOVA_OK && strcmp(handlers[i].type, event->type) == 0)
            status = handlers[i].apply(&r);
    return status;
}
