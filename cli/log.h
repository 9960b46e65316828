// log.h - the commands of `nova log`.
#pragma once
#include "base/settings.h"

int log_query(const struct settings *settings, int argc, char **argv);
int log_check_proof(const struct settings *settings, int argc, char **argv);
int log_key(const struct settings *settings, int argc, char **argv);
int log_tail(const struct settings *settings, int argc, char **argv);
int log_witness(const struct settings *settings, int argc, char **argv);
