// status.c - see status.h. A section is one entry in `sections`.
#include "cli/status.h"

#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "cli/figures.h"
#include "cli/supervisor.h"
#include "cli/up.h"

const char *status_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

void status_age(char out[16], const char *since)
{
    struct tm parts = {0};
    out[0] = '\0';
    if (!strptime(since, "%Y-%m-%dT%H:%M:%SZ", &parts))
        return;
    long long age = (long long)(time(NULL) - timegm(&parts));
    if (age < 0)
        age = 0;
    if (age < 100)
        snprintf(out, 16, "%lld s", age);
    else if (age < 6000)
        snprintf(out, 16, "%lld min", age / 60);
    else
        snprintf(out, 16, age < 172800 ? "%lld h" : "%lld d", age / (age < 172800 ? 3600 : 86400));
}

// ---- processes: what the supervisor writes down

static enum nova_status collect_processes(json_t **out, bool *good, const struct settings *settings,
                                          struct error *err)
{
    size_t i;
    json_t *entry, *state = up_state(settings_text(settings, SETTING_HOME));
    (void)err;
    *out = json_incref(json_object_get(state, "processes"));
    json_decref(state);
    if (!*out)
        *out = json_array();
    json_array_foreach(*out, i, entry)
    {
        if (strcmp(status_text(entry, "state"), "ready") != 0 || *status_text(entry, "trouble"))
            *good = false;
    }
    return NOVA_OK;
}

static void print_processes(FILE *out, const json_t *processes)
{
    size_t i;
    json_t *entry;
    fprintf(out, "%-44s %-9s %8s %7s %s\n", "PROCESS", "STATE", "SINCE", "STARTS", "");
    json_array_foreach(processes, i, entry)
    {
        char age[16], pause[48] = "";
        const char *said = status_text(entry, "status"), *trouble = status_text(entry, "trouble");
        long long pause_ms = (long long)json_integer_value(json_object_get(entry, "pause_ms"));
        if (pause_ms > 0)
            snprintf(pause, sizeof pause, ", starts again after %.1f s", (double)pause_ms / 1000);
        bool ready = strcmp(status_text(entry, "state"), "ready") == 0;
        status_age(age, status_text(entry, "since"));
        said = *trouble ? trouble : said;
        fprintf(out, "%-44s %-9s %8s %7lld %s%s\n", status_text(entry, "name"),
                ready && *trouble ? "TROUBLE" : status_text(entry, "state"), age,
                (long long)json_integer_value(json_object_get(entry, "starts")),
                *said || ready ? said : status_text(entry, "why"), pause);
    }
}

// ---- streams, consumers, projections: parked events are not good, lag is nothing bad

static enum nova_status collect_streams(json_t **out, bool *good, const struct settings *settings,
                                        struct error *err)
{
    (void)good;
    return figures_streams(out, settings, err);
}

static enum nova_status collect_consumers(json_t **out, bool *good, const struct settings *settings,
                                          struct error *err)
{
    enum nova_status status = figures_consumers(out, settings, err);
    *good &= figures_sum(*out, "parked") == 0;
    return status;
}

static enum nova_status collect_projections(json_t **out, bool *good,
                                            const struct settings *settings, struct error *err)
{
    (void)good;
    return figures_projections(out, settings, err);
}

// ---- e-mails: that some wait is nothing bad

static enum nova_status collect_mail(json_t **out, bool *good, const struct settings *settings,
                                     struct error *err)
{
    (void)good;
    return figures_mail(out, settings, err);
}

static const struct status_section sections[] = {
    {"processes", collect_processes, print_processes},
    {"streams", collect_streams, figures_print_streams},
    {"consumers", collect_consumers, figures_print_consumers},
    {"projections", collect_projections, figures_print_projections},
    {"mail", collect_mail, figures_print_mail},
};
enum { SECTION_COUNT = sizeof sections / sizeof *sections };

// ---- the command

static int report(const struct settings *settings, bool as_json)
{
    struct error err;
    bool good = true;
    json_t *all = json_object();
    json_object_set_new(all, "running", json_true());
    json_object_set_new(all, "home", json_string(settings_text(settings, SETTING_HOME)));
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        json_t *collected = NULL;
        if (sections[i].collect(&collected, &good, settings, &err) != NOVA_OK) {
            command_say("%s: %s", sections[i].name, err.text);
            json_decref(collected);
            good = false;
            continue;
        }
        if (!as_json) {
            fprintf(stdout, "%s", i > 0 ? "\n" : "");
            sections[i].print(stdout, collected);
        }
        json_object_set_new(all, sections[i].name, collected);
    }
    json_object_set_new(all, "good", json_boolean(good));
    if (as_json) {
        json_dumpf(all, stdout, JSON_INDENT(2));
        fputc('\n', stdout);
    }
    json_decref(all);
    return good ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

int command_status(const struct settings *settings, int argc, char **argv)
{
    bool as_json = argc > 1 && strcmp(argv[1], "--json") == 0;
    const char *home = settings_text(settings, SETTING_HOME);
    if (argc > 1 + as_json)
        return command_usage("status", "status takes no '%s'", argv[1 + as_json]);
    if (supervisor_find(home))
        return report(settings, as_json);
    if (as_json)
        printf("{\"running\": false, \"good\": false}\n");
    command_say("does not run in %s: ./nova up", home);
    return EXIT_CODE_FAILED;
}
