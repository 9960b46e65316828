// log_prove.c - `nova log prove`, `prove-consistency` and `checkpoint`: what an auditor takes home.
//
// A proof that was made is checked as its reader will check it, before it is written.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/proof.h"
#include "bus/leaf.h"
#include "bus/topology.h"
#include "cli/command.h"
#include "cli/log.h"
#include "cli/log_audit.h"
#include "cli/log_rows.h"

enum { SQL_BYTES = 512, WORDS_MAX = 2 };

struct asked {
    const char *words[WORDS_MAX]; // what is no option
    size_t count;
    const char *out, *key, *checkpoint, *service, *size;
};

static int parse_arguments(struct asked *asked, const char *command, size_t words, int argc,
                           char **argv)
{
    const struct {
        const char *option, **value;
    } options[] = {{"-o", &asked->out},
                   {"--key", &asked->key},
                   {"--checkpoint", &asked->checkpoint},
                   {"--service", &asked->service},
                   {"--size", &asked->size}};
    for (int i = 1; i < argc; i++) {
        const char **value = NULL;
        for (size_t j = 0; j < sizeof options / sizeof *options; j++)
            if (strcmp(argv[i], options[j].option) == 0)
                value = options[j].value;
        if (value == NULL && (argv[i][0] == '-' || asked->count == words))
            return command_usage("log", "%s does not know '%s'", command, argv[i]);
        if (value != NULL && i + 1 == argc)
            return command_usage("log", "%s wants a value", argv[i]);
        if (value != NULL)
            *value = argv[++i];
        else
            asked->words[asked->count++] = argv[i];
    }
    if (asked->count < words)
        return command_usage("log", "%s wants %s", command,
                             strcmp(command, "prove") == 0 ? "an event's id"
                             : words == 2                  ? "two checkpoints, files or sizes"
                                                           : "a service");
    if (asked->service != NULL && topology_stream_of(asked->service) == NULL)
        return command_usage("log", "no service '%s' has a log", asked->service);
    return EXIT_CODE_OK;
}

// ---- prove --------------------------------------------------------------------------------------

static enum nova_status read_leaf(struct bytes *out, uint64_t *n, struct log_audit *audit,
                                  struct event event, struct error *err)
{
    enum nova_status status = tree_number(n, &audit->tree, event.position, err);
    if (status == NOVA_OK && *n == 0)
        return error_set(err, NOVA_UNAVAILABLE,
                         "%s's tree has not come to that event yet (it has %" PRIu64
                         "): try again in a second, or look at ./nova status",
                         audit->service, audit->tree.range.size);
    event.n = (int64_t)*n;
    size_t len = leaf_bytes_v1(NULL, 0, &event);
    uint8_t *bytes = arena_alloc(audit->arena, len);
    leaf_bytes_v1(bytes, len, &event);
    *out = (struct bytes){bytes, len};
    return status;
}

static enum nova_status check_written(const struct log_audit *audit, const char *text,
                                      struct error *err)
{
    struct proof_checked checked;
    if (proof_check(&checked, audit->arena, text, strlen(text), &audit->policy, err) == NOVA_OK)
        return NOVA_OK;
    return error_while(err, "no proof can be made, ./nova log verify --service %s says why",
                       audit->service);
}

static enum nova_status prove_event(struct log_audit *audit, const struct asked *asked,
                                    const struct event *event, struct error *err)
{
    struct bytes leaf;
    struct tree_checkpoint head;
    struct merkle_proof proof;
    struct merkle_source source = tree_source(&audit->tree);
    uint64_t n = 0;
    enum nova_status status = read_leaf(&leaf, &n, audit, *event, err);
    if (status == NOVA_OK)
        status = asked->checkpoint ? log_audit_read(&head, audit, asked->checkpoint, err)
                                   : log_audit_last(&head, audit, err);
    if (status == NOVA_OK)
        status = log_audit_reach(audit, head.size, err);
    if (status != NOVA_OK)
        return status;
    if (n > head.size || head.size > audit->tree.range.size)
        return error_set(err, NOVA_FAILED_PRECONDITION,
                         "the checkpoint has %" PRIu64 " events, the event is number %" PRIu64
                         ", the tree has %" PRIu64 ": %s",
                         head.size, n, audit->tree.range.size,
                         n > head.size ? "take a later checkpoint, or try again in a second"
                                       : "the tree is older than the checkpoint");
    status = merkle_prove_inclusion(&proof, n - 1, head.size, &source, err);
    if (status != NOVA_OK)
        return status;
    char *text = proof_inclusion_text(audit->arena, leaf, &proof, head.note);
    status = check_written(audit, text, err);
    return status == NOVA_OK ? log_write_out(asked->out, text, err) : status;
}

static enum nova_status prove_in(bool *found, const struct settings *settings,
                                 const struct asked *asked, const struct uuid *event_id,
                                 const char *service, struct error *err)
{
    char sql[SQL_BYTES];
    struct log_audit audit;
    struct pg_result *rows = NULL;
    const struct pg_param id = pg_uuid(event_id);
    snprintf(sql, sizeof sql, "SELECT " LOG_COLUMNS " FROM %s.outbox WHERE event_id = $1", service);
    enum nova_status status = log_audit_open(&audit, settings, service, asked->key, err);
    if (status == NOVA_OK)
        status = pg_query(&rows, audit.pg, sql, &id, 1, err);
    *found = pg_rows(rows) > 0;
    if (status == NOVA_OK && *found) {
        struct event event = log_row_event(rows, 0);
        status = prove_event(&audit, asked, &event, err);
    }
    pg_result_destroy(&rows);
    log_audit_close(&audit);
    return status;
}

int log_prove(const struct settings *settings, int argc, char **argv)
{
    struct error err = {0};
    struct uuid id;
    struct asked asked = {.count = 0};
    bool found = false;
    int code = parse_arguments(&asked, "prove", 1, argc, argv);
    if (code != EXIT_CODE_OK)
        return code;
    if (!uuid_parse(&id, asked.words[0]))
        return command_usage("log", "prove wants an event's id, a UUID, not '%s'", asked.words[0]);
    if (asked.size != NULL)
        return command_usage("log", "prove does not know '--size'");
    for (size_t i = 0; i < topology_stream_count() && !found; i++) {
        const char *service = topology_stream_service(i);
        if (asked.service != NULL && strcmp(asked.service, service) != 0)
            continue;
        if (prove_in(&found, settings, &asked, &id, service, &err) != NOVA_OK)
            return command_failed(&err);
    }
    if (found)
        return EXIT_CODE_OK;
    error_set(&err, NOVA_NOT_FOUND, "no outbox holds an event of that id");
    return command_failed(&err);
}

// ---- prove-consistency --------------------------------------------------------------------------

static bool parse_size(uint64_t *out, const char *text)
{
    char *end = NULL;
    *out = strtoull(text, &end, 10);
    return *text >= '1' && *text <= '9' && *end == '\0' && strlen(text) < 19;
}

static enum nova_status find_size(struct tree_checkpoint *out, struct log_audit *audit,
                                  uint64_t size, struct error *err)
{
    enum nova_status status = log_audit_from(out, audit, size, audit->arena, err);
    if (status == NOVA_OK && out->size != size)
        return error_set(err, NOVA_NOT_FOUND,
                         "no checkpoint of %s has %" PRIu64 " events: those that were signed stand "
                         "in %s.log_checkpoint",
                         audit->service, size, audit->service);
    return status;
}

// A size, or a file.
static enum nova_status find_checkpoint(struct tree_checkpoint *out, struct log_audit *audit,
                                        const char *word, struct error *err)
{
    uint64_t size;
    return parse_size(&size, word) ? find_size(out, audit, size, err)
                                   : log_audit_read(out, audit, word, err);
}

static enum nova_status prove_growth(struct log_audit *audit, const struct asked *asked,
                                     struct error *err)
{
    struct tree_checkpoint old, head;
    struct merkle_proof proof;
    struct merkle_source source = tree_source(&audit->tree);
    enum nova_status status = find_checkpoint(&old, audit, asked->words[0], err);
    if (status == NOVA_OK)
        status = find_checkpoint(&head, audit, asked->words[1], err);
    if (status == NOVA_OK)
        status = log_audit_reach(audit, head.size, err);
    if (status != NOVA_OK)
        return status;
    if (old.size == 0 || old.size > head.size || head.size > audit->tree.range.size)
        return error_set(err, NOVA_FAILED_PRECONDITION,
                         "no proof leads from %" PRIu64 " to %" PRIu64 " events of %" PRIu64,
                         old.size, head.size, audit->tree.range.size);
    status = merkle_prove_consistency(&proof, old.size, head.size, &source, err);
    if (status != NOVA_OK)
        return status;
    char *text = proof_consistency_text(audit->arena, old.note, &proof, head.note);
    status = check_written(audit, text, err);
    return status == NOVA_OK ? log_write_out(asked->out, text, err) : status;
}

int log_prove_consistency(const struct settings *settings, int argc, char **argv)
{
    struct error err = {0};
    struct log_audit audit;
    struct asked asked = {.count = 0};
    int code = parse_arguments(&asked, "prove-consistency", 2, argc, argv);
    if (code != EXIT_CODE_OK)
        return code;
    if (asked.service == NULL)
        return command_usage("log", "prove-consistency wants --service");
    if (asked.size != NULL || asked.checkpoint != NULL)
        return command_usage("log", "prove-consistency wants OLD and NEW without an option");
    enum nova_status status = log_audit_open(&audit, settings, asked.service, asked.key, &err);
    if (status == NOVA_OK)
        status = prove_growth(&audit, &asked, &err);
    log_audit_close(&audit);
    return status == NOVA_OK ? EXIT_CODE_OK : command_failed(&err);
}

// ---- checkpoint ---------------------------------------------------------------------------------

int log_checkpoint(const struct settings *settings, int argc, char **argv)
{
    struct error err = {0};
    struct log_audit audit;
    struct tree_checkpoint found;
    struct asked asked = {.count = 0};
    uint64_t size = 0;
    int code = parse_arguments(&asked, "checkpoint", 1, argc, argv);
    if (code != EXIT_CODE_OK)
        return code;
    if (topology_stream_of(asked.words[0]) == NULL)
        return command_usage("log", "no service '%s' has a log", asked.words[0]);
    if (asked.size != NULL && !parse_size(&size, asked.size))
        return command_usage("log", "--size wants a number of events");
    enum nova_status status = log_audit_open(&audit, settings, asked.words[0], asked.key, &err);
    if (status == NOVA_OK)
        status = size > 0 ? find_size(&found, &audit, size, &err)
                          : log_audit_published(&found, &audit, settings, &err);
    if (status == NOVA_OK && found.size == 0)
        status = error_set(&err, NOVA_NOT_FOUND,
                           "no checkpoint of %s is published yet: is the signer running? "
                           "./nova status",
                           asked.words[0]);
    if (status == NOVA_OK)
        status = log_write_out(asked.out, found.note, &err);
    log_audit_close(&audit);
    return status == NOVA_OK ? EXIT_CODE_OK : command_failed(&err);
}
