// process.h - which processes Nova has, and how each is run: one table, process.def.
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/settings.h"

enum process_kind {
    PROCESS_RELAY,
    PROCESS_SIGNER,
    PROCESS_CONSUMER,
    PROCESS_SERVICE,
    PROCESS_MAILER,
    PROCESS_KIND_COUNT
};

// Runs until SIGTERM; returns an exit code. Called with the log started as "<kind>/<name>".
typedef int process_function(const struct settings *settings, const char *name);

struct process {
    enum process_kind kind;
    const char *name; // "identity", "communication/message_sender_cache"
};

size_t process_count(void);
const struct process *process_at(size_t i);
const char *process_kind_name(enum process_kind kind); // "relay"

// Whether `up` starts it: a mailer only where an SMTP server is configured.
bool process_is_wanted(const struct process *process, const struct settings *settings);

// What runs processes of that kind; NULL: this build has none of them.
process_function *process_runner(enum process_kind kind);
