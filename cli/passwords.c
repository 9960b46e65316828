// passwords.c - `nova passwords LIST FILE`: makes a filter of leaked passwords of any list.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "cli/command.h"
#include "services/identity/leaked.h"

struct passwords_options {
    const char *list, *file;
    int64_t one_in;
};

static bool passwords_number(int64_t *out, const char *text)
{
    char *end = NULL;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *out >= LEAKED_ONE_IN_MIN &&
           *out <= LEAKED_ONE_IN_MAX;
}

static int passwords_options(struct passwords_options *out, int argc, char **argv)
{
    const char *names[2] = {NULL, NULL};
    int count = 0;
    *out = (struct passwords_options){.one_in = LEAKED_ONE_IN};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--one-in") == 0) {
            if (++i == argc || !passwords_number(&out->one_in, argv[i]))
                return command_usage("passwords", "--one-in wants a number from %d to %d",
                                     LEAKED_ONE_IN_MIN, LEAKED_ONE_IN_MAX);
        } else if (argv[i][0] == '-' || count == 2) {
            return command_usage("passwords", "'%s' is not expected here", argv[i]);
        } else {
            names[count++] = argv[i];
        }
    }
    if (count < 2)
        return command_usage("passwords", "passwords wants a LIST and the FILE to write");
    out->list = names[0];
    out->file = names[1];
    return EXIT_CODE_OK;
}

// A filter that is there whole or not at all: a service may be starting with the old one.
static enum nova_status passwords_write(struct leaked_built *built,
                                        const struct passwords_options *options, FILE *list,
                                        const char *part, struct error *err)
{
    FILE *out = fopen(part, "we");
    if (out == NULL)
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s cannot be written: %s", part,
                         strerror(errno));
    enum nova_status status = leaked_build(built, out, list, options->one_in, err);
    bool stored = status != NOVA_OK || fsync(fileno(out)) == 0;
    if (fclose(out) != 0 || !stored || (status == NOVA_OK && rename(part, options->file) != 0))
        status = error_set(err, NOVA_INVALID_ARGUMENT, "%s cannot be written: %s", options->file,
                           strerror(errno));
    if (status != NOVA_OK)
        unlink(part);
    return status;
}

int command_passwords(const struct settings *settings, int argc, char **argv)
{
    (void)settings;
    struct passwords_options options;
    struct leaked_built built;
    struct error err;
    int code = passwords_options(&options, argc, argv);
    if (code != EXIT_CODE_OK)
        return code;
    FILE *list = fopen(options.list, "re");
    if (list == NULL) {
        command_say("%s cannot be read: %s", options.list, strerror(errno));
        return EXIT_CODE_FAILED;
    }
    struct arena *arena = arena_create();
    enum nova_status status =
        passwords_write(&built, &options, list, arena_printf(arena, "%s.part", options.file), &err);
    arena_destroy(&arena);
    fclose(list);
    if (status != NOVA_OK)
        return command_failed(&err);
    printf("%s: %" PRIu64 " passwords in %" PRIu64 " bytes, %" PRIu64
           " lines skipped; of other passwords 1 in %" PRId64 " is refused as well\n",
           options.file, built.taken, built.bytes, built.skipped, options.one_in);
    return EXIT_CODE_OK;
}
