// runner.c - see runner.h. Under the lock: compare all files with the tracking table, refuse what
// changed, carry out what is pending, set passwords.
#include "migrations/runner.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "migrations/expand.h"
#include "migrations/files.h"
#include "migrations/scram.h"

#define RUNNER_LOCK "7956003944985229671" // "nova mig" as a number: nobody else's advisory lock
#define RUNNER_LOCK_WAIT "60s"
// How long a file may wait for a table's lock: everybody who comes later waits behind it.
#define FILE_LOCK_WAIT "2s"

static const char sql_lock[] = "SELECT pg_advisory_lock(" RUNNER_LOCK ")";
static const char sql_unlock[] = "SELECT pg_advisory_unlock(" RUNNER_LOCK ")";
static const char sql_track[] =
    "CREATE SCHEMA IF NOT EXISTS nova_migrations;"
    "CREATE TABLE IF NOT EXISTS nova_migrations.applied ("
    " service text NOT NULL, file text NOT NULL, sha256 bytea NOT NULL,"
    " applied_at timestamptz NOT NULL DEFAULT clock_timestamp(), took_ms integer NOT NULL,"
    " PRIMARY KEY (service, file))";
static const char sql_is_tracked[] = "SELECT to_regclass('nova_migrations.applied') IS NOT NULL";
static const char sql_applied[] =
    "SELECT file, sha256, applied_at, took_ms FROM nova_migrations.applied WHERE service = $1"
    " ORDER BY applied_at, file";
static const char sql_note[] =
    "INSERT INTO nova_migrations.applied (service, file, sha256, took_ms) VALUES ($1, $2, $3, $4)";
static const char sql_transaction[] = "SELECT pg_current_xact_id()::text";
static const char sql_role[] = "SELECT rolcanlogin, rolpassword FROM pg_authid WHERE rolname = $1";
static const char sql_set_password[] = "SELECT format('ALTER ROLE %I LOGIN PASSWORD %L', $1, $2)";

// One file as it is in the directory, in the database, or both.
struct step {
    struct migration migration;
    const struct migration_file *file; // NULL: missing
};

struct plan {
    struct pg *admin;
    const struct migrations_options *options;
    struct arena *arena;
    struct step *steps;
    size_t count;
    struct error *err;
};

const char *migration_state_name(enum migration_state state)
{
    static const char *const names[] = {"applied", "pending", "changed", "missing"};
    assert((size_t)state < sizeof names / sizeof *names);
    return names[state];
}

size_t migrations_services(const char *const **out)
{
    return migration_services(out);
}

static size_t chosen_services(const char *const **out, const struct migrations_options *options)
{
    if (!options->services)
        return migration_services(out);
    *out = options->services;
    return options->service_count;
}

static struct step *plan_add(struct plan *plan, const char *service, const char *file)
{
    struct step *step = &plan->steps[plan->count++];
    step->migration.service = service;
    step->migration.file = file;
    step->migration.state = MIGRATION_PENDING;
    return step;
}

// What the tracking table says of a service goes to its steps, from `first` on.
static void plan_compare(struct plan *plan, size_t first, const char *service,
                         const struct pg_result *applied)
{
    size_t known = plan->count;
    for (size_t row = 0; row < pg_rows(applied); row++) {
        const char *name = pg_get_text(applied, row, 0);
        struct bytes sha256 = pg_get_bytea(applied, row, 1);
        struct step *step = NULL;
        for (size_t i = first; i < known && !step; i++) {
            if (strcmp(plan->steps[i].migration.file, name) == 0)
                step = &plan->steps[i];
        }
        if (!step) {
            step = plan_add(plan, service, arena_strdup(plan->arena, name));
            step->migration.state = MIGRATION_MISSING;
        } else {
            bool same = sha256.len == MIGRATION_DIGEST_BYTES &&
                        memcmp(sha256.data, step->file->sha256, sha256.len) == 0;
            step->migration.state = same ? MIGRATION_APPLIED : MIGRATION_CHANGED;
        }
        step->migration.applied_at_us = pg_get_time_us(applied, row, 2);
        step->migration.took_ms = pg_get_int4(applied, row, 3);
    }
}

static enum nova_status plan_service(struct plan *plan, const char *service, bool tracked)
{
    struct migration_file *files;
    struct pg_result *applied = NULL;
    size_t file_count, first = plan->count;
    if (!migration_service_exists(service))
        return error_set(plan->err, NOVA_INVALID_ARGUMENT, "no migrations for a service '%.64s'",
                         service);
    enum nova_status status = migration_files_read(&files, &file_count, plan->options->directory,
                                                   service, plan->arena, plan->err);
    struct pg_param param = pg_text(service);
    if (status == NOVA_OK && tracked)
        status = pg_query(&applied, plan->admin, sql_applied, &param, 1, plan->err);
    if (status != NOVA_OK)
        return status;
    size_t room = plan->count + file_count + pg_rows(applied);
    struct step *steps = arena_alloc(plan->arena, room * sizeof *steps);
    if (plan->count > 0)
        memcpy(steps, plan->steps, plan->count * sizeof *steps);
    plan->steps = steps;
    for (size_t i = 0; i < file_count; i++)
        plan_add(plan, service, files[i].name)->file = &files[i];
    plan_compare(plan, first, service, applied);
    assert(plan->count <= room);
    pg_result_destroy(&applied);
    return NOVA_OK;
}

static enum nova_status plan_make(struct plan *plan)
{
    struct pg_result *result;
    enum nova_status status = pg_query(&result, plan->admin, sql_is_tracked, NULL, 0, plan->err);
    if (status != NOVA_OK)
        return status;
    bool tracked = pg_get_bool(result, 0, 0);
    pg_result_destroy(&result);
    const char *const *services;
    size_t count = chosen_services(&services, plan->options);
    for (size_t i = 0; i < count && status == NOVA_OK; i++)
        status = plan_service(plan, services[i], tracked);
    return status;
}

static enum nova_status plan_refuse_changes(const struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct migration *migration = &plan->steps[i].migration;
        if (migration->state == MIGRATION_CHANGED)
            return error_set(plan->err, NOVA_FAILED_PRECONDITION,
                             "%s/%s changed after it was carried out for %s: restore it, and put "
                             "the change into a new file",
                             plan->options->directory, migration->file, migration->service);
        if (migration->state == MIGRATION_MISSING)
            return error_set(plan->err, NOVA_FAILED_PRECONDITION,
                             "%s was carried out for %s and is not in %s: is this an older Nova "
                             "than the database?",
                             migration->file, migration->service, plan->options->directory);
    }
    return NOVA_OK;
}

static enum nova_status expand_for(const char **out, struct plan *plan, const struct step *step)
{
    const char *service = step->migration.service;
    static const char *const kinds[] = {"service", "relay", "signer", "consumer", "owner"};
    enum { KINDS = sizeof kinds / sizeof *kinds };
    struct variable variables[KINDS + 1] = {{"service", service}};
    for (size_t i = 0; i < KINDS; i++) {
        variables[i + 1].name = arena_printf(plan->arena, "%s_role", kinds[i]);
        variables[i + 1].value = arena_printf(plan->arena, "%s_%s", service, kinds[i]);
    }
    return expand_variables(out, plan->arena, step->file->sql, variables, KINDS + 1, plan->err);
}

static int ms_since(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int)((now.tv_sec - start->tv_sec) * 1000 + (now.tv_nsec - start->tv_nsec) / 1000000);
}

// The number of the transaction that is open, to see that a file did not end it.
static enum nova_status transaction_id(char out[32], struct plan *plan)
{
    struct pg_result *result;
    enum nova_status status = pg_query(&result, plan->admin, sql_transaction, NULL, 0, plan->err);
    if (status == NOVA_OK) {
        snprintf(out, 32, "%s", pg_get_text(result, 0, 0));
        pg_result_destroy(&result);
    }
    return status;
}

// One attempt, up to COMMIT. The caller rolls back.
static enum nova_status apply_once(struct plan *plan, struct step *step, const char *sql)
{
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    char before[32], after[32];
    enum nova_status status = pg_exec(plan->admin,
                                      "BEGIN; SET LOCAL statement_timeout = 0;"
                                      "SET LOCAL lock_timeout = '" FILE_LOCK_WAIT "'",
                                      plan->err);
    if (status == NOVA_OK)
        status = transaction_id(before, plan);
    if (status == NOVA_OK)
        status = pg_exec(plan->admin, sql, plan->err);
    if (status == NOVA_OK)
        status = pg_exec(plan->admin, "RESET ROLE", plan->err);
    if (status == NOVA_OK)
        status = transaction_id(after, plan);
    if (status != NOVA_OK)
        return status;
    if (strcmp(before, after) != 0)
        return error_set(plan->err, NOVA_INVALID_ARGUMENT,
                         "it ends its transaction: a file must hold no COMMIT or ROLLBACK");
    step->migration.took_ms = ms_since(&start);
    const struct pg_param note[] = {
        pg_text(step->migration.service),
        pg_text(step->migration.file),
        pg_bytea((struct bytes){step->file->sha256, MIGRATION_DIGEST_BYTES}),
        pg_int4(step->migration.took_ms),
    };
    status = pg_query(NULL, plan->admin, sql_note, note, 4, plan->err);
    return status == NOVA_OK ? pg_exec(plan->admin, "COMMIT", plan->err) : status;
}

static bool is_worth_another_attempt(const struct pg *admin)
{
    const char *state = pg_failed_state(admin);
    return strcmp(state, "55P03") == 0 || strcmp(state, "40P01") == 0; // lock timeout, deadlock
}

static enum nova_status apply(struct plan *plan, struct step *step)
{
    const char *sql;
    enum nova_status status = expand_for(&sql, plan, step);
    for (int attempt = 1; status == NOVA_OK; attempt++) {
        status = apply_once(plan, step, sql);
        if (status == NOVA_OK)
            break;
        bool again = is_worth_another_attempt(plan->admin) && attempt < RUNNER_LOCK_ATTEMPTS_MAX;
        pg_rollback(plan->admin);
        if (!again)
            break;
        struct timespec pause = {.tv_nsec = 50000000L * attempt}; // others get their turn
        nanosleep(&pause, NULL);
        status = NOVA_OK;
    }
    if (status != NOVA_OK) {
        error_while(plan->err, "%s/%s for %s", plan->options->directory, step->migration.file,
                    step->migration.service);
        return status;
    }
    if (plan->options->applied)
        plan->options->applied(plan->options->context, step->migration.service,
                               step->migration.file, step->migration.took_ms);
    return NOVA_OK;
}

// Whether a role is of a service that lies in this PostgreSQL, or of none, as operator is.
static bool is_ours(const struct migrations_options *options, const char *role)
{
    const char *const *all, *const *chosen;
    size_t all_count = migration_services(&all), chosen_count = chosen_services(&chosen, options);
    for (size_t i = 0; i < all_count; i++) {
        size_t len = strlen(all[i]);
        if (strncmp(role, all[i], len) != 0 || role[len] != '_')
            continue;
        for (size_t j = 0; j < chosen_count; j++) {
            if (strcmp(chosen[j], all[i]) == 0)
                return true;
        }
        return false;
    }
    return true;
}

static enum nova_status set_password(struct plan *plan, const struct migrations_password *given)
{
    struct pg_result *role, *statement;
    struct pg_param params[2] = {pg_text(given->role)};
    enum nova_status status = pg_query(&role, plan->admin, sql_role, params, 1, plan->err);
    if (status != NOVA_OK)
        return status;
    bool exists = pg_rows(role) == 1;
    const char *stored = exists ? pg_get_text(role, 0, 1) : NULL;
    bool same = stored && pg_get_bool(role, 0, 0) && scram_matches(stored, given->password);
    pg_result_destroy(&role);
    if (!exists)
        return error_set(plan->err, NOVA_NOT_FOUND, "no migration makes such a role");
    if (same)
        return NOVA_OK;
    char verifier[SCRAM_VERIFIER_BYTES];
    status = scram_verifier_new(verifier, given->password, plan->err);
    if (status != NOVA_OK)
        return status;
    params[1] = pg_text(verifier);
    status = pg_query(&statement, plan->admin, sql_set_password, params, 2, plan->err);
    if (status != NOVA_OK)
        return status;
    status = pg_exec(plan->admin, pg_get_text(statement, 0, 0), plan->err);
    pg_result_destroy(&statement);
    return status;
}

static enum nova_status set_passwords(struct plan *plan)
{
    for (size_t i = 0; i < plan->options->password_count; i++) {
        const struct migrations_password *given = &plan->options->passwords[i];
        if (!is_ours(plan->options, given->role))
            continue;
        enum nova_status status = set_password(plan, given);
        if (status != NOVA_OK) {
            error_while(plan->err, "setting the password of %s", given->role);
            return status;
        }
    }
    return NOVA_OK;
}

static enum nova_status take_lock(struct plan *plan)
{
    // The lock is the session's and stays behind the COMMIT, which ends the time limits.
    enum nova_status status = pg_exec(plan->admin,
                                      "BEGIN; SET LOCAL statement_timeout = 0;"
                                      "SET LOCAL lock_timeout = '" RUNNER_LOCK_WAIT "'",
                                      plan->err);
    if (status == NOVA_OK)
        status = pg_query(NULL, plan->admin, sql_lock, NULL, 0, plan->err);
    if (status != NOVA_OK && strcmp(pg_failed_state(plan->admin), "55P03") == 0)
        error_while(plan->err, "another migration has been running for " RUNNER_LOCK_WAIT);
    if (status == NOVA_OK)
        status = pg_exec(plan->admin, "COMMIT", plan->err);
    pg_rollback(plan->admin);
    return status;
}

static enum nova_status run_locked(struct plan *plan)
{
    enum nova_status status = pg_exec(plan->admin, sql_track, plan->err);
    if (status == NOVA_OK)
        status = plan_make(plan);
    if (status == NOVA_OK)
        status = plan_refuse_changes(plan);
    for (size_t i = 0; i < plan->count && status == NOVA_OK; i++) {
        if (plan->steps[i].migration.state == MIGRATION_PENDING)
            status = apply(plan, &plan->steps[i]);
    }
    return status == NOVA_OK ? set_passwords(plan) : status;
}

enum nova_status migrations_run(struct pg *admin, const struct migrations_options *options,
                                struct error *err)
{
    struct plan plan = {.admin = admin, .options = options, .err = err};
    enum nova_status status = take_lock(&plan);
    if (status != NOVA_OK)
        return status;
    plan.arena = arena_create();
    status = run_locked(&plan);
    arena_destroy(&plan.arena);
    // With a lost connection the lock is gone already.
    enum nova_status unlocked = pg_query(NULL, admin, sql_unlock, NULL, 0, NULL);
    (void)unlocked;
    return status;
}

enum nova_status migrations_status(const struct migration **out, size_t *count, struct pg *admin,
                                   const struct migrations_options *options, struct arena *arena,
                                   struct error *err)
{
    struct plan plan = {.admin = admin, .options = options, .arena = arena, .err = err};
    enum nova_status status = plan_make(&plan);
    if (status != NOVA_OK)
        return status;
    struct migration *list = arena_alloc(arena, plan.count * sizeof *list);
    for (size_t i = 0; i < plan.count; i++)
        list[i] = plan.steps[i].migration;
    *out = list;
    *count = plan.count;
    return NOVA_OK;
}

enum nova_status migrations_verify(struct pg *admin, const struct migrations_options *options,
                                   struct error *err)
{
    struct arena *arena = arena_create();
    const struct migration *list, *first = NULL;
    size_t count = 0, others = 0;
    enum nova_status status = migrations_status(&list, &count, admin, options, arena, err);
    for (size_t i = 0; i < count; i++) {
        if (list[i].state == MIGRATION_APPLIED)
            continue;
        others += first != NULL;
        first = first ? first : &list[i];
    }
    if (status == NOVA_OK && first)
        status = error_set(err, NOVA_FAILED_PRECONDITION,
                           "%s of %s is %s; %zu more files are not as they should be", first->file,
                           first->service, migration_state_name(first->state), others);
    arena_destroy(&arena);
    return status;
}
