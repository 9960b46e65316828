// check.c - `nova check`: one look at everything that an operator is woken for.
#include <stdlib.h>
#include <string.h>

#include "cli/check.h"
#include "cli/command.h"

enum { ROOM_MIN = 32 };

struct check_result *check_add(struct check_list *list, const char *check, const char *of)
{
    if (list->count == list->room) {
        list->room = list->room != 0 ? list->room * 2 : ROOM_MIN;
        list->all = realloc(list->all, list->room * sizeof *list->all);
        if (list->all == NULL)
            abort();
    }
    struct check_result *result = &list->all[list->count++];
    *result = (struct check_result){.check = check, .unit = ""};
    snprintf(result->of, sizeof result->of, "%s", of);
    return result;
}

void check_list_free(struct check_list *list)
{
    free(list->all);
    *list = (struct check_list){0};
}

enum check_level check_list_worst(const struct check_list *list)
{
    enum check_level worst = CHECK_OK;
    for (size_t i = 0; i < list->count; i++)
        worst = check_worse(worst, list->all[i].level);
    return worst;
}

// A plugin that is called wrongly knows nothing: 3, where other commands of ours say 2.
int command_check(const struct settings *settings, int argc, char **argv)
{
    struct check_list list = {0};
    const char *format = "text";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--format") != 0) {
            command_usage("check", "check takes no '%s'", argv[i]);
            return CHECK_UNKNOWN;
        }
        format = i + 1 < argc ? argv[++i] : "";
    }
    check_print *print = check_format_find(format);
    if (print == NULL) {
        command_unknown("check", "format", format, check_formats, CHECK_FORMAT_COUNT);
        return CHECK_UNKNOWN;
    }
    check_ask(&list, settings);
    print(stdout, &list);
    enum check_level worst = check_list_worst(&list);
    check_list_free(&list);
    return (int)worst;
}
