// command.h - one command of `nova`: what every cli/<command>.c offers and may use.
//
// Data goes to stdout, what is said to people goes to stderr. Exit codes are the three below.
#pragma once
#include "base/error.h"
#include "base/settings.h"

enum { EXIT_CODE_OK = 0, EXIT_CODE_FAILED = 1, EXIT_CODE_USAGE = 2 };

// argv[0] is the command's name.
typedef int command_function(const struct settings *settings, int argc, char **argv);

#define COMMAND(name, ...) command_function command_##name;
#define SCRIPT_COMMAND(...)
#include "cli/commands.def"
#undef COMMAND
#undef SCRIPT_COMMAND

// All of `nova`: flags, dispatch, help. main() is only this.
int command_main(int argc, char **argv);

// "nova: <text>" on stderr.
void command_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
// "no <what> '<word>'; did you mean '...'?", or which there are when none is near; as a usage
// error.
int command_unknown(const char *command, const char *what, const char *word,
                    const char *const *known, size_t known_count);
// command_say of the error's text; returns EXIT_CODE_FAILED.
int command_failed(const struct error *err);
// "nova: <text> (./nova <command> --help)"; returns EXIT_CODE_USAGE.
int command_usage(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
