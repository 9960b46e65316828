// command.c - see command.h. Flags that every command has are taken out before it sees its own.
#include "cli/command.h"

#include <stdarg.h>
#include <string.h>

#include "base/log.h"
#include "base/nearest.h"
#include "cli/check_rules.h"

enum owner { OWNER_OURS, OWNER_THEIRS };
enum { OVERRIDES_MAX = 64, ARGUMENTS_MAX = 4096 };

static const struct command {
    const char *name;
    const char *arguments;
    const char *line;
    enum owner owner;
    const char *help;
    command_function *function; // NULL: ./nova itself
} table[] = {
#define COMMAND(name, arguments, line, owner, help)                                                \
    {#name, arguments, line, OWNER_##owner, help, command_##name},
#define SCRIPT_COMMAND(name, arguments, line, help)                                                \
    {#name, arguments, line, OWNER_OURS, help, NULL},
#include "cli/commands.def"
#undef COMMAND
#undef SCRIPT_COMMAND
};
enum { COMMAND_COUNT = sizeof table / sizeof *table };

void command_say(const char *format, ...)
{
    va_list arguments;
    fflush(stdout); // what was told before comes before, where both go to one place
    fputs("nova: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

int command_failed(const struct error *err)
{
    command_say("%s", err->text);
    return EXIT_CODE_FAILED;
}

int command_usage(const char *command, const char *format, ...)
{
    va_list arguments;
    fputs("nova: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, " (./nova %s%s--help)\n", command, *command ? " " : "");
    return EXIT_CODE_USAGE;
}

int command_unknown(const char *command, const char *what, const char *word,
                    const char *const *known, size_t known_count)
{
    const char *meant = nearest_word(word, known, known_count);
    char all[512] = "";
    for (size_t i = 0; i < known_count && meant == NULL; i++) {
        size_t at = strlen(all);
        snprintf(all + at, sizeof all - at, "%s%s", i > 0 ? ", " : "", known[i]);
    }
    if (meant)
        return command_usage(command, "no %s '%s'; did you mean '%s'?", what, word, meant);
    return command_usage(command, "no %s '%s'; there are %s", what, word, all);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *names[COMMAND_COUNT];
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        names[i] = table[i].name;
    const char *meant = nearest_word(name, names, COMMAND_COUNT);
    if (meant)
        return command_usage("", "no command '%s'; did you mean '%s'?", name, meant);
    return command_usage("", "no command '%s'", name);
}

static int help_all(FILE *out)
{
    fprintf(out, "nova - Nova's event-sourced core\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        char usage[80];
        snprintf(usage, sizeof usage, "%s %s", table[i].name, table[i].arguments);
        fprintf(out, "  ./nova %-32s %s\n", usage, table[i].line);
    }
    fprintf(out, "\nFor every command:\n"
                 "  --help           what it does, with examples\n"
                 "  --home DIR       where data lies (default .nova; also NOVA_HOME)\n"
                 "  --config FILE    settings (default ./nova.yaml; also NOVA_CONFIG)\n"
                 "  --set KEY=VALUE  one setting (`./nova config show` lists them)\n"
                 "\nExamples:\n"
                 "  ./nova up                         start everything, with sample data\n"
                 "  ./nova status                     what runs, and how far it is\n"
                 "  ./nova psql auditor               look at the event log\n"
                 "\nExit codes: 0 done, 1 failed, 2 not understood.\n");
    return EXIT_CODE_OK;
}

static int help_one(FILE *out, const struct command *command)
{
    fprintf(out, "./nova %s%s%s - %s\n\n%s", command->name, *command->arguments ? " " : "",
            command->arguments, command->line, command->help);
    return EXIT_CODE_OK;
}

struct invocation {
    struct settings_options options;
    const char *overrides[OVERRIDES_MAX + 1]; // [0] is the home, when given
    char home[SETTINGS_VALUE_BYTES_MAX + 8];
    bool help;
    const struct command *command;
    int argc; // the command's own
    char *argv[ARGUMENTS_MAX + 1];
};

// 1: a flag with its value was taken; 0: not one of ours; -1: a mistake, and it was said.
static int take_flag(struct invocation *call, int *i, int argc, char **argv)
{
    static const char *const flags[] = {"--home", "--config", "--set"};
    for (size_t flag = 0; flag < 3; flag++) {
        size_t len = strlen(flags[flag]);
        if (strncmp(argv[*i], flags[flag], len) != 0 ||
            (argv[*i][len] != '\0' && argv[*i][len] != '='))
            continue;
        const char *value = argv[*i][len] == '=' ? argv[*i] + len + 1 : NULL;
        if (!value && *i + 1 < argc)
            value = argv[++*i];
        if (!value || !*value) {
            command_usage("", "%s wants a value", flags[flag]);
            return -1;
        }
        if (flag == 0) {
            snprintf(call->home, sizeof call->home, "home=%s", value);
            call->overrides[0] = call->home;
        } else if (flag == 1) {
            call->options.config = value;
        } else if (call->options.override_count < OVERRIDES_MAX) {
            call->overrides[++call->options.override_count] = value;
        } else {
            command_usage("", "--set was given more than %d times", OVERRIDES_MAX);
            return -1;
        }
        return 1;
    }
    return 0;
}

// Splits argv into our flags, the command and its own arguments. False: a mistake, and it was said.
static bool take_arguments(struct invocation *call, int argc, char **argv, int *code)
{
    bool theirs = false; // from here on nothing is ours
    for (int i = 1; i < argc; i++) {
        int taken = theirs ? 0 : take_flag(call, &i, argc, argv);
        *code = EXIT_CODE_USAGE;
        if (taken < 0)
            return false;
        if (taken > 0)
            continue;
        bool help = strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
        if (help && !theirs) {
            call->help = true;
        } else if (!call->command) {
            if (argv[i][0] == '-') {
                command_usage("", "no flag '%s'", argv[i]);
                return false;
            }
            if (strcmp(argv[i], "help") == 0) {
                call->help = true;
                continue;
            }
            call->command = find_command(argv[i]);
            if (!call->command) {
                *code = unknown_command(argv[i]);
                return false;
            }
            call->argv[call->argc++] = argv[i];
        } else if (call->argc < ARGUMENTS_MAX) {
            theirs = call->command->owner == OWNER_THEIRS || strcmp(argv[i], "--") == 0;
            call->argv[call->argc++] = argv[i];
        } else {
            *code = command_usage("", "more than %d arguments", ARGUMENTS_MAX);
            return false;
        }
    }
    return true;
}

int command_main(int argc, char **argv)
{
    static struct invocation call;
    struct settings *settings = NULL;
    struct error err;
    int code = EXIT_CODE_OK;
    log_start("nova");
    if (!take_arguments(&call, argc, argv, &code))
        return code;
    if (!call.command)
        return help_all(call.help ? stdout : stderr), call.help ? EXIT_CODE_OK : EXIT_CODE_USAGE;
    if (call.help)
        return help_one(stdout, call.command);
    if (!call.command->function)
        return command_usage("", "'%s' is ./nova's, not the binary's", call.command->name);
    call.options.overrides = call.overrides + (call.overrides[0] ? 0 : 1);
    call.options.override_count += call.overrides[0] ? 1 : 0;
    call.options.ports_may_change = strcmp(call.command->name, "up") == 0;
    if (settings_load(&settings, &call.options, &err) != NOVA_OK)
        // To who reads a plugin's exit codes, 1 is a warning about Nova.
        return strcmp(call.command->name, "check") == 0 ? (command_failed(&err), CHECK_UNKNOWN)
                                                        : command_failed(&err);
    enum log_level level = LOG_LEVEL_INFO;
    if (log_level_parse(&level, settings_text(settings, SETTING_LOG_LEVEL)))
        log_set_level(level);
    code = call.command->function(settings, call.argc, call.argv);
    settings_destroy(&settings);
    if (fflush(stdout) != 0 && code == EXIT_CODE_OK) {
        command_say("standard output could not be written");
        code = EXIT_CODE_FAILED;
    }
    return code;
}
