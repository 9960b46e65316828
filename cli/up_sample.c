// up_sample.c - see up_sample.h.
#include "cli/up_sample.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/figures.h"
#include "cli/home.h"
#include "cli/import.h"
#include "cli/path.h"
#include "cli/sample.h"
#include "cli/server.h"

enum { GIVE_UP_S = 60, TIMEOUT_S = 10 };

static enum nova_status write_sample(const char *path, struct error *err)
{
    struct sample_counts counts;
    const struct sample_options options = {SAMPLE_USERS, 1};
    FILE *file = fopen(path, "w");
    bool written = file != NULL && sample_write(&counts, file, &options);
    if (file != NULL && fclose(file) != 0)
        written = false;
    return written ? NOVA_OK
                   : error_set(err, NOVA_UNAVAILABLE, "%s cannot be written: %s", path,
                               strerror(errno));
}

// The sample's file, put there when all of it is in; empty after `up --empty`.
static void sample_done_path(char out[PATH_MAX], const char *home)
{
    path_print(out, "%s/sample.ndjson", home);
}

bool up_sample_is_done(const char *home)
{
    char done[PATH_MAX];
    sample_done_path(done, home);
    return access(done, F_OK) == 0;
}

enum nova_status up_sample_never(const char *home, struct error *err)
{
    char done[PATH_MAX];
    sample_done_path(done, home);
    return up_sample_is_done(home) ? NOVA_OK : home_write(done, "", 0640, err);
}

enum nova_status up_sample(struct up *up, struct error *err)
{
    char path[PATH_MAX], done[PATH_MAX];
    struct import_result result = {0};
    path_print(path, "%s/run/sample.ndjson", up->home);
    sample_done_path(done, up->home);
    if (up_sample_is_done(up->home)) {
        struct stat info;
        bool none = stat(done, &info) == 0 && info.st_size == 0;
        snprintf(up->said, sizeof up->said, none ? "none" : "is there");
        return NOVA_OK;
    }
    if (up->empty) {
        snprintf(up->said, sizeof up->said, "none (--empty)");
        return up_sample_never(up->home, err);
    }
    const struct import_options options = {
        .file = path, .give_up_s = GIVE_UP_S, .timeout_s = TIMEOUT_S, .label = "sample"};
    enum nova_status status = write_sample(path, err);
    if (status == NOVA_OK)
        status = import_run(&result, up->settings, &options, err);
    if (status == NOVA_OK && result.refused > 0)
        status = error_set(err, NOVA_INTERNAL,
                           "%" PRIu64 " commands of the sample were refused; ./nova logs service",
                           result.refused);
    if (status != NOVA_OK)
        return status;
    snprintf(up->said, sizeof up->said, "%" PRIu64 " commands carried out", result.done);
    return rename(path, done) == 0
               ? NOVA_OK
               : error_set(err, NOVA_UNAVAILABLE, "%s: %s", done, strerror(errno));
}

// ---- the summary --------------------------------------------------------------------------------

static void tell_places(const struct up *up)
{
    if (server_postgres_is_embedded(up->settings))
        fprintf(stderr, "PostgreSQL on 127.0.0.1:%lld, ",
                (long long)settings_int(up->settings, SETTING_POSTGRES_PORT));
    if (server_nats_is_embedded(up->settings))
        fprintf(stderr, "nats-server on 127.0.0.1:%lld, ",
                (long long)settings_int(up->settings, SETTING_NATS_PORT));
    fprintf(stderr, "data in %s\n", up->home);
}

static void tell_figures(const struct up *up)
{
    struct error err;
    json_t *streams = NULL, *consumers = NULL, *happened = NULL;
    if (figures_happened(&happened, up->settings, &err) == NOVA_OK &&
        figures_streams(&streams, up->settings, &err) == NOVA_OK &&
        figures_consumers(&consumers, up->settings, &err) == NOVA_OK) {
        fputc('\n', stderr);
        figures_print_happened(stderr, happened);
        fputc('\n', stderr);
        figures_print_streams(stderr, streams);
        fputc('\n', stderr);
        figures_print_consumers(stderr, consumers);
    } else {
        command_say("no figures: %s", err.text);
    }
    json_decref(happened);
    json_decref(streams);
    json_decref(consumers);
}

void up_summarise(const struct up *up)
{
    static const char examples[] =
        "  ./nova call search SearchPosts '{\"query\": \"coffee #nova\"}'\n"
        "  ./nova call identity Register '{\"handle\": \"grace\", \"email\": "
        "\"grace@example.invalid\","
        " \"display_name\": \"Grace\", \"password\": \"a long password\"}'\n"
        "  ./nova log query --type post.created --limit 3\n"
        "  ./nova log tail\n"
        "  ./nova projection rebuild search_index\n"
        "  ./nova psql auditor -c 'select type, count(*) from content.outbox group by 1'\n"
        "  ./nova status\n"
        "  ./nova down\n";
    if (!up->empty)
        tell_figures(up);
    fputc('\n', stderr);
    tell_places(up);
    fputs("\nTry next:\n", stderr);
    if (strcmp(settings_origin(up->settings, SETTING_HOME), "default") != 0)
        fprintf(stderr, "  export NOVA_HOME='%s'\n", up->home);
    fputs(examples, stderr);
    command_say("runs");
}
