// projection.c - `nova projection list` and `nova projection rebuild NAME`.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/command.h"
#include "cli/figures.h"
#include "projections/rebuild.h"

enum { NAMES_MAX = 64 };

static int list(const struct settings *settings, bool as_json)
{
    struct error err;
    json_t *projections = NULL;
    enum nova_status status = figures_projections(&projections, settings, &err);
    if (status == NOVA_OK && as_json) {
        json_dumpf(projections, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (status == NOVA_OK) {
        figures_print_projections(stdout, projections);
    }
    json_decref(projections);
    return status == NOVA_OK ? EXIT_CODE_OK : command_failed(&err);
}

static void show_progress(void *context, const struct rebuild_progress *progress)
{
    (void)context;
    if (!isatty(STDERR_FILENO))
        return;
    if (progress->all < 0)
        fprintf(stderr, "\r\033[K  generation %" PRId32 ": starting", progress->generation);
    else
        fprintf(stderr, "\r\033[K  generation %" PRId32 ": %" PRId64 " of %" PRId64 " events",
                progress->generation, progress->applied, progress->all);
    fflush(stderr);
}

static int rebuild(const struct settings *settings, const char *name)
{
    struct error err = {0};
    int32_t generation = 0;
    const char *names[NAMES_MAX];
    const struct projection *projection = projection_find(name);
    if (projection == NULL) {
        size_t count = 0;
        for (size_t i = 0; i < projection_count() && count < NAMES_MAX; i++)
            names[count++] = projection_at(i)->name;
        const char *slash = strrchr(name, '/'); // search/search_index is its consumer
        return command_unknown("projection", "projection", slash != NULL ? slash + 1 : name, names,
                               count);
    }
    log_start("rebuild");
    if (isatty(STDERR_FILENO)) // the progress says it
        log_set_level(LOG_LEVEL_WARN);
    const struct rebuild_options options = {settings, projection, show_progress, NULL};
    enum nova_status status = rebuild_run(&generation, &options, &err);
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    if (status != NOVA_OK)
        return command_failed(&err);
    command_say("%s is live in generation %" PRId32, name, generation);
    return EXIT_CODE_OK;
}

int command_projection(const struct settings *settings, int argc, char **argv)
{
    const char *what = argc >= 2 ? argv[1] : "";
    bool as_json = argc == 3 && strcmp(argv[2], "--json") == 0;
    if (strcmp(what, "list") == 0 && (argc == 2 || as_json))
        return list(settings, as_json);
    if (strcmp(what, "rebuild") == 0 && argc == 3)
        return rebuild(settings, argv[2]);
    static const char *const words[] = {"list", "rebuild"};
    if (*what != '\0' && strcmp(what, "list") != 0 && strcmp(what, "rebuild") != 0)
        return command_unknown("projection", "projection command", what, words, 2);
    return command_usage("projection", "projection wants 'list' or 'rebuild NAME'");
}
