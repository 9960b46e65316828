// import.h - the importer: a file of commands through the services, many at a time.
//
// Threads: one import a process at a time.
#pragma once
#include "base/settings.h"

struct import_options {
    const char *file;  // "-": standard input; gzip is recognised
    int64_t give_up_s; // how long one command is tried again while a service does not answer
    int64_t timeout_s; // how long one attempt may take
    const char *label; // of the progress bar
    // NULL or a file: "<command id> <outcome> <attempts> <status> <service>.<Method>" is added for
    // each command; outcome: acknowledged, refused, or unknown (given up: it may have happened)
    const char *journal;
};

struct import_result {
    uint64_t lines, done, refused, early;
};

// Refused commands and bad lines are told on stderr and counted: no failure of the import itself.
MUST_CHECK enum nova_status import_run(struct import_result *out, const struct settings *settings,
                                       const struct import_options *options, struct error *err);
