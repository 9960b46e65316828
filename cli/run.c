// run.c - `nova run KIND NAME`: one process in the foreground; `up` only supervises these.
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cli/command.h"
#include "cli/process.h"
#include "outbox-relay/relay.h"
#include "projections/run.h"
#include "services/identity/mailer.h"
#include "services/service.h"
#include "signer/signer.h"

// A kind of process is run by one function: [PROCESS_RELAY] = relay_run.
static process_function *const runners[PROCESS_KIND_COUNT] = {
    [PROCESS_RELAY] = relay_run,       [PROCESS_SIGNER] = signer_run,
    [PROCESS_CONSUMER] = consumer_run, [PROCESS_SERVICE] = service_run,
    [PROCESS_MAILER] = mailer_run,
};

process_function *process_runner(enum process_kind kind)
{
    return runners[kind];
}

static bool find_kind(enum process_kind *out, const char *text)
{
    for (int kind = 0; kind < PROCESS_KIND_COUNT; kind++)
        if (runners[kind] && strcmp(process_kind_name((enum process_kind)kind), text) == 0) {
            *out = (enum process_kind)kind;
            return true;
        }
    return false;
}

static int unknown_name(enum process_kind kind, const char *name)
{
    const char *names[64];
    size_t count = 0;
    for (size_t i = 0; i < process_count() && count < sizeof names / sizeof *names; i++)
        if (process_at(i)->kind == kind)
            names[count++] = process_at(i)->name;
    return command_unknown("run", process_kind_name(kind), name, names, count);
}

static int unknown_kind(const char *kind)
{
    const char *names[PROCESS_KIND_COUNT];
    for (size_t i = 0; i < PROCESS_KIND_COUNT; i++)
        names[i] = process_kind_name((enum process_kind)i);
    return command_unknown("run", "kind of process", kind, names, PROCESS_KIND_COUNT);
}

// The name of a kind's only process, which need not be said; NULL: there are several.
static const char *only_name(enum process_kind kind)
{
    const char *name = NULL;
    for (size_t i = 0; i < process_count(); i++) {
        if (process_at(i)->kind != kind)
            continue;
        if (name != NULL)
            return NULL;
        name = process_at(i)->name;
    }
    return name;
}

int command_run(const struct settings *settings, int argc, char **argv)
{
    enum process_kind kind;
    if (argc != 2 && argc != 3)
        return command_usage("run", "run wants a kind of process and a name");
    if (!find_kind(&kind, argv[1]))
        return unknown_kind(argv[1]);
    const char *wanted = argc == 3 ? argv[2] : only_name(kind);
    if (wanted == NULL)
        return command_usage("run", "run wants a kind of process and a name");
    for (size_t i = 0; i < process_count(); i++) {
        const struct process *process = process_at(i);
        if (process->kind != kind || strcmp(process->name, wanted) != 0)
            continue;
        char identity[128];
        snprintf(identity, sizeof identity, "%s/%s", argv[1], process->name);
        log_start(identity);
        return runners[kind](settings, process->name);
    }
    return unknown_name(kind, wanted);
}
