// log.c - `nova log`: which of its commands.
#include "cli/log.h"

#include <string.h>

#include "cli/command.h"

int command_log(const struct settings *settings, int argc, char **argv)
{
    const char *what = argc >= 2 ? argv[1] : "";
    if (strcmp(what, "query") == 0)
        return log_query(settings, argc - 1, argv + 1);
    if (strcmp(what, "tail") == 0)
        return log_tail(settings, argc - 1, argv + 1);
    if (strcmp(what, "check-proof") == 0)
        return log_check_proof(settings, argc - 1, argv + 1);
    static const char *const words[] = {"query", "tail", "check-proof"};
    return *what != '\0' ? command_unknown("log", "log command", what, words, 3)
                         : command_usage("log", "log wants 'query', 'tail' or 'check-proof'");
}
