// log_check_proof.c - `nova log check-proof`: offline, with nothing but the file and keys.
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "audit/proof.h"
#include "cli/command.h"
#include "cli/log.h"
#include "cli/log_policy.h"

struct arguments {
    const char *file, *key, *required;
    struct checkpoint_policy policy;
};

static int parse_arguments(struct arguments *arguments, int argc, char **argv)
{
    struct error err = {0};
    for (int i = 1; i < argc; i++) {
        bool is_key = strcmp(argv[i], "--key") == 0, is_witness = strcmp(argv[i], "--witness") == 0;
        bool is_required = strcmp(argv[i], "--required") == 0;
        if ((is_key || is_witness || is_required) && i + 1 == argc)
            return command_usage("log", "%s wants a value", argv[i]);
        if (is_key)
            arguments->key = argv[++i];
        else if (is_required)
            arguments->required = argv[++i];
        else if (is_witness && log_add_witness(&arguments->policy, argv[++i], &err) != NOVA_OK)
            return command_failed(&err);
        else if (!is_witness && (argv[i][0] == '-' || arguments->file != NULL))
            return command_usage("log", "check-proof does not know '%s'", argv[i]);
        else if (!is_witness)
            arguments->file = argv[i];
    }
    if (arguments->file == NULL || arguments->key == NULL)
        return command_usage("log", "check-proof wants a FILE and --key FILE");
    if (log_read_key(&arguments->policy.log, arguments->key, NOTE_KEY_LOG, &err) != NOVA_OK)
        return command_failed(&err);
    return log_parse_required(&arguments->policy, arguments->required);
}

static void say_event(const struct proof_checked *checked)
{
    char id[UUID_TEXT_BYTES];
    const struct leaf_v1 *leaf = &checked->leaf;
    uuid_format(id, &leaf->event_id);
    printf("event %" PRId64 " of %" PRIu64 " in %s: %s ", leaf->n, checked->checkpoint.head.size,
           checked->checkpoint.head.origin, id);
    // An outbox's types are printable, but the leaf may be of a log that is not ours.
    for (size_t i = 0; i < leaf->type.len; i++)
        putchar(leaf->type.at[i] >= ' ' && leaf->type.at[i] <= '~' ? leaf->type.at[i] : '?');
}

int log_check_proof(const struct settings *settings, int argc, char **argv)
{
    (void)settings;
    struct arguments arguments = {.file = NULL};
    struct proof_checked checked;
    struct error err = {0};
    char *text;
    size_t len;
    if (sodium_init() < 0)
        return EXIT_CODE_FAILED;
    int code = parse_arguments(&arguments, argc, argv);
    if (code != EXIT_CODE_OK)
        return code;
    struct arena *arena = arena_create();
    enum nova_status status =
        log_read_file(&text, &len, arena, arguments.file, PROOF_BYTES_MAX, &err);
    if (status == NOVA_OK)
        status = proof_check(&checked, arena, text, len, &arguments.policy, &err);
    if (status == NOVA_OK) {
        if (checked.kind == PROOF_INCLUSION)
            say_event(&checked);
        else
            printf("%s: %" PRIu64 " events, extends %" PRIu64, checked.checkpoint.head.origin,
                   checked.checkpoint.head.size, checked.old.head.size);
        printf("; %s\n", log_witnessed_text(arena, &checked.checkpoint, &arguments.policy));
        code = checked.checkpoint.witnessed || arguments.policy.required == 0 ? EXIT_CODE_OK
                                                                              : EXIT_CODE_FAILED;
    } else {
        code = command_failed(&err);
    }
    arena_destroy(&arena);
    return code;
}
