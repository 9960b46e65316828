// registration.h - a Register whose e-mail address is taken, which answers as one that is not
// (docs/decisions/0039): no event, an e-mail to who has the address, and for a while the same
// answer to the same command.
//
// Ownership: facts live in the arena.
// Threads:   one at a time per struct pg.
// Errors:    PostgreSQL's; FAILED_PRECONDITION for a command id that comes with another request.
// Bounds:    a row is kept for identity.registration_notice_s; each deletes some that are older.
#pragma once
#include "aggregates/identity/identity.h"
#include "services/identity/account.h"
#include "services/identity/password.h"
#include "services/service.h"

// What Register's prepare made of the request.
struct registration {
    struct account_digest email;
    const char *password; // normalised; NULL: of no length that can be right
    const char *hash;     // of it
    struct password_cost cost;
    int64_t position; // out: what the answer says
};

// Whether this command was refused in silence before, and who has the address
// (facts->registration).
MUST_CHECK enum nova_status registration_look_up(struct identity_facts *facts,
                                                 struct registration *registration,
                                                 const struct service_command_context *context,
                                                 struct pg *pg, struct arena *arena,
                                                 struct error *err);

// Keeps the answer, and tells who has the address.
MUST_CHECK enum nova_status registration_refuse(struct registration *registration,
                                                const struct service_command_context *context,
                                                const struct decision *decision, struct pg *pg,
                                                struct error *err);
