// config.c - `nova config show|sample`: what is set, and where it was set.
#include <string.h>

#include "cli/command.h"

int command_config(const struct settings *settings, int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";
    if (strcmp(what, "show") == 0) {
        settings_show(stdout, settings);
        return EXIT_CODE_OK;
    }
    if (strcmp(what, "sample") == 0) {
        settings_sample(stdout);
        return EXIT_CODE_OK;
    }
    static const char *const words[] = {"show", "sample"};
    return *what != '\0' ? command_unknown("config", "config command", what, words, 2)
                         : command_usage("config", "config wants 'show' or 'sample'");
}
