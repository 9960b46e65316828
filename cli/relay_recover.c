// relay_recover.c - `nova relay recover SERVICE`: what would happen, said; what happens, in order.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/access.h"
#include "base/log.h"
#include "base/seal.h"
#include "cli/relay.h"
#include "outbox-relay/recover.h"
#include "projections/new_log.h"
#include "services/identity/rederive.h"

struct recovering {
    const struct settings *settings;
    const char *service;
    bool import, fork, dry_run;
    struct recover *recover;
    struct seal_key master;
    struct rederive rederive; // identity's inline tables
};

// ---- what people read ---------------------------------------------------------------------------

static void say_state(const struct recovering *r, const struct recover_state *state)
{
    const struct recover_seen *seen = &state->seen;
    printf("%s: outbox and stream share %" PRId64 " events, the same up to event %" PRId64 ".\n",
           r->service, seen->shared, seen->common.n);
    if (seen->missing > 0)
        printf("The outbox lacks %" PRId64 " events of the stream, from event %" PRId64
               " (position %" PRId64 ") to event %" PRId64 " (position %" PRId64 ").\n",
               seen->missing, seen->first_missing.n, seen->first_missing.position,
               seen->last_missing.n, seen->last_missing.position);
    if (seen->foreign > 0)
        printf("The stream lacks %" PRId64 " events of the outbox: %s.\n", seen->foreign,
               seen->missing > 0 ? "appended since the restore" : "not published yet");
    if (seen->unreadable > 0)
        printf("%" PRId64 " messages of the stream cannot be read.\n", seen->unreadable);
}

static void say_list(const char *what, const struct rederived_list *list)
{
    if (list->count == 0)
        return;
    printf("%" PRId64 " %s:\n", list->count, what);
    for (int64_t i = 0; i < list->count && i < REDERIVE_NAMES_MAX; i++) {
        char id[UUID_TEXT_BYTES];
        uuid_format(id, &list->named[i]);
        printf("  user %s\n", id);
    }
    if (list->count > REDERIVE_NAMES_MAX)
        printf("  and %" PRId64 " more\n", list->count - REDERIVE_NAMES_MAX);
}

static void say_lost(const struct recovering *r, const struct recover_lost_keys *lost)
{
    const struct rederive *identity = &r->rederive;
    if (identity->renamed + identity->deleted + identity->sessions > 0)
        printf("Derived again: %" PRId64 " changes of names, %" PRId64 " deletions, %" PRId64
               " sessions.\n",
               identity->renamed, identity->deleted, identity->sessions);
    say_list("accounts are back without their password, which the log does not hold",
             &identity->without_password);
    say_list("users have no account: their key is lost, and their e-mail and handle with it",
             &identity->without_account);
    say_list("users keep their older names: the key of the newer ones is lost",
             &identity->renamed_unknown);
    if (lost->count > 0)
        printf("%" PRId64
               " keys of persons are lost, which the log does not hold; what they sealed "
               "stays closed:\n",
               lost->count);
    for (size_t i = 0; i < lost->named; i++) {
        char key[UUID_TEXT_BYTES], aggregate[UUID_TEXT_BYTES];
        uuid_format(key, &lost->at[i].key_id);
        uuid_format(aggregate, &lost->at[i].aggregate_id);
        printf("  key %s, first met in %s %s\n", key, lost->at[i].aggregate_type, aggregate);
    }
    if (lost->count > (int64_t)lost->named)
        printf("  and %" PRId64 " more\n", lost->count - (int64_t)lost->named);
    fflush(stdout);
}

// ---- import -------------------------------------------------------------------------------------

static enum nova_status visit_inline(void *context, struct pg *pg,
                                     const struct stream_message *message, struct arena *arena,
                                     struct error *err)
{
    struct recovering *r = context;
    return rederive_event(&r->rederive, pg, &message->event, arena, err);
}

static enum nova_status recover_by_import(struct recovering *r, struct error *err)
{
    struct recover_state state;
    struct recover_lost_keys lost;
    struct recover_visitor inline_tables = {visit_inline, r};
    bool is_identity = strcmp(r->service, "identity") == 0;
    enum nova_status status = recover_look(&state, r->recover, NULL, err);
    if (status != NOVA_OK)
        return status;
    say_state(r, &state);
    const char *refused = recover_import_refused(&state);
    if (refused != NULL && state.seen.missing == 0 && !state.forking) {
        printf("Nothing to take back.\n"); // also after one that was killed behind its end
        return r->dry_run ? NOVA_OK : recover_release(r->recover, true, err);
    }
    if (refused != NULL)
        return error_set(err, NOVA_FAILED_PRECONDITION, "%s: %s", r->service, refused);
    if (!r->dry_run)
        status = recover_hold(r->recover, "import", err);
    if (status == NOVA_OK)
        status = recover_import(&state, &lost, r->recover, is_identity ? &inline_tables : NULL,
                                r->dry_run, err);
    // Something was appended just before the hold: nothing was begun.
    struct error ignored;
    if (status == NOVA_FAILED_PRECONDITION && !r->dry_run &&
        recover_release(r->recover, true, &ignored) != NOVA_OK)
        command_say("%s's relay stays paused: ./nova relay status %s", r->service, r->service);
    if (status != NOVA_OK)
        return status;
    printf("%s %" PRId64 " events with their own positions, ids and times.\n",
           r->dry_run ? "Would take back" : "Took back", state.seen.missing);
    say_lost(r, &lost);
    return NOVA_OK;
}

// ---- fork ---------------------------------------------------------------------------------------

static void say_projection(const char *projection)
{
    printf("Rebuilding %s.\n", projection);
    fflush(stdout);
}

static void say_fork_plan(const struct recovering *r, const struct recover_fork_steps *steps,
                          const struct recover_state *state)
{
    if (steps->keep)
        printf("Would keep %" PRId64 " events in a file of %s/recovered.\n", state->seen.missing,
               settings_text(r->settings, SETTING_HOME));
    if (steps->relog)
        printf("Would give all %" PRId64
               " events of the outbox a new log id; their leaves change.\n",
               state->seen.shared + state->seen.foreign);
    if (steps->empty)
        printf("Would bring reactors to event %" PRId64
               ", delete the stream and have the relay fill it again.\n",
               state->seen.common.n);
    printf("Would rebuild every projection that reads %s.\n", r->service);
}

static enum nova_status fork_keep(struct recovering *r, const struct recover_state *state,
                                  struct error *err)
{
    char folder[PATH_MAX], path[PATH_MAX];
    enum nova_status status = access_path(folder, r->settings, err, "recovered");
    if (status == NOVA_OK)
        status = recover_keep(path, r->recover, state, folder, err);
    if (status == NOVA_OK)
        printf("Kept %" PRId64 " events in %s\n", state->seen.missing, path);
    return status;
}

static enum nova_status fork_relog(struct recovering *r, struct recover_state *state,
                                   struct error *err)
{
    char text[UUID_TEXT_BYTES];
    enum nova_status status = recover_relog(&state->outbox_log, r->recover, state, err);
    uuid_format(text, &state->outbox_log);
    if (status == NOVA_OK)
        printf("The log is %s from here on.\n", text);
    return status;
}

static enum nova_status fork_empty(struct recovering *r, const struct recover_state *state,
                                   struct error *err)
{
    size_t reactors;
    const struct recover_place *common = &state->seen.common;
    const struct inbox_checkpoint checkpoint = {state->outbox_log, common->position, common->n,
                                                common->event_id};
    enum nova_status status =
        new_log_reactors(&reactors, r->settings, r->service, &checkpoint, err);
    if (status == NOVA_OK)
        status = recover_empty_stream(r->recover, err);
    if (status == NOVA_OK)
        printf("%zu reactors stand at event %" PRId64 " or before; the stream was made again.\n",
               reactors, common->n);
    return status;
}

static enum nova_status fork_in_steps(struct recovering *r, struct recover_state *state,
                                      struct error *err)
{
    enum nova_status status = recover_hold(r->recover, "fork", err);
    if (status == NOVA_OK) // with the relay at rest
        status = recover_look(state, r->recover, NULL, err);
    struct recover_fork_steps steps = recover_fork_next(state);
    if (status == NOVA_OK && steps.keep)
        status = fork_keep(r, state, err);
    if (status == NOVA_OK && steps.relog)
        status = fork_relog(r, state, err);
    if (status == NOVA_OK && steps.empty)
        status = fork_empty(r, state, err);
    fflush(stdout);
    if (status == NOVA_OK)
        status = recover_release(r->recover, false, err);
    if (status == NOVA_OK)
        status = recover_wait_filled(r->recover, err);
    if (status == NOVA_OK)
        status = new_log_projections(r->settings, r->service, say_projection, err);
    return status == NOVA_OK ? recover_release(r->recover, true, err) : status;
}

static enum nova_status recover_by_fork(struct recovering *r, struct error *err)
{
    struct recover_state state;
    enum nova_status status = recover_look(&state, r->recover, NULL, err);
    if (status != NOVA_OK)
        return status;
    say_state(r, &state);
    const char *refused = recover_fork_refused(&state);
    if (refused != NULL)
        return error_set(err, NOVA_FAILED_PRECONDITION, "%s: %s", r->service, refused);
    if (!r->dry_run)
        return fork_in_steps(r, &state, err);
    struct recover_fork_steps steps = recover_fork_next(&state);
    say_fork_plan(r, &steps, &state);
    return NOVA_OK;
}

// ---- the command --------------------------------------------------------------------------------

static enum nova_status look(struct recovering *r, struct error *err)
{
    struct recover_state state;
    enum nova_status status = recover_look(&state, r->recover, NULL, err);
    if (status != NOVA_OK)
        return status;
    say_state(r, &state);
    const char *import_refused = recover_import_refused(&state);
    const char *fork_refused = recover_fork_refused(&state);
    if (import_refused == NULL)
        printf("May be done: ./nova relay recover %s --import\n", r->service);
    else
        printf("--import is refused: %s\n", import_refused);
    if (fork_refused == NULL)
        printf("May be done: ./nova relay recover %s --fork\n", r->service);
    return NOVA_OK;
}

static enum nova_status recover(struct recovering *r, struct error *err)
{
    enum nova_status status = seal_start(err);
    if (status == NOVA_OK)
        status = access_master_key(&r->master, r->settings, r->service, err);
    if (status == NOVA_OK)
        status = recover_open(&r->recover, r->settings, r->service, err);
    r->rederive = (struct rederive){
        .master = &r->master,
        .reuse_days = settings_int(r->settings, SETTING_IDENTITY_NAME_REUSE_DAYS)};
    if (status == NOVA_OK)
        status = r->import ? recover_by_import(r, err)
                 : r->fork ? recover_by_fork(r, err)
                           : look(r, err);
    recover_close(&r->recover);
    seal_key_forget(&r->master);
    return status;
}

int relay_recover(const struct settings *settings, int argc, char **argv)
{
    struct error err = {0};
    struct recovering r = {.settings = settings};
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--import") == 0) {
            r.import = true;
        } else if (strcmp(argv[i], "--fork") == 0) {
            r.fork = true;
        } else if (strcmp(argv[i], "--dry-run") == 0) {
            r.dry_run = true;
        } else if (r.service == NULL && argv[i][0] != '-') {
            r.service = relay_service(argv[i]);
            if (r.service == NULL)
                return EXIT_CODE_USAGE;
        } else {
            return command_usage("relay", "relay recover takes no '%s'", argv[i]);
        }
    }
    if (r.service == NULL)
        return command_usage("relay", "relay recover wants a service");
    if (r.import == r.fork && (r.import || !r.dry_run))
        return command_usage("relay", "relay recover wants --import or --fork, or --dry-run alone");
    log_start("recover");
    return recover(&r, &err) == NOVA_OK ? EXIT_CODE_OK : command_failed(&err);
}
