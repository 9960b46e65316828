// relay.h - what the files of `nova relay` share.
#pragma once
#include "base/settings.h"
#include "cli/command.h"

// `nova relay recover SERVICE [--import|--fork] [--dry-run]`: the arguments behind `recover`.
int relay_recover(const struct settings *settings, int argc, char **argv);

// The service as the topology names it; NULL: it was said that there is none.
const char *relay_service(const char *word);
