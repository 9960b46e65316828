// db.h - the migrations of every PostgreSQL that the settings name; `up` and `nova db` use it.
//
// Services with the same URL lie in one PostgreSQL and are migrated together, as its superuser
// (access.h: ACCESS_SUPERUSER).
#pragma once
#include <stdio.h>

#include "base/error.h"
#include "base/settings.h"

// Carries out what is pending everywhere, and gives every role whose password lies in the home
// (credentials/postgres) that password. `said` (may be NULL) is told each file.
MUST_CHECK enum nova_status db_migrate(const struct settings *settings, FILE *said,
                                       struct error *err);
