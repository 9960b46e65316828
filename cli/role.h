// role.h - the words that people use for roles, and what they stand for in PostgreSQL and on NATS.
#pragma once
#include "base/access.h"

struct role {
    char service[ACCESS_NAME_BYTES];  // "" when it is of no one service
    char postgres[ACCESS_NAME_BYTES]; // "identity_service"; "" without one
    char nats[ACCESS_NAME_BYTES];     // the user on the bus; "" without one
};

// "identity" is identity_service, "superuser" is PostgreSQL's; else the name of a role or user
// whose credentials lie in the home. NOT_FOUND names the nearest.
MUST_CHECK enum nova_status role_find(struct role *out, const struct settings *settings,
                                      const char *word, struct error *err);

// Every name that role_find knows, one a line.
MUST_CHECK enum nova_status role_list(FILE *out, const struct settings *settings,
                                      struct error *err);
