// audit.h - the security audit log: what happened to an account, in an inline table that is written
// in the command's own transaction (docs/decisions/0038). Also of what is no event: logins that
// failed, and what somebody asked for.
//
// What comes from a command's events is written once each. What anybody can try again and again
// counts in one row for each account, address and hour, so that nobody fills the table.
//
// Device and address are personal: sealed under a key that comes from the service's master key, and
// taken out when the user is deleted.
//
// Ownership: what is found lives in the arena.
// Threads:   one at a time per struct pg.
// Errors:    PostgreSQL's. A sealed part that does not open is logged, and shown as absent.
// Bounds:    rows are kept for identity.audit_days; each entry deletes some that are older.
#pragma once
#include "services/service.h"

// What a command's events and its failed attempts leave.
MUST_CHECK enum nova_status audit_write(const struct service_command_context *context,
                                        const struct decision *decision, struct pg *pg,
                                        struct error *err);
// An operator looked: at a user's entries, or (nil) at everybody's.
MUST_CHECK enum nova_status audit_note_read(const struct service_worker *worker,
                                            const struct service_call *call,
                                            const struct uuid *user_id, struct error *err);
// What an event leaves that a recovery takes back, as of when it was recorded; personal NULL: it
// does not open. What was no event is lost with what the copy lacks.
MUST_CHECK enum nova_status
audit_rederive(struct pg *pg, const struct seal_key *master, const struct event *event,
               const struct contract_event *type, const ProtobufCMessage *payload,
               const ProtobufCMessage *personal, struct arena *arena, struct error *err);
// A user is gone: entries stay, but nothing that says where they were.
MUST_CHECK enum nova_status audit_forget(struct pg *pg, const struct uuid *user_id,
                                         struct error *err);

// An entry as it is kept.
struct audit_row {
    int64_t id;
    struct uuid user_id;    // nil: nobody's
    struct uuid session_id; // nil: none
    const char *action, *actor;
    const char *reason; // NULL: none
    int64_t at_us, last_at_us, attempts;
    const char *device, *address; // "": none, gone, or does not open
};
// `limit` of one user's (nil: of all) before the entry `before`, newest first.
MUST_CHECK enum nova_status audit_list(struct audit_row **out, size_t *count, struct pg *pg,
                                       const struct seal_key *master, const struct uuid *user_id,
                                       int64_t before, uint32_t limit, struct arena *arena,
                                       struct error *err);

// GetSecurityAudit, as services/service.h declares a method. PERMISSION_DENIED for another user's,
// or everybody's, unless it is an operator who asks.
enum nova_status identity_get_security_audit(struct service_worker *worker,
                                             struct service_call *call, struct error *err);
