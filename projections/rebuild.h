// rebuild.h - a projection built anew from its streams, beside the live one, which goes on.
//
//   make generation N+1 -> apply all streams to it -> hold the live consumer for a moment, until
//   N+1 is nowhere behind it -> views, checkpoint and generation switch in one transaction
//
// Readers see one generation or the other, never none and never an older state. The former
// generation stays until the next rebuild, or until a person is to be forgotten. Killed at any
// point, a rebuild goes on where it was.
//
// Ownership: borrows its options.
// Threads:   one rebuild of a projection at a time; a second one is refused by a lock.
// Errors:    PostgreSQL's and NATS's; ABORTED when another rebuild of it is at work.
#pragma once
#include "base/settings.h"
#include "projections/consumers.h"

struct rebuild_progress {
    int32_t generation;
    int64_t applied;
    int64_t all; // events of all streams when they were last asked; -1: not known yet
};

struct rebuild_options {
    const struct settings *settings;
    const struct projection *projection;
    void (*progress)(void *context, const struct rebuild_progress *progress); // may be NULL
    void *context;
};

// *out is the generation that is live now.
MUST_CHECK enum nova_status rebuild_run(int32_t *out, const struct rebuild_options *options,
                                        struct error *err);
