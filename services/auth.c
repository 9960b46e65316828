// auth.c - see auth.h.
#include "services/auth.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus/nkey.h"

struct auth_key {
    char kid[JWT_NAME_BYTES];
    char principal[JWT_NAME_BYTES]; // the process's name
    uint8_t public_key[JWT_KEY_BYTES];
};

struct auth {
    struct auth_options options;
    struct auth_key principals[AUTH_KEYS_MAX];
    size_t principal_count;
};

static int64_t auth_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
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
    free(*auth);
    *auth = NULL;
}

// ---- keys ---------------------------------------------------------------------------------------

static const struct auth_key *auth_find(const struct auth *auth, const char *kid)
{
    for (size_t i = 0; i < auth->principal_count; i++)
        if (strcmp(auth->principals[i].kid, kid) == 0)
            return &auth->principals[i];
    return NULL;
}

// What jwt_verify asks through: one token.
struct auth_lookup {
    struct auth *auth;
    bool may_ask; // identity, for a key that is unknown to us
    bool unsure;  // the key is unknown to us, and identity could not be asked just now
};

static bool auth_key_of(void *context, const char *kid, uint8_t public_key[JWT_KEY_BYTES],
                        char issuer[JWT_NAME_BYTES])
{
    struct auth_lookup *lookup = context;
    const struct auth_key *key = auth_find(lookup->auth, kid);
    strcpy(issuer, key == NULL ? "identity" : "process");
    if (key != NULL) {
        memcpy(public_key, key->public_key, JWT_KEY_BYTES);
        return true;
    }
    enum jwks_answer answer =
        verifier_key(public_key, lookup->auth->options.verifier, kid, lookup->may_ask);
    lookup->unsure = answer == JWKS_UNSURE;
    return answer == JWKS_KNOWN;
}

static enum nova_status auth_verify(struct jwt_claims *out, struct auth_lookup *lookup,
                                    const char *token, struct error *err)
{
    enum nova_status status = jwt_verify(out, token, auth_key_of, lookup, auth_now_s(), err);
    if (status != NOVA_OK && lookup->unsure)
        return error_set_transient(err, NOVA_UNAVAILABLE,
                                   "identity was not there to say whose key signed the token; try "
                                   "again");
    return status;
}

// A process may only speak in the name that its own key is listed under.
static bool auth_name_is_its_own(const struct auth *auth, const struct jwt_claims *claims)
{
    const struct auth_key *key = auth_find(auth, claims->kid);
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

static enum nova_status auth_user(struct caller *out, struct auth *auth,
                                  const struct jwt_claims *claims, struct error *err)
{
    enum nova_status status = verifier_judge(auth->options.verifier, claims, err);
    if (status != NOVA_OK)
        return status;
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
            status = auth_user(out, lookup->auth, &claims, err);
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
