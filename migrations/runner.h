// runner.h - brings a PostgreSQL to the schema of the migration files, and says where it stands.
//
// Each file is carried out once per service, in one transaction with its row in
// nova_migrations.applied (service, file, sha256, applied_at, took_ms). A file that was carried out
// may never change: what stands in a file is what stands in the database. Two runners at once: an
// advisory lock lets one wait for the other. A file that cannot get a table's lock in time gives
// way (lock_timeout) and is tried again, so that a migration never stops a running service for
// long.
//
// In files, :"x" and :'x' are variables: service, service_role, relay_role, signer_role,
// consumer_role, owner_role. A file may SET LOCAL ROLE; the runner takes its own role back behind
// it.
//
// Ownership: borrows everything; what status returns lives in the arena.
// Threads:   one at a time per struct pg.
// Errors:    FAILED_PRECONDITION names the file that changed, or that was carried out and is not in
//            the directory (an older Nova against a newer database); errors of a file name it. A
//            failed file leaves nothing behind, those before it stay.
// Bounds:    see files.h; RUNNER_LOCK_ATTEMPTS_MAX attempts a file.
#pragma once
#include "base/arena.h"
#include "base/error.h"
#include "pg/pg.h"

// A role that may log in, by this password. Stored as a SCRAM verifier, and only if it changed.
struct migrations_password {
    const char *role; // "identity_service", "operator"
    const char *password;
};

struct migrations_options {
    const char *directory;       // "<root>/migrations"
    const char *const *services; // those whose schemas lie in this PostgreSQL; NULL: all
    size_t service_count;
    // Passwords of roles of other services are passed over: they belong to another PostgreSQL.
    const struct migrations_password *passwords;
    size_t password_count;
    // Told each file that was carried out. May be NULL.
    void (*applied)(void *context, const char *service, const char *file, int took_ms);
    void *context;
};

// Every service that has migrations.
size_t migrations_services(const char *const **out);

// Carries out what is pending and sets passwords. `admin` is a superuser's connection.
MUST_CHECK enum nova_status
migrations_run(struct pg *admin, const struct migrations_options *options, struct error *err);

enum migration_state {
    MIGRATION_APPLIED,
    MIGRATION_PENDING,
    MIGRATION_CHANGED, // carried out with other bytes than it has now
    MIGRATION_MISSING, // carried out, and not in the directory
};
const char *migration_state_name(enum migration_state state); // "applied"

struct migration {
    const char *service;
    const char *file;
    enum migration_state state;
    int64_t applied_at_us; // 0: pending
    int32_t took_ms;
};

// Every file of every chosen service, in the order in which they are carried out, missing ones
// last.
MUST_CHECK enum nova_status migrations_status(const struct migration **out, size_t *count,
                                              struct pg *admin,
                                              const struct migrations_options *options,
                                              struct arena *arena, struct error *err);

// OK when everything is carried out and nothing changed; else FAILED_PRECONDITION names the first
// file that is not so, and counts the others.
MUST_CHECK enum nova_status
migrations_verify(struct pg *admin, const struct migrations_options *options, struct error *err);
