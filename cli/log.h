// log.h - the commands of `nova log`.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/settings.h"

int log_query(const struct settings *settings, int argc, char **argv);
int log_check_proof(const struct settings *settings, int argc, char **argv);
int log_key(const struct settings *settings, int argc, char **argv);
int log_tail(const struct settings *settings, int argc, char **argv);
int log_prove(const struct settings *settings, int argc, char **argv);
int log_prove_consistency(const struct settings *settings, int argc, char **argv);
int log_checkpoint(const struct settings *settings, int argc, char **argv);
int log_verify(const struct settings *settings, int argc, char **argv);
int log_witness(const struct settings *settings, int argc, char **argv);
int log_show(const struct settings *settings, int argc, char **argv);
int log_history(const struct settings *settings, int argc, char **argv);

// A time as people write it, in Unix microseconds: LOG_TIMES.
#define LOG_TIMES "a time: 2026-01-02T03:04:05Z, Unix seconds, or -1h"
bool log_parse_time(int64_t *out, const char *text);
