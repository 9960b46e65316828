// verify.h - does a read model hold what the log says? The streams are folded into a shadow beside
// it, up to exactly where the live one stands, and both are compared row by row.
//
//   fold to where the live one is now -> take a snapshot of the live one, at some vector of
//   positions
//   -> fold the little that is missing to that vector -> compare -> drop the shadow
//
// The live consumer is never held: its checkpoints move in the transactions of its rows, so one
// snapshot shows both at one vector. What its dead letters lack the shadow lacks as well, if it is
// refused again.
//
// Ownership: borrows its options.
// Threads:   one at a time for a projection; a rebuild's lock refuses a second one.
// Errors:    those of fill.h and compare.h; FAILED_PRECONDITION while a half-made generation is
//            there, or when the live one has the tables of another version. The shadow is dropped
//            whatever happens, unless PostgreSQL is away: then it stays as a half-made generation.
#pragma once
#include "projections/compare.h"
#include "projections/fill.h"

struct verify_options {
    struct fill_options fill;
    // Side one is the read model, the other one is what the log says.
    void (*differs)(void *context, const struct compare_difference *difference);
    void *context;
};

struct verify_result {
    struct compare_counts counts;
    int32_t generation;                // that was verified
    int64_t vector[INBOX_SOURCES_MAX]; // as of which position of each source
    int64_t parked, parked_log;        // events in the dead letters of both
};

MUST_CHECK enum nova_status verify_run(struct verify_result *out,
                                       const struct verify_options *options, struct error *err);
