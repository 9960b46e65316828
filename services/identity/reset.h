// reset.h - commands behind which an e-mail goes out or came in: the facts and inline tables of
// RequestPasswordReset, ResetPassword, RequestEmailVerification and VerifyEmail.
//
// Ownership: facts live in the arena.
// Threads:   one at a time per struct pg.
// Errors:    PostgreSQL's.
#pragma once
#include "aggregates/identity/identity.h"
#include "services/identity/mail.h"
#include "services/service.h"

// Facts of RequestPasswordReset and of RequestEmailVerification.
MUST_CHECK enum nova_status reset_look_up_request(struct identity_facts *facts,
                                                  const struct service_command_context *context,
                                                  struct pg *pg, struct arena *arena,
                                                  struct error *err);
MUST_CHECK enum nova_status
reset_look_up_verification(struct identity_facts *facts,
                           const struct service_command_context *context, struct pg *pg,
                           struct arena *arena, struct error *err);
// The token, the e-mail that brings it, and the same of nobody.
MUST_CHECK enum nova_status reset_write_request(const struct service_command_context *context,
                                                const struct decision *decision, struct pg *pg,
                                                struct error *err);

// facts->mail_token and the sessions that go on; account and token are locked.
MUST_CHECK enum nova_status reset_look_up(struct identity_facts *facts,
                                          const struct service_command_context *context,
                                          struct pg *pg, struct arena *arena, struct error *err);
// The same of VerifyEmail, whose sessions go on.
MUST_CHECK enum nova_status reset_look_up_verify(struct identity_facts *facts,
                                                 const struct service_command_context *context,
                                                 struct pg *pg, struct arena *arena,
                                                 struct error *err);
// user.password_changed: the password from now on; no token sets another.
MUST_CHECK enum nova_status reset_write(const struct decision *decision, struct pg *pg,
                                        const char *password_hash, struct error *err);
// user.email_verified: the token was used.
MUST_CHECK enum nova_status reset_write_verified(const struct decision *decision, struct pg *pg,
                                                 struct error *err);
