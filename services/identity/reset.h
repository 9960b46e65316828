// reset.h - setting a password anew: the facts and inline tables of RequestPasswordReset and
// ResetPassword.
//
// Ownership: facts live in the arena.
// Threads:   one at a time per struct pg.
// Errors:    PostgreSQL's.
#pragma once
#include "aggregates/identity/identity.h"
#include "services/identity/mail.h"
#include "services/service.h"

MUST_CHECK enum nova_status reset_look_up_request(struct identity_facts *facts,
                                                  const struct service_command_context *context,
                                                  struct pg *pg, struct arena *arena,
                                                  struct error *err);
// The token, the e-mail that brings it, and the same of nobody.
MUST_CHECK enum nova_status reset_write_request(const struct service_command_context *context,
                                                const struct decision *decision, struct pg *pg,
                                                struct error *err);

// facts->mail_token and the sessions that go on; account and token are locked.
MUST_CHECK enum nova_status reset_look_up(struct identity_facts *facts,
                                          const struct service_command_context *context,
                                          struct pg *pg, struct arena *arena, struct error *err);
// The password from now on; the token is used.
MUST_CHECK enum nova_status reset_write(const struct decision *decision, struct pg *pg,
                                        const char *password_hash, struct error *err);
