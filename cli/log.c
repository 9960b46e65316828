// log.c - `nova log`: which of its commands.
#include "cli/log.h"

#include <string.h>

#include "cli/command.h"

int command_log(const struct settings *settings, int argc, char **argv)
{
    static const struct {
        const char *name;
        command_function *run;
    } commands[] = {{"query", log_query},
                    {"show", log_show},
                    {"history", log_history},
                    {"tail", log_tail},
                    {"verify", log_verify},
                    {"prove", log_prove},
                    {"prove-consistency", log_prove_consistency},
                    {"checkpoint", log_checkpoint},
                    {"check-proof", log_check_proof},
                    {"key", log_key},
                    {"witness", log_witness}};
    enum { COMMANDS = sizeof commands / sizeof *commands };
    const char *words[COMMANDS], *what = argc >= 2 ? argv[1] : "";
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(what, commands[i].name) == 0)
            return commands[i].run(settings, argc - 1, argv + 1);
        words[i] = commands[i].name;
    }
    return *what != '\0'
               ? command_unknown("log", "log command", what, words, COMMANDS)
               : command_usage(
                     "log",
                     "log wants 'query', 'show', 'history', 'tail', 'verify', 'prove',"
                     " 'prove-consistency', 'checkpoint', 'check-proof', 'key' or 'witness'");
}
