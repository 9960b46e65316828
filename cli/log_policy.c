// log_policy.c - see log_policy.h.
#include "cli/log_policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

enum { KEY_FILE_BYTES_MAX = 1024 };

enum nova_status log_read_file(char **out, size_t *len, struct arena *arena, const char *path,
                               size_t bytes_max, struct error *err)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "re");
    if (file == NULL)
        return error_set(err, NOVA_NOT_FOUND, "%s: %s", path, strerror(errno));
    char *text = arena_alloc(arena, bytes_max + 2);
    *len = fread(text, 1, bytes_max + 1, file);
    bool failed = ferror(file) != 0;
    if (!standard)
        fclose(file);
    if (failed)
        return error_set(err, NOVA_UNAVAILABLE, "%s cannot be read", path);
    if (*len > bytes_max)
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s has more than %zu bytes", path, bytes_max);
    *out = text;
    return NOVA_OK;
}

enum nova_status log_read_key(struct note_key *out, const char *path, enum note_key_type type,
                              struct error *err)
{
    struct arena *arena = arena_create();
    char *text = NULL;
    size_t len;
    enum nova_status status = log_read_file(&text, &len, arena, path, KEY_FILE_BYTES_MAX, err);
    if (status == NOVA_OK && note_key_parse(out, text, err) != NOVA_OK)
        status = error_while(err, "%s", path);
    if (status == NOVA_OK && out->type != type)
        status = error_set(err, NOVA_INVALID_ARGUMENT, "%s: it is a %s key, and a %s is wanted",
                           path, out->type == NOTE_KEY_LOG ? "log's" : "witness's",
                           type == NOTE_KEY_LOG ? "log's" : "witness's");
    arena_destroy(&arena);
    return status;
}

enum nova_status log_add_witness(struct checkpoint_policy *policy, const char *path,
                                 struct error *err)
{
    struct note_key key;
    if (policy->witness_count == CHECKPOINT_WITNESSES_MAX)
        return error_set(err, NOVA_INVALID_ARGUMENT, "more than %d witnesses",
                         CHECKPOINT_WITNESSES_MAX);
    enum nova_status status = log_read_key(&key, path, NOTE_KEY_WITNESS, err);
    for (size_t i = 0; i < policy->witness_count && status == NOVA_OK; i++)
        if (memcmp(policy->witnesses[i].public_key, key.public_key, NOTE_KEY_BYTES) == 0)
            status =
                error_set(err, NOVA_INVALID_ARGUMENT, "%s: this witness was named before", path);
    if (status == NOVA_OK)
        policy->witnesses[policy->witness_count++] = key;
    return status;
}

int log_parse_required(struct checkpoint_policy *policy, const char *required)
{
    char *end = NULL;
    if (required == NULL) {
        policy->required = policy->witness_count;
        return EXIT_CODE_OK;
    }
    unsigned long number = strtoul(required, &end, 10);
    if (*required < '0' || *required > '9' || *end != '\0' || number > policy->witness_count)
        return command_usage("log", "--required wants a number up to that of the witnesses, %zu",
                             policy->witness_count);
    policy->required = number;
    return EXIT_CODE_OK;
}

char *log_witnessed_text(struct arena *arena, const struct checkpoint_opened *opened,
                         const struct checkpoint_policy *policy)
{
    if (opened->witnessed)
        return arena_printf(arena, "witnessed by %zu of %zu", opened->cosigned,
                            policy->witness_count);
    return arena_printf(arena, "unwitnessed (%zu cosignatures, %zu required)", opened->cosigned,
                        policy->required);
}
