// log.c - `nova log`: which of its parts.
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
    if (strcmp(what, "show") == 0)
        return log_show(settings, argc - 1, argv + 1);
    if (strcmp(what, "history") == 0)
        return log_history(settings, argc - 1, argv + 1);
    static const char *const words[] = {"query", "show", "history", "tail"};
    return *what != '\0' ? command_unknown("log", "log command", what, words, 4)
                         : command_usage("log", "log wants 'query', 'show', 'history' or 'tail'");
}
