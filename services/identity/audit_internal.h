// audit_internal.h - what audit.c, audit_events.c and audit_query.c share; nobody else includes it.
#pragma once
#include "services/identity/account.h"
#include "services/identity/audit.h"

struct audit_entry {
    struct uuid user_id;    // nil: nobody's
    struct uuid session_id; // nil: none
    const char *action;
    const char *reason;           // NULL: none
    const char *device, *address; // "": none
};

// What all entries of a command have in common.
struct audit_writer {
    const struct seal_key *master;
    const char *actor;
    int64_t at_us; // 0: now
    int64_t days;
    struct arena *arena;
};

MUST_CHECK enum nova_status audit_add(struct pg *pg, const struct audit_writer *writer,
                                      const struct audit_entry *entries, size_t count,
                                      struct error *err);
// Once more of what counts by account, address and hour.
MUST_CHECK enum nova_status audit_count(struct pg *pg, const struct audit_writer *writer,
                                        const struct audit_entry *entry,
                                        const struct account_digest *address, struct error *err);
