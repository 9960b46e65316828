// sqlstate.h - what a SQLSTATE means to Nova; the table stands in pg.h under Errors.
#pragma once
#include "base/error.h"

// The status of a five-letter SQLSTATE; *transient says whether the same attempt may succeed later.
enum nova_status pg_status_of(bool *transient, const char *sqlstate);
