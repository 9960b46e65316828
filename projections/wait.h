// wait.h - reading one's own writes: a query waits until a read model has come as far as the
// position that a command's reply said (Nova-Position).
#pragma once
#include "pg/pg.h"

// Waits until `consumer` ("search/search_index", in schema `service`) has applied `source` up to
// `position`. A source that it does not read is nothing to wait for.
// Threads: one at a time per pg. Errors: PostgreSQL's; DEADLINE_EXCEEDED (transient) at deadline_us
// (Unix microseconds), with how far it is.
MUST_CHECK enum nova_status projection_wait(struct pg *pg, const char *service,
                                            const char *consumer, const char *source,
                                            int64_t position, int64_t deadline_us,
                                            struct error *err);
