// auth.h - who is calling: a verified token becomes a caller (docs/decisions/0004).
//
// A user's token is judged by the verifier (bus/verifier.h): identity's key, and a session that
// goes on. A process's key stands in the generated list of principals: one line
// `<name> <public nkey>` each.
//
// Ownership: borrows the verifier.
// Threads:   safe from any thread.
// Errors:    UNAUTHENTICATED for a bad token, PERMISSION_DENIED for who may not act for others or
//            not set the time; UNAVAILABLE (transient) for a token whose key is not known while
//            identity does not answer, or while nobody knows which sessions ended.
#pragma once
#include "aggregates/core/aggregate.h"
#include "base/jwt.h"
#include "bus/rpc.h"
#include "bus/verifier.h"

struct auth;
struct auth_options {
    const char *principals_file;
    struct verifier *verifier;
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

// Verifies a user's token: whose and of which session. Whether that goes on the caller finds out.
MUST_CHECK enum nova_status auth_user_token(struct jwt_claims *out, struct auth *auth,
                                            const char *token, struct error *err);
