// auth.c - see auth.h.
#include "services/auth.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base64url.h"
#include "bus/nkey.h"
#include "nova/identity/v2/identity.pb-c.h"

struct auth {
    struct auth_options options;
    pthread_mutex_t lock;
    struct auth_key principals[AUTH_KEYS_MAX];
    size_t principal_count;
    struct auth_key users[AUTH_KEYS_MAX]; // under the lock
    size_t user_count;
    int64_t refreshed_ms; // when the last refresh ended
    bool refreshed;       // and whether it brought keys
    bool refreshing;
    uint32_t waiting;     // for a refresh to end
    pthread_cond_t ended; // a refresh
};

static int64_t auth_now_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// ---- principals ---------------------------------------------------------------------------------

static enum nova_status auth_read_principal(struct auth *auth, const char *line, struct error *err)
{
    struct auth_key *key = &auth->principals[auth->principal_count];
    if (auth->principal_count == AUTH_KEYS_MAX ||
        sscanf(line, "%127s %127s", key->principal, key->kid) != 2)
        return error_set(err, NOVA_FAILED_PRECONDITION,
                         "%s has a line that is not '<name> <public nkey>'",
                         auth->options.principals_file);
    auth->principal_count++;
    return nkey_decode_public(key->public_key, key->kid, err);
}

static enum nova_status auth_read_principals(struct auth *auth, struct error *err)
{
    FILE *file = fopen(auth->options.principals_file, "r");
    if (file == NULL)
        return error_set(err, NOVA_FAILED_PRECONDITION, "%s: %s; run ./nova up to make it",
                         auth->options.principals_file, strerror(errno));
    char line[512];
    enum nova_status status = NOVA_OK;
    while (status == NOVA_OK && fgets(line, sizeof line, file) != NULL)
        status = auth_read_principal(auth, line, err);
    fclose(file);
    return status;
}

enum nova_status auth_create(struct auth **out, const struct auth_options *options,
                             struct error *err)
{
    struct auth *auth = calloc(1, sizeof *auth);
    if (auth == NULL)
        return error_set(err, NOVA_RESOURCE_EXHAUSTED, "no memory");
    auth->options = *options;
    auth->refreshed_ms = -AUTH_REFRESH_MS;
    pthread_mutex_init(&auth->lock, NULL);
    pthread_cond_init(&auth->ended, NULL);
    enum nova_status status = auth_read_principals(auth, err);
    if (status != NOVA_OK)
        auth_destroy(&auth);
    *out = auth;
    return status;
}

void auth_destroy(struct auth **auth)
{
    if (auth == NULL || *auth == NULL)
        return;
    pthread_cond_destroy(&(*auth)->ended);
    pthread_mutex_destroy(&(*auth)->lock);
    free(*auth);
    *auth = NULL;
}

// ---- keys ---------------------------------------------------------------------------------------

static const struct auth_key *auth_find(const struct auth_key *keys, size_t count, const char *kid)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(keys[i].kid, kid) == 0)
            return &keys[i];
    return NULL;
}

// What jwt_verify asks through: one token.
struct auth_lookup {
    struct auth *auth;
    bool may_ask; // identity, for a key that is unknown to us
    bool unsure;  // the key is unknown to us, and identity could not be asked just now
};

// Asks identity for users' keys again. Called under the lock, which it leaves meanwhile: whose key
// is known does not wait.
static void auth_fetch(struct auth *auth)
{
    struct auth_key keys[AUTH_KEYS_MAX] = {0};
    size_t count = 0;
    auth->refreshing = true;
    pthread_mutex_unlock(&auth->lock);
    bool fetched = auth->options.user_keys(auth->options.context, keys, AUTH_KEYS_MAX, &count,
                                           NULL) == NOVA_OK;
    pthread_mutex_lock(&auth->lock);
    if (fetched) { // else the old keys stay
        memcpy(auth->users, keys, sizeof keys);
        auth->user_count = count;
    }
    auth->refreshed = fetched;
    auth->refreshed_ms = auth_now_ms(CLOCK_MONOTONIC);
    auth->refreshing = false;
    pthread_cond_broadcast(&auth->ended);
}

// An unknown key: one thread refreshes, one more waits for it, so that a stream of made-up tokens
// never holds all workers; the others are told to come again. Only before the first keys have come
// all of them wait: nobody's is known yet. Called under the lock. False: whether there is such a
// key could not be found out.
static bool auth_refresh(struct auth *auth)
{
    if (!auth->refreshing && auth_now_ms(CLOCK_MONOTONIC) - auth->refreshed_ms < AUTH_REFRESH_MS)
        return auth->refreshed;
    if (!auth->refreshing) {
        auth_fetch(auth);
        return auth->refreshed;
    }
    if (auth->waiting > 0 && auth->user_count > 0)
        return false;
    auth->waiting++;
    while (auth->refreshing)
        pthread_cond_wait(&auth->ended, &auth->lock);
    auth->waiting--;
    return auth->refreshed;
}

static bool auth_key_of(void *context, const char *kid, uint8_t public_key[JWT_KEY_BYTES],
                        char issuer[JWT_NAME_BYTES])
{
    struct auth_lookup *lookup = context;
    struct auth *auth = lookup->auth;
    const struct auth_key *key = auth_find(auth->principals, auth->principal_count, kid);
    strcpy(issuer, key == NULL ? "identity" : "process");
    if (key != NULL) {
        memcpy(public_key, key->public_key, JWT_KEY_BYTES);
        return true;
    }
    pthread_mutex_lock(&auth->lock);
    key = auth_find(auth->users, auth->user_count, kid);
    if (key == NULL) {
        bool sure = lookup->may_ask && auth_refresh(auth);
        key = auth_find(auth->users, auth->user_count, kid);
        lookup->unsure = key == NULL && !sure;
    }
    if (key != NULL)
        memcpy(public_key, key->public_key, JWT_KEY_BYTES);
    pthread_mutex_unlock(&auth->lock);
    return key != NULL;
}

static enum nova_status auth_verify(struct jwt_claims *out, struct auth_lookup *lookup,
                                    const char *token, struct error *err)
{
    enum nova_status status =
        jwt_verify(out, token, auth_key_of, lookup, auth_now_ms(CLOCK_REALTIME) / 1000, err);
    if (status != NOVA_OK && lookup->unsure)
        return error_set_transient(err, NOVA_UNAVAILABLE,
                                   "identity was not there to say whose key signed the token; try "
                                   "again");
    return status;
}

// A process may only speak in the name that its own key is listed under.
static bool auth_name_is_its_own(const struct auth *auth, const struct jwt_claims *claims)
{
    const struct auth_key *key = auth_find(auth->principals, auth->principal_count, claims->kid);
    return key != NULL && strcmp(key->principal, claims->subject) == 0;
}

enum nova_status auth_user_token(struct jwt_claims *out, struct auth *auth, const char *token,
                                 struct error *err)
{
    struct auth_lookup lookup = {.auth = auth, .may_ask = true};
    enum nova_status status = auth_verify(out, &lookup, token, err);
    if (status == NOVA_OK && strcmp(out->issuer, "identity") != 0)
        return error_set(err, NOVA_UNAUTHENTICATED, "the token is a process's, not a user's");
    return status;
}

// ---- callers ------------------------------------------------------------------------------------

static enum nova_status auth_user(struct caller *out, const struct jwt_claims *claims,
                                  struct error *err)
{
    if (!uuid_parse(&out->user_id, claims->subject))
        return error_set(err, NOVA_UNAUTHENTICATED, "the token names no user");
    out->kind = CALLER_USER;
    char user[UUID_TEXT_BYTES];
    uuid_format(user, &out->user_id);
    snprintf(out->actor, sizeof out->actor, "user:%s", user);
    return NOVA_OK;
}

static void auth_process(struct caller *out, const char *name)
{
    if (strcmp(name, "operator_rpc") == 0) {
        out->kind = CALLER_OPERATOR;
        strcpy(out->actor, "operator");
    } else if (strcmp(name, "importer") == 0) {
        out->kind = CALLER_IMPORTER;
        strcpy(out->actor, "importer");
    } else {
        out->kind = CALLER_SERVICE;
        snprintf(out->actor, sizeof out->actor, "service:%.100s", name);
    }
}

static enum nova_status auth_may(struct caller *out, const struct rpc_headers *headers,
                                 struct error *err)
{
    if (headers->has_occurred_at && !caller_is_privileged(out))
        return error_set(err, NOVA_PERMISSION_DENIED,
                         "only an importer may say when something happened");
    if (uuid_is_nil(&headers->on_behalf_of))
        return NOVA_OK;
    if (!caller_is_privileged(out))
        return error_set(err, NOVA_PERMISSION_DENIED,
                         "only an operator or importer may act on behalf of somebody");
    char user[UUID_TEXT_BYTES];
    uuid_format(user, &headers->on_behalf_of);
    size_t used = strlen(out->actor);
    snprintf(out->actor + used, sizeof out->actor - used, "/user:%s", user);
    out->user_id = headers->on_behalf_of;
    return NOVA_OK;
}

static enum nova_status auth_caller_by(struct auth_lookup *lookup, struct caller *out,
                                       char process[JWT_NAME_BYTES],
                                       const struct rpc_headers *headers, struct error *err)
{
    *out = (struct caller){.kind = CALLER_ANONYMOUS, .actor = "anonymous"};
    process[0] = '\0';
    struct jwt_claims claims;
    enum nova_status status = NOVA_OK;
    if (headers->token != NULL) {
        status = auth_verify(&claims, lookup, headers->token, err);
        if (status == NOVA_OK && strcmp(claims.issuer, "identity") == 0)
            status = auth_user(out, &claims, err);
        else if (status == NOVA_OK && !auth_name_is_its_own(lookup->auth, &claims))
            status = error_set(err, NOVA_UNAUTHENTICATED,
                               "the token names another process than its key's");
        else if (status == NOVA_OK) {
            strcpy(process, claims.subject);
            auth_process(out, claims.subject);
        }
    }
    return status != NOVA_OK ? status : auth_may(out, headers, err);
}

enum nova_status auth_caller(struct caller *out, char process[JWT_NAME_BYTES], struct auth *auth,
                             const struct rpc_headers *headers, struct error *err)
{
    struct auth_lookup lookup = {.auth = auth, .may_ask = true};
    return auth_caller_by(&lookup, out, process, headers, err);
}

enum nova_status auth_caller_at_once(bool *unsure, struct caller *out, char process[JWT_NAME_BYTES],
                                     struct auth *auth, const struct rpc_headers *headers,
                                     struct error *err)
{
    struct auth_lookup lookup = {.auth = auth, .may_ask = false};
    enum nova_status status = auth_caller_by(&lookup, out, process, headers, err);
    *unsure = lookup.unsure;
    return status;
}

enum nova_status auth_keys_from_identity(void *context, struct auth_key *keys, size_t cap,
                                         size_t *count, struct error *err)
{
    struct auth_jwks_source *source = context;
    struct arena *arena = arena_create();
    Nova__Identity__V2__GetJwksRequest request = NOVA__IDENTITY__V2__GET_JWKS_REQUEST__INIT;
    struct rpc_headers headers = {.token = process_token_text(source->token, arena),
                                  .deadline_us =
                                      (auth_now_ms(CLOCK_REALTIME) + AUTH_FETCH_MS) * 1000};
    ProtobufCMessage *reply = NULL;
    enum nova_status status = rpc_call(&reply, NULL, source->connection, "identity", "GetJwks",
                                       &request.base, &headers, arena, err);
    const Nova__Identity__V2__GetJwksReply *jwks = (void *)reply;
    *count = 0;
    for (size_t i = 0; status == NOVA_OK && i < jwks->n_keys && *count < cap; i++) {
        struct auth_key *key = &keys[*count];
        if (strlen(jwks->keys[i]->kid) < sizeof key->kid &&
            base64url_decode(key->public_key, sizeof key->public_key, jwks->keys[i]->x,
                             strlen(jwks->keys[i]->x))) {
            strcpy(key->kid, jwks->keys[i]->kid);
            (*count)++;
        }
    }
    arena_destroy(&arena);
    return status;
}
