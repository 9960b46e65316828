// compare.h - several copies of one log, walked side by side, and signed checkpoints that say which
// of them is right.
//
// That two copies differ at event n does not say which one was changed. The root that was signed
// does: at each checkpoint a copy gives that root, or it is out. A copy that is out is told with
// the first event since the last checkpoint at which it differs from one that is good; where none
// is good, that event lies somewhere behind the last checkpoint, and nobody can say more.
//
// Ownership: plain memory of the caller, the same size whatever the log's.
// Threads:   pure.
#pragma once
#include "audit/merkle.h"

enum { COMPARE_COPIES_MAX = 3 };

struct compare_copy {
    struct merkle_range range;
    bool ended;     // it has no event any more
    bool out;       // it is not what was signed
    uint64_t first; // of one that is out: the first event that differs; 0: not known which
};

struct compare {
    size_t count;
    struct compare_copy copies[COMPARE_COPIES_MAX];
    uint64_t n;                                               // events walked
    uint64_t from;                                            // events under the last checkpoint
    uint64_t differs[COMPARE_COPIES_MAX][COMPARE_COPIES_MAX]; // since then: the first; 0: none
};

void compare_begin(struct compare *out, size_t count);

// The next event's leaf hash of each copy; NULL: the copy has no more. True: two copies differ here
// that did not since the last checkpoint.
bool compare_event(struct compare *compare,
                   const struct merkle_hash *const hashes[COMPARE_COPIES_MAX]);

// The root that was signed for the events so far. False: some copy is out by it.
bool compare_signed(struct compare *compare, const struct merkle_hash *root);
