// tokens.c - see tokens.h.
#include "services/identity/tokens.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/access.h"
#include "base/base64url.h"
#include "nova/identity/v2/identity.pb-c.h"
#include "services/identity/sessions.h"
#include "services/identity/signing.h"
#include "services/identity/state.h"

struct tokens {
    struct signing *signing;
    struct seal_key refresh_key;
};

struct tokens *tokens_create(void)
{
    struct tokens *tokens = calloc(1, sizeof *tokens);
    if (tokens == NULL)
        abort();
    tokens->signing = signing_create();
    return tokens;
}

void tokens_destroy(struct tokens **tokens)
{
    if (*tokens == NULL)
        return;
    signing_destroy(&(*tokens)->signing);
    seal_key_forget(&(*tokens)->refresh_key);
    free(*tokens);
    *tokens = NULL;
}

enum nova_status tokens_start(struct tokens *tokens, struct service *service, struct error *err)
{
    struct pg *pg = NULL;
    enum nova_status status =
        access_refresh_key(&tokens->refresh_key, service_settings(service), err);
    if (status == NOVA_OK)
        status = service_connect_postgres(&pg, service, err);
    int64_t lifetime_s = settings_int(service_settings(service), SETTING_IDENTITY_TOKEN_LIFETIME_S);
    return status == NOVA_OK
               ? signing_start(tokens->signing, pg, service_master_key(service), lifetime_s, err)
               : status;
}

enum nova_status tokens_user_keys(void *state, struct jwks_key *keys, size_t cap, size_t *count,
                                  struct error *err)
{
    const struct identity_state *identity = state;
    return signing_keys(identity->tokens->signing, keys, cap, count, err);
}

static const struct tokens *tokens_of(const struct service *service)
{
    const struct identity_state *state = service_state(service);
    return state->tokens;
}

// ---- what a refresh token is --------------------------------------------------------------------

static const char *tokens_of_request(const struct service_call *call)
{
    const ProtobufCMessage *message = call->request->message;
    if (message->descriptor == &nova__identity__v2__logout_request__descriptor)
        return ((const Nova__Identity__V2__LogoutRequest *)(const void *)message)->refresh_token;
    return ((const Nova__Identity__V2__RefreshTokenRequest *)(const void *)message)->refresh_token;
}

// What we gave out was derived with our key. The newest of a session is known by its hash as well,
// so that a key which was made anew takes no session away.
enum nova_status tokens_look_up(struct identity_facts *facts,
                                const struct service_command_context *context, struct pg *pg,
                                struct arena *arena, struct error *err)
{
    (void)arena;
    const char *text = tokens_of_request(context->call);
    struct refresh_fact *fact = &facts->refresh;
    struct session_refresh_row row;
    struct refresh_token token;
    uint8_t hash[REFRESH_TOKEN_HASH_BYTES];
    fact->well_formed = refresh_token_parse(&token, text);
    if (!fact->well_formed)
        return NOVA_OK;
    enum nova_status status = session_lock(&row, pg, &token.session_id, err);
    if (status != NOVA_OK)
        return status;
    refresh_token_hash(hash, text);
    bool newest = row.has_hash && row.generation == token.generation;
    bool same = sodium_memcmp(hash, row.hash, sizeof hash) == 0;
    bool ours = refresh_token_is_ours(&token, &tokens_of(context->worker->service)->refresh_key);
    fact->authentic = row.found && (ours || (newest && same));
    fact->session_id = token.session_id;
    fact->user_id = row.user_id;
    fact->generation = token.generation;
    return NOVA_OK;
}

// ---- inline tables ------------------------------------------------------------------------------

static enum nova_status tokens_put(const struct service *service, const struct decision *decision,
                                   struct pg *pg, const struct uuid *session_id, int64_t generation,
                                   int64_t expires_at_us, struct error *err)
{
    uint8_t hash[REFRESH_TOKEN_HASH_BYTES];
    refresh_token_hash(hash, refresh_token_make(decision->arena, &tokens_of(service)->refresh_key,
                                                session_id, generation));
    return session_put_token(pg, session_id, generation, hash, decision->now_us, expires_at_us,
                             err);
}

static enum nova_status tokens_write_event(const struct service *service,
                                           const struct decision *decision,
                                           const struct pending_event *event, struct pg *pg,
                                           struct error *err)
{
    const struct uuid *id = &event->aggregate->id;
    if (strcmp(event->type->aggregate_type, "session") != 0)
        return NOVA_OK; // a password that changed, and ended the sessions behind it
    if (strcmp(event->type->type, "session.revoked") == 0)
        return session_end(pg, id, decision->now_us, err);
    if (strcmp(event->type->type, "session.refreshed") == 0) {
        const Nova__Identity__V2__SessionRefreshed *refreshed = (const void *)event->payload;
        return tokens_put(service, decision, pg, id, refreshed->generation,
                          refreshed->refresh_expires_at_us, err);
    }
    const Nova__Identity__V2__SessionStarted *started = (const void *)event->payload;
    struct uuid user_id = id_parse(started->user_id);
    enum nova_status status = session_add(pg, id, &user_id, started->refresh_expires_at_us, err);
    return status == NOVA_OK
               ? tokens_put(service, decision, pg, id, 0, started->refresh_expires_at_us, err)
               : status;
}

enum nova_status tokens_write(const struct service *service, const struct decision *decision,
                              struct pg *pg, struct error *err)
{
    enum nova_status status = NOVA_OK;
    for (uint32_t i = 0; i < decision->event_count && status == NOVA_OK; i++)
        status = tokens_write_event(service, decision, &decision->events[i], pg, err);
    return status;
}

// ---- answers ------------------------------------------------------------------------------------

// An access token, made of what the event says: a repeated command answers the same one.
static char *tokens_access(struct service_worker *worker, struct service_call *call,
                           const char *user_id, const char *session_id, int64_t issued_at_us,
                           int64_t expires_at_us)
{
    struct jwt_claims claims = {.issuer = "identity",
                                .issued_at_s = issued_at_us / 1000000,
                                .expires_at_s = expires_at_us / 1000000};
    snprintf(claims.subject, sizeof claims.subject, "%s", user_id);
    snprintf(claims.session, sizeof claims.session, "%s", session_id);
    return signing_token(tokens_of(worker->service)->signing, call->request->arena, &claims);
}

static void tokens_finish_login(struct service_worker *worker, struct service_call *call,
                                Nova__Identity__V2__LoginReply *reply)
{
    struct uuid session_id = id_parse(reply->session_id);
    reply->access_token = tokens_access(worker, call, reply->user_id, reply->session_id,
                                        reply->issued_at_us, reply->expires_at_us);
    if (reply->refresh_expires_at_us != 0) // else a login of before, repeated
        reply->refresh_token = refresh_token_make(
            call->request->arena, &tokens_of(worker->service)->refresh_key, &session_id, 0);
}

static int64_t tokens_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// A repeat whose first answer may have been lost. Later, the old token is one that somebody kept:
// it is decided anew, as a command of its own, which ends the session.
static enum nova_status tokens_repeat(struct service_worker *worker, struct service_call *call,
                                      struct outcome *outcome, struct error *err)
{
    static const char late[] = "repeated late";
    const Nova__Identity__V2__RefreshTokenReply *reply = (const void *)outcome->reply;
    int64_t repeat_us = INT64_C(1000000) * settings_int(service_settings(worker->service),
                                                        SETTING_IDENTITY_REFRESH_REPEAT_S);
    struct uuid session_id = id_parse(reply->session_id);
    bool open = false;
    if (tokens_now_us() - reply->issued_at_us > repeat_us) {
        struct uuid id = uuid_v5(&call->request->headers.command_id, late, sizeof late - 1);
        return service_carry_out(outcome, worker, call, &id, err);
    }
    enum nova_status status = session_is_open(&open, worker->pg, &session_id, err);
    if (status != NOVA_OK || open)
        return status;
    const struct rejection *ended = &identity_rejections[IDENTITY_REFRESH_REVOKED];
    return error_set(err, ended->status, "%s: %s", ended->name, ended->text);
}

static enum nova_status tokens_finish_refresh(struct service_worker *worker,
                                              struct service_call *call, struct outcome *outcome,
                                              struct error *err)
{
    struct refresh_token used;
    enum nova_status status =
        outcome->repeated ? tokens_repeat(worker, call, outcome, err) : NOVA_OK;
    if (status != NOVA_OK || !refresh_token_parse(&used, tokens_of_request(call)))
        return status;
    Nova__Identity__V2__RefreshTokenReply *reply = (void *)outcome->reply;
    reply->access_token = tokens_access(worker, call, reply->user_id, reply->session_id,
                                        reply->issued_at_us, reply->expires_at_us);
    reply->refresh_token =
        refresh_token_make(call->request->arena, &tokens_of(worker->service)->refresh_key,
                           &used.session_id, used.generation + 1);
    return NOVA_OK;
}

enum nova_status tokens_finish(struct service_worker *worker, struct service_call *call,
                               struct outcome *outcome, struct error *err)
{
    if (strcmp(call->request->method->name, "RefreshToken") == 0)
        return tokens_finish_refresh(worker, call, outcome, err);
    if (strcmp(call->request->method->name, "Login") == 0)
        tokens_finish_login(worker, call, (void *)outcome->reply);
    return NOVA_OK;
}

// ---- VerifyToken and GetJwks --------------------------------------------------------------------

enum nova_status tokens_verify(struct service_worker *worker, struct service_call *call,
                               struct error *err)
{
    const Nova__Identity__V2__VerifyTokenRequest *request = (const void *)call->request->message;
    struct jwt_claims claims;
    struct uuid session_id;
    bool open = false;
    enum nova_status status =
        auth_user_token(&claims, service_auth(worker->service), request->access_token, err);
    if (status == NOVA_OK && !uuid_parse(&session_id, claims.session))
        status = error_set(err, NOVA_UNAUTHENTICATED, "the token names no session");
    if (status == NOVA_OK)
        status = session_is_open(&open, worker->pg, &session_id, err);
    if (status == NOVA_OK && !open)
        status = error_set(err, NOVA_UNAUTHENTICATED, "the token's session has ended; log in");
    if (status != NOVA_OK)
        return status;
    struct arena *arena = call->request->arena;
    Nova__Identity__V2__VerifyTokenReply *reply =
        message_new(arena, &nova__identity__v2__verify_token_reply__descriptor);
    reply->user_id = arena_memdup(arena, claims.subject, strlen(claims.subject) + 1);
    reply->session_id = arena_memdup(arena, claims.session, strlen(claims.session) + 1);
    reply->expires_at_us = claims.expires_at_s * 1000000;
    call->request->reply = &reply->base;
    return NOVA_OK;
}

enum nova_status tokens_get_jwks(struct service_worker *worker, struct service_call *call,
                                 struct error *err)
{
    struct arena *arena = call->request->arena;
    struct jwks_key *keys = arena_alloc(arena, AUTH_KEYS_MAX * sizeof *keys);
    size_t count = 0;
    enum nova_status status =
        signing_keys(tokens_of(worker->service)->signing, keys, AUTH_KEYS_MAX, &count, err);
    if (status != NOVA_OK)
        return status;
    Nova__Identity__V2__GetJwksReply *reply =
        message_new(arena, &nova__identity__v2__get_jwks_reply__descriptor);
    reply->n_keys = count;
    reply->keys = arena_alloc(arena, count * sizeof *reply->keys);
    for (size_t i = 0; i < count; i++) {
        Nova__Identity__V2__Jwk *jwk = message_new(arena, &nova__identity__v2__jwk__descriptor);
        jwk->kty = "OKP";
        jwk->crv = "Ed25519";
        jwk->alg = "EdDSA";
        jwk->use = "sig";
        jwk->kid = keys[i].kid;
        jwk->x = base64url_encode(arena, keys[i].public_key, sizeof keys[i].public_key);
        reply->keys[i] = jwk;
    }
    call->request->reply = &reply->base;
    return NOVA_OK;
}
