// credentials.h - makes what base/access.h reads: a password, a key or a seed for each process.
//
// Idempotent: what is there stays as it is. A file is written whole, so an interrupted start leaves
// each secret there or not.
#pragma once
#include "base/error.h"
#include "base/settings.h"

struct credentials_made {
    int count;           // of new secrets
    bool superuser_anew; // PostgreSQL's superuser among them
};

// Errors: access.h's, and that of a file that cannot be written. One process at a time: the
// caller holds the home's lock.
MUST_CHECK enum nova_status credentials_make(struct credentials_made *out,
                                             const struct settings *settings, struct error *err);

// PostgreSQL's roles that have a password, the superuser not among them.
size_t credentials_role_count(void);
const char *credentials_role(size_t i);
