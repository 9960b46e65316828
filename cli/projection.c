// projection.c - `nova projection`: its arguments. Each of its verbs has a file of its own.
#include "cli/projection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/log.h"
#include "cli/projection_list.h"

enum { NAMES_MAX = 64 };

typedef int verb_function(const struct settings *settings,
                          const struct projection_arguments *given);

static const struct verb {
    const char *name;
    verb_function *function;
} verbs[] = {
    {"list", NULL},
    {"rebuild", projection_rebuild},
    {"switch", projection_switch},
    {"abort", projection_abort},
    {"verify", projection_verify},
};
enum { VERB_COUNT = sizeof verbs / sizeof *verbs };

static int unknown_projection(const char *name)
{
    const char *names[NAMES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < projection_count() && count < NAMES_MAX; i++)
        names[count++] = projection_at(i)->name;
    const char *slash = strrchr(name, '/'); // search/search_index is its consumer
    return command_unknown("projection", "projection", slash != NULL ? slash + 1 : name, names,
                           count);
}

static bool parse_generation(int32_t *out, const char *text)
{
    char *end = NULL;
    long number = strtol(text, &end, 10);
    *out = (int32_t)number;
    return *text >= '0' && *text <= '9' && *end == '\0' && number > 0 && number <= INT32_MAX;
}

// What an option's value says; false: it says nothing.
static bool parse_value(struct projection_arguments *given, const char *option, const char *value)
{
    if (strcmp(option, "--until") == 0)
        return log_parse_time(&given->until_us, value);
    if (strcmp(option, "--generation") == 0)
        return parse_generation(&given->generation, value);
    given->from_outbox = strcmp(value, "outbox") == 0;
    return given->from_outbox || strcmp(value, "stream") == 0;
}

// The one at argv[*i], with its value if it wants one.
static int parse_option(struct projection_arguments *given, const char *verb, int *i, int argc,
                        char **argv)
{
    static const struct {
        const char *name, *verbs, *wants; // wants NULL: no value
    } options[] = {
        {"--drop-old", "rebuild", NULL},
        {"--json", "verify", NULL},
        {"--until", "rebuild", LOG_TIMES},
        {"--from", "rebuild verify", "stream or outbox"},
        {"--generation", "switch", "a generation's number"},
    };
    size_t k = 0, count = sizeof options / sizeof *options;
    while (k < count &&
           (strcmp(options[k].name, argv[*i]) != 0 || strstr(options[k].verbs, verb) == NULL))
        k++;
    if (k == count)
        return command_usage("projection", "projection %s takes no '%s'", verb, argv[*i]);
    given->drop_former |= k == 0;
    given->as_json |= k == 1;
    if (options[k].wants == NULL ||
        parse_value(given, options[k].name, *i + 1 < argc ? argv[++*i] : ""))
        return EXIT_CODE_OK;
    return command_usage("projection", "%s wants %s", options[k].name, options[k].wants);
}

static int parse_arguments(struct projection_arguments *given, const char *verb, int argc,
                           char **argv)
{
    for (int i = 2; i < argc; i++) {
        int code = EXIT_CODE_OK;
        if (argv[i][0] == '-')
            code = parse_option(given, verb, &i, argc, argv);
        else if (given->projection != NULL)
            code = command_usage("projection", "projection %s takes one NAME", verb);
        else if ((given->projection = projection_find(argv[i])) == NULL)
            code = unknown_projection(argv[i]);
        if (code != EXIT_CODE_OK)
            return code;
    }
    if (given->projection == NULL)
        return command_usage("projection",
                             "projection %s wants the NAME of one: ./nova projection "
                             "list",
                             verb);
    if (strcmp(verb, "switch") == 0 && given->generation == 0)
        return command_usage("projection", "projection switch wants --generation N");
    if (given->drop_former && given->until_us != 0)
        return command_usage("projection",
                             "--until switches nothing, so there is no old generation "
                             "for --drop-old");
    return EXIT_CODE_OK;
}

int command_projection(const struct settings *settings, int argc, char **argv)
{
    const char *what = argc >= 2 ? argv[1] : "";
    const char *words[VERB_COUNT];
    struct projection_arguments given = {0};
    const struct verb *verb = NULL;
    for (size_t i = 0; i < VERB_COUNT; i++) {
        words[i] = verbs[i].name;
        if (strcmp(what, verbs[i].name) == 0)
            verb = &verbs[i];
    }
    if (*what == '\0')
        return command_usage("projection",
                             "projection wants 'list', or 'rebuild', 'switch', 'abort' "
                             "or 'verify' and a NAME");
    if (verb == NULL)
        return command_unknown("projection", "projection command", what, words, VERB_COUNT);
    if (verb->function == NULL) {
        bool as_json = argc == 3 && strcmp(argv[2], "--json") == 0;
        return argc == 2 || as_json ? projection_list(settings, as_json)
                                    : command_usage("projection", "projection list takes only "
                                                                  "--json");
    }
    int code = parse_arguments(&given, verb->name, argc, argv);
    return code == EXIT_CODE_OK ? verb->function(settings, &given) : code;
}
