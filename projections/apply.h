// apply.h - what handlers of projections share.
#pragma once
#include "inbox/consumer.h"

// Runs statements that all take the same ids as $1, in order; nothing when there are no ids. One
// round trip each, inside the caller's transaction, which the caller ends either way.
// Errors: PostgreSQL's, of the first statement that failed; those behind it are not run.
MUST_CHECK enum nova_status apply_to_ids(const char *const *statements, size_t statement_count,
                                         const struct uuid *ids, size_t count, struct arena *arena,
                                         struct pg *pg, struct error *err);
