// log.h - the parts of `nova log`.
#pragma once
#include "base/settings.h"

int log_query(const struct settings *settings, int argc, char **argv);
int log_tail(const struct settings *settings, int argc, char **argv);
int log_show(const struct settings *settings, int argc, char **argv);
