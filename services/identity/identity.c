// identity.c - the identity service: what its commands need beyond the aggregates, and its queries.
#include "aggregates/identity/identity.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "nova/identity/v2/identity.pb-c.h"
#include "services/identity/account.h"
#include "services/identity/attempts.h"
#include "services/identity/audit.h"
#include "services/identity/leaked.h"
#include "services/identity/password.h"
#include "services/identity/registration.h"
#include "services/identity/reset.h"
#include "services/identity/rotation.h"
#include "services/identity/session_list.h"
#include "services/identity/sessions.h"
#include "services/identity/state.h"
#include "services/identity/tokens.h"
#include "services/identity/users.h"
#include "services/service.h"

// ---- before the transaction: passwords, which take long -----------------------------------------

struct prepared {
    bool password_length_ok, password_leaked;
    const char *password; // normalised
    // Of Register and of who sets a new one; of Login at the cost of today, if that is new.
    char password_hash[PASSWORD_HASH_BYTES];
    struct account account; // whose password was checked, by Login or ChangePassword
    bool password_matches;
    struct attempt attempt; // of Login; of ChangePassword, by who may
    struct registration registration;
    struct signing_new new_key; // of RotateSigningKey
};

static struct password_cost identity_cost(const struct service *service)
{
    const struct settings *settings = service_settings(service);
    return (struct password_cost){settings_int(settings, SETTING_IDENTITY_ARGON2_MEMORY_KIB),
                                  settings_int(settings, SETTING_IDENTITY_ARGON2_PASSES)};
}

static bool identity_is(const struct service_call *call, const char *method)
{
    return strcmp(call->request->method->name, method) == 0;
}

static enum nova_status identity_hash(struct prepared *out, struct service_worker *worker,
                                      struct service_call *call, const char *password,
                                      struct error *err)
{
    struct password_cost cost = identity_cost(worker->service);
    char *normalised;
    out->password_length_ok = password_normalise(&normalised, call->request->arena, password);
    out->password = normalised;
    const struct identity_state *state = service_state(worker->service);
    out->password_leaked = out->password_length_ok && leaked_has(state->leaked, normalised);
    return out->password_length_ok && !out->password_leaked
               ? password_hash(out->password_hash, normalised, &cost, err)
               : NOVA_OK;
}

static void identity_login_digest(struct account_digest *out, const struct service *service,
                                  const char *login)
{
    const char *kind = strchr(login, '@') != NULL ? "email" : "handle";
    account_digest(out, service_master_key(service), kind, login);
}

static enum nova_status identity_check_password(struct prepared *out, struct service_worker *worker,
                                                struct service_call *call, struct error *err)
{
    const Nova__Identity__V2__LoginRequest *request = (const void *)call->request->message;
    struct password_cost cost = identity_cost(worker->service);
    struct account_digest digest;
    char *normalised;
    bool possible = password_normalise(&normalised, call->request->arena, request->password);
    identity_login_digest(&digest, worker->service, request->login);
    enum nova_status status =
        account_find(&out->account, worker->pg, &digest, call->request->arena, err);
    if (status == NOVA_OK) {
        attempt_make(&out->attempt, worker->service, request, &digest, &out->account.user_id);
        status = attempts_check(worker->pg, &out->attempt, err);
    }
    if (status != NOVA_OK)
        return status;
    // The same work whether the user exists or not, and whether the length can be right or not.
    const char *hash = possible ? out->account.password_hash : NULL;
    out->password = possible ? normalised : "";
    password_matches(&out->password_matches, hash, out->password, &cost);
    // A failure is a command of its own: an id that is known has no second guess for free, and what
    // was stored under one does not tell whose login it was.
    if (!out->password_matches)
        call->request->headers.command_id = uuid_v7();
    // Only who knows the password hears that this took longer.
    return out->password_matches && password_needs_rehash(hash, &cost)
               ? password_hash(out->password_hash, normalised, &cost, err)
               : NOVA_OK;
}

// ChangePassword: whose old password was checked is in out->account.
static enum nova_status identity_check_old(struct prepared *out, struct service_worker *worker,
                                           struct service_call *call, struct error *err)
{
    const Nova__Identity__V2__ChangePasswordRequest *request = (const void *)call->request->message;
    struct password_cost cost = identity_cost(worker->service);
    struct uuid user_id = id_parse(request->user_id);
    char *normalised;
    bool possible = password_normalise(&normalised, call->request->arena, request->old_password);
    attempt_make_own(&out->attempt, worker->service, &user_id);
    enum nova_status status = caller_is(&call->caller, &user_id)
                                  ? attempts_check(worker->pg, &out->attempt, err)
                                  : NOVA_OK; // whoever else it is, nobody waits for them
    if (status != NOVA_OK)
        return status;
    status = account_password(&out->account.password_hash, worker->pg, &user_id,
                              call->request->arena, err);
    if (status != NOVA_OK)
        return status;
    password_matches(&out->password_matches, possible ? out->account.password_hash : NULL,
                     possible ? normalised : "", &cost);
    return identity_hash(out, worker, call, request->new_password, err);
}

static enum nova_status identity_prepare_registration(struct prepared *out,
                                                      struct service_worker *worker,
                                                      struct service_call *call, struct error *err)
{
    const Nova__Identity__V2__RegisterRequest *request = (const void *)call->request->message;
    if (uuid_is_nil(&call->request->headers.command_id)) // what is kept of it has an id
        call->request->headers.command_id = uuid_v7();
    enum nova_status status = identity_hash(out, worker, call, request->password, err);
    account_digest(&out->registration.email, service_master_key(worker->service), "email",
                   request->email);
    out->registration.password = out->password_length_ok ? out->password : NULL;
    out->registration.hash = out->password_hash;
    out->registration.cost = identity_cost(worker->service);
    return status;
}

static enum nova_status identity_prepare(struct service_worker *worker, struct service_call *call,
                                         void **prepared, struct error *err)
{
    struct prepared *out = arena_alloc(call->request->arena, sizeof *out);
    *prepared = out;
    if (identity_is(call, "Register"))
        return identity_prepare_registration(out, worker, call, err);
    if (identity_is(call, "ResetPassword")) {
        const Nova__Identity__V2__ResetPasswordRequest *r = (const void *)call->request->message;
        return identity_hash(out, worker, call, r->new_password, err);
    }
    if (identity_is(call, "ChangePassword"))
        return identity_check_old(out, worker, call, err);
    if (identity_is(call, "Login"))
        return identity_check_password(out, worker, call, err);
    if (identity_is(call, "RotateSigningKey"))
        signing_make(&out->new_key, service_master_key(worker->service));
    return NOVA_OK;
}

// ---- inside it: facts ---------------------------------------------------------------------------

// What Register, ImportUser and UpdateUser have in common.
struct names {
    struct uuid user_id;
    const char *email, *handle; // "": not given
    const char *password_hash;  // of ImportUser
};

static struct names identity_names(const struct service_call *call)
{
    if (identity_is(call, "Register")) {
        const Nova__Identity__V2__RegisterRequest *r = (const void *)call->request->message;
        return (struct names){id_parse(r->user_id), r->email, r->handle, ""};
    }
    if (identity_is(call, "ImportUser")) {
        const Nova__Identity__V2__ImportUserRequest *r = (const void *)call->request->message;
        return (struct names){id_parse(r->user_id), r->email, r->handle, r->password_hash};
    }
    assert(identity_is(call, "UpdateUser"));
    const Nova__Identity__V2__UpdateUserRequest *r = (const void *)call->request->message;
    return (struct names){id_parse(r->user_id), r->email, r->handle, ""};
}

static void identity_digests(struct account_digest *email, struct account_digest *handle,
                             const struct service *service, const struct names *names)
{
    account_digest(email, service_master_key(service), "email", names->email);
    account_digest(handle, service_master_key(service), "handle", names->handle);
}

static int64_t identity_us(const struct service_command_context *context, enum setting setting_s)
{
    return settings_int(service_settings(context->worker->service), setting_s) * INT64_C(1000000);
}

static enum nova_status identity_look_up_names(struct identity_facts *facts,
                                               const struct service_command_context *context,
                                               struct pg *pg, struct arena *arena,
                                               struct error *err)
{
    (void)arena;
    const struct prepared *prepared = context->prepared;
    struct names names = identity_names(context->call);
    struct account_digest email, handle;
    identity_digests(&email, &handle, context->worker->service, &names);
    facts->password_length_ok = prepared->password_length_ok;
    facts->password_leaked = prepared->password_leaked;
    facts->password_hash_ok =
        names.password_hash[0] == '\0' || password_hash_is_valid(names.password_hash);
    return account_taken(&facts->email_taken, &facts->handle_taken, pg,
                         names.email[0] != '\0' ? &email : NULL,
                         names.handle[0] != '\0' ? &handle : NULL, &names.user_id, err);
}

// Operators and importers hear what is taken: it is theirs to know.
static enum nova_status identity_look_up_registration(struct identity_facts *facts,
                                                      const struct service_command_context *context,
                                                      struct pg *pg, struct arena *arena,
                                                      struct error *err)
{
    struct prepared *prepared = context->prepared;
    enum nova_status status = identity_look_up_names(facts, context, pg, arena, err);
    return status != NOVA_OK || caller_is_privileged(&context->call->caller)
               ? status
               : registration_look_up(facts, &prepared->registration, context, pg, arena, err);
}

static enum nova_status identity_look_up_update(struct identity_facts *facts,
                                                const struct service_command_context *context,
                                                struct pg *pg, struct arena *arena,
                                                struct error *err)
{
    struct names names = identity_names(context->call);
    struct account_digest email, handle;
    bool own = false;
    identity_digests(&email, &handle, context->worker->service, &names);
    facts->handle_change_wait_us =
        86400 * identity_us(context, SETTING_IDENTITY_HANDLE_CHANGE_DAYS);
    enum nova_status status = account_has_handle(&own, pg, &names.user_id, &handle, err);
    facts->handle_is_new = !own;
    return status == NOVA_OK ? identity_look_up_names(facts, context, pg, arena, err) : status;
}

// Whether the password is right for the account as it is now: it was checked before the
// transaction, and once more here if the hash changed since (a new password, or another login's new
// hash).
static bool identity_still_matches(const struct service_command_context *context,
                                   const struct account *now)
{
    const struct prepared *prepared = context->prepared;
    const struct password_cost cost = identity_cost(context->worker->service);
    const struct account *then = &prepared->account;
    bool matches = prepared->password_matches;
    if (!now->found || !then->found || now->password_hash == NULL || then->password_hash == NULL ||
        !uuid_equal(&now->user_id, &then->user_id))
        return false;
    if (strcmp(now->password_hash, then->password_hash) != 0)
        password_matches(&matches, now->password_hash, prepared->password, &cost);
    return matches;
}

static enum nova_status identity_look_up_login(struct identity_facts *facts,
                                               const struct service_command_context *context,
                                               struct pg *pg, struct arena *arena,
                                               struct error *err)
{
    const Nova__Identity__V2__LoginRequest *request = (const void *)context->call->request->message;
    struct account_digest digest;
    struct account now;
    const struct prepared *prepared = context->prepared;
    facts->attempt.failed = !prepared->password_matches;
    facts->attempt.from_stranger = prepared->attempt.from_stranger;
    if (facts->attempt.failed) { // noted and refused, with the same work for who is not there
        facts->login_user_id = prepared->account.user_id;
        return attempts_note(&facts->attempt.locks, pg, &prepared->attempt, err);
    }
    identity_login_digest(&digest, context->worker->service, request->login);
    enum nova_status status = account_hold(&now, pg, &digest, arena, err);
    if (status != NOVA_OK)
        return status;
    facts->password_matches = identity_still_matches(context, &now);
    facts->login_user_id = now.user_id;
    return !now.found ? NOVA_OK
                      : sessions_too_many(&facts->session_ids, &facts->session_count, pg,
                                          &now.user_id, arena, err);
}

static enum nova_status identity_look_up_deletion(struct identity_facts *facts,
                                                  const struct service_command_context *context,
                                                  struct pg *pg, struct arena *arena,
                                                  struct error *err)
{
    const Nova__Identity__V2__DeleteUserRequest *request =
        (const void *)context->call->request->message;
    struct uuid user_id = id_parse(request->user_id);
    return sessions_of_user(&facts->session_ids, &facts->session_count, pg, &user_id, arena, err);
}

static enum nova_status identity_look_up_all(struct identity_facts *facts,
                                             const struct service_command_context *context,
                                             struct pg *pg, struct arena *arena, struct error *err)
{
    const Nova__Identity__V2__RevokeAllSessionsRequest *request =
        (const void *)context->call->request->message;
    struct uuid user_id = id_parse(request->user_id);
    return sessions_of_user(&facts->session_ids, &facts->session_count, pg, &user_id, arena, err);
}

static enum nova_status identity_look_up_reset(struct identity_facts *facts,
                                               const struct service_command_context *context,
                                               struct pg *pg, struct arena *arena,
                                               struct error *err)
{
    const struct prepared *prepared = context->prepared;
    facts->password_length_ok = prepared->password_length_ok;
    facts->password_leaked = prepared->password_leaked;
    return reset_look_up(facts, context, pg, arena, err);
}

// The password as it is now must be the one that was checked; behind the lock on the account.
static enum nova_status identity_look_up_change(struct identity_facts *facts,
                                                const struct service_command_context *context,
                                                struct pg *pg, struct arena *arena,
                                                struct error *err)
{
    const Nova__Identity__V2__ChangePasswordRequest *request =
        (const void *)context->call->request->message;
    const struct prepared *prepared = context->prepared;
    const char *checked = prepared->account.password_hash, *now = NULL;
    struct uuid user_id = id_parse(request->user_id);
    facts->password_length_ok = prepared->password_length_ok;
    facts->password_leaked = prepared->password_leaked;
    enum nova_status status =
        sessions_of_user(&facts->session_ids, &facts->session_count, pg, &user_id, arena, err);
    if (status == NOVA_OK)
        status = account_password(&now, pg, &user_id, arena, err);
    facts->password_matches =
        prepared->password_matches && checked != NULL && now != NULL && strcmp(checked, now) == 0;
    facts->attempt.failed = !prepared->password_matches;
    if (status == NOVA_OK && facts->attempt.failed && caller_is(&context->call->caller, &user_id))
        status = attempts_note(&facts->attempt.locks, pg, &prepared->attempt, err);
    return status;
}

static enum nova_status identity_look_up_rotation(struct identity_facts *facts,
                                                  const struct service_command_context *context,
                                                  struct pg *pg, struct arena *arena,
                                                  struct error *err)
{
    const struct prepared *prepared = context->prepared;
    return rotation_look_up(facts, context->worker->service, &prepared->new_key, pg, arena, err);
}

static const struct {
    const char *method;
    enum nova_status (*look_up)(struct identity_facts *facts,
                                const struct service_command_context *context, struct pg *pg,
                                struct arena *arena, struct error *err);
} identity_look_ups[] = {
    {"Register", identity_look_up_registration},
    {"ImportUser", identity_look_up_names},
    {"UpdateUser", identity_look_up_update},
    {"DeleteUser", identity_look_up_deletion},
    {"Login", identity_look_up_login},
    {"RefreshToken", tokens_look_up},
    {"Logout", tokens_look_up},
    {"RevokeAllSessions", identity_look_up_all},
    {"RequestPasswordReset", reset_look_up_request},
    {"ResetPassword", identity_look_up_reset},
    {"ChangePassword", identity_look_up_change},
    {"RequestEmailVerification", reset_look_up_verification},
    {"VerifyEmail", reset_look_up_verify},
    {"RotateSigningKey", identity_look_up_rotation},
};

static enum nova_status identity_look_up(void *context, const struct command *command,
                                         struct pg *pg, struct arena *arena, const void **out,
                                         struct error *err)
{
    (void)command;
    const struct service_command_context *c = context;
    struct identity_facts *facts = arena_alloc(arena, sizeof *facts);
    *out = facts;
    facts->token_lifetime_us = identity_us(c, SETTING_IDENTITY_TOKEN_LIFETIME_S);
    facts->refresh_lifetime_us = identity_us(c, SETTING_IDENTITY_REFRESH_LIFETIME_S);
    facts->session_lifetime_us = identity_us(c, SETTING_IDENTITY_SESSION_LIFETIME_S);
    for (size_t i = 0; i < sizeof identity_look_ups / sizeof *identity_look_ups; i++)
        if (identity_is(c->call, identity_look_ups[i].method))
            return identity_look_ups[i].look_up(facts, c, pg, arena, err);
    return NOVA_OK;
}

// A command id is no secret, everybody who reads the log knows it: only who knows the password gets
// the session of a repeated Login, and hears from a repeated Register whose address that is.
static enum nova_status identity_secret_matches(void *context, bool *out,
                                                const struct recorded *first, struct pg *pg,
                                                struct arena *arena, struct error *err)
{
    const struct service_command_context *c = context;
    const struct prepared *prepared = c->prepared;
    *out = true;
    if (identity_is(c->call, "Login")) {
        const Nova__Identity__V2__SessionStarted *started = (const void *)first->payload;
        struct uuid user_id = {0};
        if (strcmp(first->type->type, "session.started") == 0)
            user_id = id_parse(started->user_id);
        *out = prepared->password_matches && uuid_equal(&user_id, &prepared->account.user_id);
        return NOVA_OK;
    }
    // An importer's or operator's ids are its own, and a file is imported again after years.
    bool has_password = identity_is(c->call, "Register") || identity_is(c->call, "ResetPassword") ||
                        identity_is(c->call, "ChangePassword");
    if (!has_password || caller_is_privileged(&c->call->caller))
        return NOVA_OK;
    struct password_cost cost = identity_cost(c->worker->service);
    const char *hash = NULL;
    enum nova_status status = account_password(&hash, pg, &first->aggregate_id, arena, err);
    if (status != NOVA_OK)
        return status;
    password_matches(out, prepared->password_length_ok ? hash : NULL,
                     prepared->password_length_ok ? prepared->password : "", &cost);
    return NOVA_OK;
}

// ---- inside it: inline tables -------------------------------------------------------------------

static enum nova_status identity_write_names(const struct service_command_context *context,
                                             const struct decision *decision, struct pg *pg,
                                             struct error *err)
{
    const struct prepared *prepared = context->prepared;
    struct names names = identity_names(context->call);
    struct account_digest email, handle;
    const struct uuid *user_id = &decision->events[0].aggregate->id;
    identity_digests(&email, &handle, context->worker->service, &names);
    if (identity_is(context->call, "UpdateUser"))
        return account_rename(pg, user_id, names.email[0] != '\0' ? &email : NULL,
                              names.handle[0] != '\0' ? &handle : NULL, err);
    const char *hash =
        prepared->password_hash[0] != '\0' ? prepared->password_hash : names.password_hash;
    return account_add(pg, user_id, &email, &handle, hash, err);
}

// Of a login whose password was right: what failed before is forgotten, and its hash is of the cost
// of today, if that is another.
static enum nova_status identity_write_session(const struct service_command_context *context,
                                               const struct decision *decision, struct pg *pg,
                                               struct error *err)
{
    const struct prepared *prepared = context->prepared;
    enum nova_status status = tokens_write(context->worker->service, decision, pg, err);
    if (status != NOVA_OK || !identity_is(context->call, "Login"))
        return status;
    status = attempts_succeed(pg, &prepared->attempt, &prepared->account.user_id, err);
    if (status != NOVA_OK || prepared->password_hash[0] == '\0')
        return status;
    return account_rehash(pg, &prepared->account.user_id, prepared->account.password_hash,
                          prepared->password_hash, err);
}

static enum nova_status identity_write_password(const struct service_command_context *context,
                                                const struct decision *decision, struct pg *pg,
                                                struct error *err)
{
    const struct prepared *prepared = context->prepared;
    enum nova_status status = reset_write(decision, pg, prepared->password_hash, err);
    if (status == NOVA_OK)
        status = attempts_forget(pg, &decision->events[0].aggregate->id, err);
    if (status == NOVA_OK && identity_is(context->call, "ChangePassword"))
        status = attempts_succeed(pg, &prepared->attempt, &decision->events[0].aggregate->id, err);
    return status == NOVA_OK ? tokens_write(context->worker->service, decision, pg, err) : status;
}

static enum nova_status identity_write_deletion(const struct service_command_context *context,
                                                const struct uuid *user_id, struct pg *pg,
                                                struct error *err)
{
    const struct settings *settings = service_settings(context->worker->service);
    enum nova_status status = attempts_forget(pg, user_id, err);
    if (status == NOVA_OK)
        status = account_delete(pg, user_id,
                                settings_int(settings, SETTING_IDENTITY_NAME_REUSE_DAYS), err);
    if (status == NOVA_OK)
        status = mail_forget(pg, user_id, err);
    if (status == NOVA_OK)
        status = audit_forget(pg, user_id, err);
    return status == NOVA_OK ? runtime_person_erase(context->worker->runtime, user_id, err)
                             : status;
}

static enum nova_status identity_write_tables(const struct service_command_context *c,
                                              const struct decision *decision, struct pg *pg,
                                              struct error *err)
{
    const struct pending_event *first = &decision->events[0];
    struct prepared *prepared = c->prepared;
    if (decision->writes_inline &&
        (identity_is(c->call, "Login") || identity_is(c->call, "ChangePassword")))
        return NOVA_OK; // what failed was noted before it was decided on
    if (decision->writes_inline && identity_is(c->call, "Register"))
        return registration_refuse(&prepared->registration, c, decision, pg, err);
    if (decision->writes_inline)
        return reset_write_request(c, decision, pg, err);
    if (strcmp(first->type->type, "user.password_changed") == 0)
        return identity_write_password(c, decision, pg, err);
    if (strcmp(first->type->type, "user.email_verified") == 0)
        return reset_write_verified(decision, pg, err);
    if (strcmp(first->type->aggregate_type, "session") == 0)
        return identity_write_session(c, decision, pg, err);
    if (strcmp(first->type->aggregate_type, "keyring") == 0)
        return rotation_write(c->worker->service, decision, &prepared->new_key, pg, err);
    return identity_is(c->call, "DeleteUser")
               ? identity_write_deletion(c, &first->aggregate->id, pg, err)
               : identity_write_names(c, decision, pg, err);
}

static enum nova_status identity_write_inline(void *context, const struct command *command,
                                              const struct decision *decision, struct pg *pg,
                                              struct error *err)
{
    (void)command;
    enum nova_status status = identity_write_tables(context, decision, pg, err);
    return status == NOVA_OK ? audit_write(context, decision, pg, err) : status;
}

// ---- after it -----------------------------------------------------------------------------------

static enum nova_status identity_finish(struct service_worker *worker, struct service_call *call,
                                        struct outcome *outcome, struct error *err)
{
    const struct prepared *prepared = call->prepared;
    enum nova_status status = tokens_finish(worker, call, outcome, err);
    if (identity_is(call, "Register") && outcome->position == 0) { // refused in silence
        outcome->position = prepared->registration.position;
        service_ring(worker->service);
    }
    if (status == NOVA_OK && identity_is(call, "Login")) {
        Nova__Identity__V2__LoginReply *reply = (void *)outcome->reply;
        reply->device_token =
            attempt_device_token(&prepared->attempt, worker->service, reply, call->request->arena);
    }
    return status;
}

// ---- queries ------------------------------------------------------------------------------------

static const struct service_query identity_queries[] = {
    {.method = "VerifyToken", .answer = tokens_verify, .open_to_all = true, .urgent = true},
    {.method = "GetJwks", .answer = tokens_get_jwks, .open_to_all = true, .urgent = true},
    {.method = "ListSessions", .answer = identity_list_sessions},
    {.method = "GetUser", .answer = identity_get_user},
    {.method = "GetUsers", .answer = identity_get_users},
    {.method = "GetPersonKeys", .answer = service_get_person_keys, .urgent = true},
    {.method = "GetSecurityAudit", .answer = identity_get_security_audit},
    {.method = "ListSigningKeys", .answer = rotation_list},
};

// ---- the service --------------------------------------------------------------------------------

static void *identity_state_create(struct service *service)
{
    (void)service;
    struct identity_state *state = calloc(1, sizeof *state);
    if (state == NULL)
        abort();
    state->tokens = tokens_create();
    return state;
}

static void identity_state_destroy(void *state)
{
    struct identity_state *identity = state;
    tokens_destroy(&identity->tokens);
    leaked_destroy(&identity->leaked);
    free(identity);
}

static enum nova_status identity_start(struct service *service, struct error *err)
{
    struct identity_state *state = service_state(service);
    const char *file =
        settings_text(service_settings(service), SETTING_IDENTITY_LEAKED_PASSWORDS_FILE);
    enum nova_status status = *file == '\0'
                                  ? leaked_borrow(&state->leaked, "the filter that ships",
                                                  leaked_shipped, leaked_shipped_bytes, err)
                                  : leaked_open(&state->leaked, file, err);
    return status == NOVA_OK ? tokens_start(state->tokens, service, err) : status;
}

const struct service_type service_identity = {
    .name = "identity",
    .rules = identity_rules,
    .rule_count = IDENTITY_RULES_COUNT,
    .heavy = {"Register", "Login", "ResetPassword", "ChangePassword"},
    .heavy_at_once_max = PASSWORD_AT_ONCE,
    .heavy_waiting_max = PASSWORD_WAITING_MAX,
    .queries = identity_queries,
    .query_count = sizeof identity_queries / sizeof *identity_queries,
    .prepare = identity_prepare,
    .look_up = identity_look_up,
    .write_inline = identity_write_inline,
    .secret_matches = identity_secret_matches,
    .finish = identity_finish,
    .user_keys = tokens_user_keys,
    .start = identity_start,
    .state_create = identity_state_create,
    .state_destroy = identity_state_destroy,
};
