// rebuild.h - a projection built anew from its streams, beside the live one, which goes on.
//
//   make generation N+1 -> apply all streams to it -> hold the live consumer for a moment, until
//   N+1 is nowhere behind it -> views, checkpoint and generation switch in one transaction
//
// Readers see one generation or the other, never none and never an older state. The former
// generation is kept as it was until the next rebuild begins, or until a person is to be forgotten;
// the way back to it (rebuild_back) applies to it what happened since, by today's handlers, before
// it takes over. Killed at any point, a rebuild goes on where it was, or is discarded
// (rebuild_abort).
//
// Ownership: borrows its options.
// Threads:   one of these at a time for a projection; a second one is refused by a lock.
// Errors:    those of fill.h and switch.h.
#pragma once
#include "projections/fill.h"

struct rebuild_options {
    struct fill_options fill;
    int64_t until_us; // 0: to the end. Else only what was recorded before, and without a switch
    bool drop_former; // the former generation goes as soon as the switch is done
};

// *out is the generation that is live now; with until_us, the one that was filled that far. It
// stays half made then, until a rebuild goes on with it or rebuild_abort discards it.
// FAILED_PRECONDITION when a half-made one is beyond until_us already.
MUST_CHECK enum nova_status rebuild_run(int32_t *out, const struct rebuild_options *options,
                                        struct error *err);

// Switches back to the generation that is kept. NOT_FOUND, with what is kept, when it is another
// number; FAILED_PRECONDITION when this binary cannot write it, or it has no books.
MUST_CHECK enum nova_status rebuild_back(const struct fill_options *options, int32_t number,
                                         struct error *err);

// Discards a half-made generation. *out: which; 0: there was none.
MUST_CHECK enum nova_status rebuild_abort(int32_t *out, const struct fill_options *options,
                                          struct error *err);
