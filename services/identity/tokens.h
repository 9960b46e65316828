// tokens.h - the tokens of a session: an access token, signed, and a refresh token, derived.
//
// Neither is in an event, and neither is kept: both are made again of what an event says, and the
// refresh token's hash stands in an inline table (sessions.h).
//
// Ownership: a tokens is the service's state; it holds two secrets, which destroy wipes.
// Threads:   safe from any thread after the start.
// Errors:    PostgreSQL's, access_refresh_key's; UNAUTHENTICATED for a token that says nothing.
#pragma once
#include "aggregates/identity/identity.h"
#include "services/service.h"

struct tokens;

struct tokens *tokens_create(void);
void tokens_destroy(struct tokens **tokens);
MUST_CHECK enum nova_status tokens_start(struct tokens *tokens, struct service *service,
                                         struct error *err);
// Public keys of access tokens, for auth; `state` is the service's.
enum nova_status tokens_user_keys(void *state, struct jwks_key *keys, size_t cap, size_t *count,
                                  struct error *err);

// facts->refresh of RefreshToken and Logout; the session is locked until the transaction's end.
MUST_CHECK enum nova_status tokens_look_up(struct identity_facts *facts,
                                           const struct service_command_context *context,
                                           struct pg *pg, struct arena *arena, struct error *err);
// The inline rows of session.started, session.refreshed and session.revoked.
MUST_CHECK enum nova_status tokens_write(const struct service *service,
                                         const struct decision *decision, struct pg *pg,
                                         struct error *err);
// Puts the tokens into the answers of Login and RefreshToken.
enum nova_status tokens_finish(struct service_worker *worker, struct service_call *call,
                               struct outcome *outcome, struct error *err);

// Methods, as services/service.h declares them.
enum nova_status tokens_verify(struct service_worker *worker, struct service_call *call,
                               struct error *err);
enum nova_status tokens_get_jwks(struct service_worker *worker, struct service_call *call,
                                 struct error *err);
