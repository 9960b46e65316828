// log_verify.c - `nova log verify`: is what outbox and stream hold what was signed? If not, from
// which event on.
//
// All copies are read once, side by side (log_walk.h); at each checkpoint that was signed until
// then the root says which of them is right (audit/compare.h). Memory is the same for any log.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/compare.h"
#include "bus/topology.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/log.h"
#include "cli/log_policy.h"
#include "cli/log_walk.h"
#include "cli/progress.h"

static_assert((int)LOG_COPIES == (int)COMPARE_COPIES_MAX, "all are compared");

enum { SEEN_MAX = LOG_COPIES, TYPE_BYTES = EVENT_TYPE_BYTES_MAX + 1 };

struct arguments {
    const char *service, *checkpoint, *key, *required;
    struct checkpoint_policy policy; // the witnesses
};

// Where two copies began to differ: what each had there.
struct seen {
    uint64_t n;
    bool there[LOG_COPIES], is_read[LOG_COPY_TREE];
    struct uuid event_id[LOG_COPY_TREE];
    int64_t position[LOG_COPY_TREE];
    char type[LOG_COPY_TREE][TYPE_BYTES];
};

struct verify {
    const struct settings *settings;
    const struct arguments *arguments;
    struct log_audit audit;
    struct tree_checkpoint target;   // up to which is verified
    struct checkpoint_opened opened; // the same
    struct log_walk walk;
    struct compare compare;
    struct seen seen[SEEN_MAX];
    size_t seen_count;
    struct merkle_hash judged; // the root at the last checkpoint
    bool bad;
};

// ---- what is told -------------------------------------------------------------------------------

static void name_event(char out[160], const struct seen *seen, enum log_copy copy)
{
    char id[UUID_TEXT_BYTES];
    uuid_format(id, &seen->event_id[copy]);
    if (seen->is_read[copy])
        snprintf(out, 160, "%s (%s, position %" PRId64 ")", id, seen->type[copy],
                 seen->position[copy]);
    else
        snprintf(out, 160, "what is no event of ours");
}

// Outbox or stream, beside the other one where that is what was signed.
static void tell_copy(const struct verify *verify, enum log_copy copy, const struct seen *seen)
{
    static const char *const where[] = {"the outbox", "the stream"};
    enum log_copy other = copy == LOG_COPY_OUTBOX ? LOG_COPY_STREAM : LOG_COPY_OUTBOX;
    char is[160], was[160];
    bool is_known = !verify->compare.copies[other].out && seen->is_read[other];
    name_event(is, seen, copy);
    name_event(was, seen, other);
    printf("%s: event %" PRIu64 ": ", verify->audit.service, seen->n);
    if (!seen->there[copy])
        printf("%s does not hold it any more%s%s\n", where[copy], is_known ? ": " : "",
               is_known ? was : "");
    else if (!is_known)
        printf("%s has %s, and that is not what was signed\n", where[copy], is);
    else if (uuid_equal(&seen->event_id[copy], &seen->event_id[other]))
        printf("%s, is not in %s as it was signed: it was changed\n", was, where[copy]);
    else
        printf("%s was signed, and %s has %s in its place\n", was, where[copy], is);
}

static const struct seen *find_seen(const struct verify *verify, uint64_t n)
{
    for (size_t i = 0; i < verify->seen_count; i++)
        if (verify->seen[i].n == n)
            return &verify->seen[i];
    return NULL;
}

static void tell(struct verify *verify, enum log_copy copy, uint64_t from)
{
    const struct compare_copy *it = &verify->compare.copies[copy];
    const struct seen *seen = find_seen(verify, it->first);
    static const char *const names[] = {"the outbox", "the stream", "the stored tree"};
    verify->bad = true;
    if (it->first == 0 || seen == NULL)
        printf("%s: events %" PRIu64 " to %" PRIu64
               ": %s is not what was signed, and no other copy is: the first event that differs is "
               "among them\n",
               verify->audit.service, from + 1, it->ended ? verify->target.size : verify->compare.n,
               names[copy]);
    else if (copy == LOG_COPY_TREE)
        printf("%s: event %" PRIu64 ": the stored tree (log_tile) has another hash than was "
               "signed\n",
               verify->audit.service, it->first);
    else
        tell_copy(verify, copy, seen);
}

static void note_seen(struct verify *verify, const struct log_walked *walked)
{
    struct seen *seen = &verify->seen[verify->seen_count++];
    *seen = (struct seen){.n = walked->n};
    for (int copy = 0; copy < LOG_COPIES; copy++)
        seen->there[copy] = walked->hashes[copy] != NULL;
    for (int copy = 0; copy < LOG_COPY_TREE; copy++) {
        if (!walked->is_read[copy])
            continue;
        seen->is_read[copy] = true;
        seen->event_id[copy] = walked->events[copy].event_id;
        seen->position[copy] = walked->events[copy].position;
        snprintf(seen->type[copy], TYPE_BYTES, "%s", walked->events[copy].type);
    }
}

// ---- the walk -----------------------------------------------------------------------------------

// The next event of all copies. *any: one of them has it.
static enum nova_status walk_one(struct verify *verify, bool *any, struct error *err)
{
    struct log_walked walked;
    enum nova_status status = log_walk_next(&walked, &verify->walk, err);
    *any = false;
    if (status != NOVA_OK)
        return status;
    for (int copy = 0; copy < LOG_COPIES; copy++)
        *any |= walked.hashes[copy] != NULL;
    if (compare_event(&verify->compare, walked.hashes) && verify->seen_count < SEEN_MAX)
        note_seen(verify, &walked);
    return NOVA_OK;
}

static void judge(struct verify *verify, const struct merkle_hash *root)
{
    bool was_out[LOG_COPIES];
    uint64_t from = verify->compare.from;
    for (int copy = 0; copy < LOG_COPIES; copy++)
        was_out[copy] = verify->compare.copies[copy].out;
    compare_signed(&verify->compare, root);
    verify->judged = *root;
    for (int copy = 0; copy < LOG_COPIES; copy++)
        if (verify->compare.copies[copy].out && !was_out[copy])
            tell(verify, (enum log_copy)copy, from);
    verify->seen_count = 0;
}

// Also when every copy ended before it.
static void judge_target(struct verify *verify)
{
    const struct tree_checkpoint *target = &verify->target;
    if (verify->compare.from < verify->compare.n) {
        judge(verify, &target->root);
    } else if (!merkle_hash_same(&verify->judged, &target->root)) {
        verify->bad = true;
        printf("%s: two checkpoints of %" PRIu64
               " events are signed, with different roots: a fork; "
               "keep both\n",
               verify->audit.service, target->size);
    }
}

static enum nova_status walk_all(struct verify *verify, struct error *err)
{
    struct tree_checkpoint next;
    struct progress progress;
    struct arena *arena = arena_create(); // of one checkpoint
    enum nova_status status = log_audit_from(&next, &verify->audit, 1, arena, err);
    bool any = true;
    progress_begin(&progress, verify->audit.service, (int64_t)verify->target.size);
    while (status == NOVA_OK && any && verify->compare.n < verify->target.size) {
        status = walk_one(verify, &any, err);
        uint64_t n = verify->compare.n;
        if (status == NOVA_OK && next.size == n) {
            judge(verify, &next.root);
            arena_reset(arena);
            status = log_audit_from(&next, &verify->audit, n + 1, arena, err);
        }
        progress_tell(&progress, (int64_t)n);
    }
    progress_end(&progress);
    if (status == NOVA_OK)
        judge_target(verify);
    arena_destroy(&arena);
    return status;
}

// ---- one service --------------------------------------------------------------------------------

// A log without events needs no checkpoint; one with events and none does.
static enum nova_status check_empty(struct verify *verify, struct error *err)
{
    char sql[96];
    struct pg_result *row = NULL;
    snprintf(sql, sizeof sql, "SELECT EXISTS (SELECT FROM %s.outbox)", verify->audit.service);
    enum nova_status status = pg_query(&row, verify->audit.pg, sql, NULL, 0, err);
    bool is_empty = status == NOVA_OK && !pg_get_bool(row, 0, 0);
    pg_result_destroy(&row);
    if (status != NOVA_OK || is_empty)
        return status;
    return log_audit_last(&verify->target, &verify->audit, err); // says that there is none
}

// The last one that was signed: the one on the bus, if PostgreSQL has forgotten it.
static enum nova_status choose(struct verify *verify, struct error *err)
{
    struct tree_checkpoint published;
    struct log_audit *audit = &verify->audit;
    // The bus first: what was published is stored by then.
    enum nova_status status = log_audit_published(&published, audit, verify->settings, err);
    if (status == NOVA_OK)
        status = tree_last_checkpoint(&verify->target, &audit->tree, audit->arena, err);
    if (status != NOVA_OK)
        return status;
    if (published.size == 0 && verify->target.size == 0)
        return check_empty(verify, err);
    if (published.size <= verify->target.size)
        return log_audit_last(&verify->target, audit, err);
    verify->target = published;
    status = log_audit_reach(audit, published.size, err);
    if (status == NOVA_OK && published.size > audit->tree.range.size)
        printf("%s: a checkpoint of %" PRIu64
               " events was published, and the stored tree has %" PRIu64 "\n",
               audit->service, published.size, audit->tree.range.size);
    return status;
}

static void say_result(struct verify *verify)
{
    struct arena *arena = verify->audit.arena;
    struct checkpoint_policy *policy = &verify->audit.policy;
    const char *witnessed = log_witnessed_text(arena, &verify->audit.opened, policy);
    if (!verify->bad)
        printf("%s: %" PRIu64 " events: outbox, stream and tree are what was signed; %s\n",
               verify->audit.service, verify->target.size, witnessed);
    else
        printf("%s: %" PRIu64 " events were signed; %s\n", verify->audit.service,
               verify->target.size, witnessed);
    if (policy->required > 0 && !verify->audit.opened.witnessed)
        verify->bad = true;
}

static enum nova_status verify_opened(struct verify *verify, struct error *err)
{
    struct client client;
    struct log_audit *audit = &verify->audit;
    const struct checkpoint_policy *witnesses = &verify->arguments->policy;
    memcpy(audit->policy.witnesses, witnesses->witnesses, sizeof witnesses->witnesses);
    audit->policy.witness_count = witnesses->witness_count;
    audit->policy.required = witnesses->required;
    enum nova_status status =
        verify->arguments->checkpoint != NULL
            ? log_audit_read(&verify->target, audit, verify->arguments->checkpoint, err)
            : choose(verify, err);
    verify->opened = audit->opened;
    if (status == NOVA_OK)
        status = log_audit_reach(audit, verify->target.size, err);
    if (status != NOVA_OK || verify->target.size == 0) {
        if (status == NOVA_OK)
            printf("%s: no events\n", audit->service);
        return status;
    }
    compare_begin(&verify->compare, LOG_COPIES);
    status = client_open(&client, verify->settings, "auditor", err);
    if (status == NOVA_OK)
        status = log_walk_open(&verify->walk, audit, client.connection, verify->target.size, err);
    if (status == NOVA_OK)
        status = walk_all(verify, err);
    if (verify->walk.arena != NULL)
        log_walk_close(&verify->walk);
    client_close(&client);
    audit->opened = verify->opened;
    if (status == NOVA_OK)
        say_result(verify);
    return status;
}

static enum nova_status verify_service(bool *bad, const struct settings *settings,
                                       const struct arguments *arguments, const char *service,
                                       struct error *err)
{
    struct verify *verify = calloc(1, sizeof *verify);
    if (verify == NULL)
        abort();
    verify->settings = settings;
    verify->arguments = arguments;
    enum nova_status status =
        log_audit_open(&verify->audit, settings, service, arguments->key, err);
    if (status == NOVA_OK)
        status = verify_opened(verify, err);
    *bad |= verify->bad;
    log_audit_close(&verify->audit);
    free(verify);
    return status;
}

// ---- the command --------------------------------------------------------------------------------

static int parse_arguments(struct arguments *arguments, int argc, char **argv)
{
    struct error err = {0};
    const struct {
        const char *option, **value;
    } options[] = {{"--service", &arguments->service},
                   {"--checkpoint", &arguments->checkpoint},
                   {"--key", &arguments->key},
                   {"--required", &arguments->required}};
    for (int i = 1; i < argc; i += 2) {
        const char **value = NULL;
        bool is_witness = strcmp(argv[i], "--witness") == 0;
        for (size_t j = 0; j < sizeof options / sizeof *options; j++)
            if (strcmp(argv[i], options[j].option) == 0)
                value = options[j].value;
        if (value == NULL && !is_witness)
            return command_usage("log", "verify does not know '%s'", argv[i]);
        if (i + 1 == argc)
            return command_usage("log", "%s wants a value", argv[i]);
        if (is_witness && log_add_witness(&arguments->policy, argv[i + 1], &err) != NOVA_OK)
            return command_failed(&err);
        if (!is_witness)
            *value = argv[i + 1];
    }
    if (arguments->service != NULL && topology_stream_of(arguments->service) == NULL)
        return command_usage("log", "no service '%s' has a log", arguments->service);
    if ((arguments->checkpoint || arguments->key) && arguments->service == NULL)
        return command_usage("log", "--checkpoint and --key are of one log: say --service too");
    return log_parse_required(&arguments->policy, arguments->required);
}

int log_verify(const struct settings *settings, int argc, char **argv)
{
    struct error err = {0};
    struct arguments arguments = {.service = NULL};
    bool bad = false;
    int code = parse_arguments(&arguments, argc, argv);
    if (code != EXIT_CODE_OK)
        return code;
    for (size_t i = 0; i < topology_stream_count(); i++) {
        const char *service = topology_stream_service(i);
        if (arguments.service != NULL && strcmp(arguments.service, service) != 0)
            continue;
        if (verify_service(&bad, settings, &arguments, service, &err) != NOVA_OK)
            return command_failed(&err);
        fflush(stdout);
    }
    return bad ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}
