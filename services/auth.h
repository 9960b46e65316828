// auth.h - who is calling: a verified token becomes a caller (docs/decisions/0004).
//
// Users' keys come from identity's GetJwks (identity itself gives its own), processes' keys from
// the generated list of principals: one line `<name> <public nkey>` each. An unknown kid asks
// GetJwks again, at most once in AUTH_REFRESH_MS and for AUTH_FETCH_MS; a known one never waits.
//
// Ownership: borrows the connection.
// Threads:   safe from any thread.
// Errors:    UNAUTHENTICATED for a bad token, PERMISSION_DENIED for who may not act for others or
//            not set the time; UNAVAILABLE (transient) for a token whose key is not known while
//            identity does not answer.
// Bounds:    two threads at once wait for GetJwks, once it has answered at all.
#pragma once
#include "aggregates/core/aggregate.h"
#include "base/jwt.h"
#include "bus/process_token.h"
#include "bus/rpc.h"

enum { AUTH_REFRESH_MS = 1000, AUTH_FETCH_MS = 2000 };

struct auth_key {
    char kid[JWT_NAME_BYTES];
    char principal[JWT_NAME_BYTES]; // the process's name; empty: a key of identity's for users
    uint8_t public_key[JWT_KEY_BYTES];
};

struct auth;
struct auth_options {
    struct bus_connection *connection;
    const char *principals_file;
    // Fetches the keys for users' tokens; returns how many were written to keys.
    enum nova_status (*user_keys)(void *context, struct auth_key *keys, size_t cap, size_t *count,
                                  struct error *err);
    void *context;
};
MUST_CHECK enum nova_status auth_create(struct auth **out, const struct auth_options *options,
                                        struct error *err);
void auth_destroy(struct auth **auth);

// The caller of a request with these headers; *user (JWT_NAME_BYTES) gets the name of a process, or
// "".
MUST_CHECK enum nova_status auth_caller(struct caller *out, char process[JWT_NAME_BYTES],
                                        struct auth *auth, const struct rpc_headers *headers,
                                        struct error *err);
// The same without waiting for identity. *unsure: the key is not at hand, so that nothing is known
// of the caller, whatever the status says.
MUST_CHECK enum nova_status auth_caller_at_once(bool *unsure, struct caller *out,
                                                char process[JWT_NAME_BYTES], struct auth *auth,
                                                const struct rpc_headers *headers,
                                                struct error *err);

// Verifies a user's token: whose and of which session.
MUST_CHECK enum nova_status auth_user_token(struct jwt_claims *out, struct auth *auth,
                                            const char *token, struct error *err);

// user_keys over the bus: asks identity's GetJwks.
struct auth_jwks_source {
    struct bus_connection *connection;
    const struct process_token *token;
};
enum nova_status auth_keys_from_identity(void *source, struct auth_key *keys, size_t cap,
                                         size_t *count, struct error *err);
