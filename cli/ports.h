// ports.h - whether the embedded servers' ports are free, and who has a taken one.
#pragma once
#include "base/error.h"
#include "base/settings.h"

// NOVA_ALREADY_EXISTS: "port 15432 (postgres.port) is in use by nginx (process 77); choose another:
// NOVA_POSTGRES_PORT=15433 ./nova up".
MUST_CHECK enum nova_status ports_check(const struct settings *settings, enum setting port,
                                        struct error *err);
