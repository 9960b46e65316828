// expand.h - psql's quoted variables, replaced the way psql does it: :"name" becomes an identifier,
// :'name' a literal, and nothing is replaced inside quotes, dollar quotes or comments.
//
// Ownership: the text lives in the arena.
// Errors:    INVALID_ARGUMENT with the line: an unknown variable, an unquoted one (:name), a quote
//            or comment without an end.
#pragma once
#include "base/arena.h"
#include "base/error.h"

struct variable {
    const char *name;
    const char *value;
};

MUST_CHECK enum nova_status expand_variables(const char **out, struct arena *arena, const char *sql,
                                             const struct variable *variables, size_t count,
                                             struct error *err);
