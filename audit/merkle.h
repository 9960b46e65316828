// merkle.h - the Merkle tree of a log: roots, inclusion and consistency proofs (RFC 6962, 2.1).
//
// A log of `size` leaves is a row of perfect subtrees, its peaks: one for each bit of size that is
// set, the largest first (the compact range of transparency-dev). Whoever appends needs the peaks
// only. A perfect subtree never changes once it is full, so its hash is stored once, as a node; a
// proof reads at most MERKLE_READS_MAX nodes, whatever the size.
//
//   node (level, index) covers the leaves index << level .. ((index + 1) << level) - 1
//
// Verification is by RFC 9162, 2.1.3.2 and 2.1.4.2, which hash the same as RFC 6962.
//
// Ownership: plain memory of the caller.
// Threads:   pure; safe from any thread.
// Errors:    only those of the nodes' source; a proof is right or it is not.
#pragma once
#include <stdint.h>

#include "base/error.h"
#include "base/event.h" // struct bytes

enum {
    MERKLE_HASH_BYTES = 32,
    MERKLE_LEVELS_MAX = 63, // n is an int64
    MERKLE_PROOF_MAX = MERKLE_LEVELS_MAX + 1,
    MERKLE_READS_MAX = 2 * MERKLE_PROOF_MAX, // one sibling is cut by the log's end: its peaks
};

struct merkle_hash {
    uint8_t bytes[MERKLE_HASH_BYTES];
};

struct merkle_node {
    uint32_t level;
    uint64_t index;
};

struct merkle_range {
    uint64_t size;
    struct merkle_hash peaks[MERKLE_LEVELS_MAX]; // the largest first
};

struct merkle_full { // a node that an append completed
    struct merkle_node node;
    struct merkle_hash hash;
};

struct merkle_proof {
    struct merkle_hash hashes[MERKLE_PROOF_MAX]; // from the leaf's side up
    size_t count;
};

// Where full nodes are kept: a table, or an array of a test. Asked only for nodes within the size.
struct merkle_source {
    enum nova_status (*node)(struct merkle_hash *out, void *context, struct merkle_node node,
                             struct error *err);
    void *context;
};

void merkle_hash_leaf(struct merkle_hash *out, struct bytes leaf);
bool merkle_hash_same(const struct merkle_hash *a, const struct merkle_hash *b);

// Appends a leaf's hash and writes the nodes that are full by it, level 0 first. Returns how many.
size_t merkle_range_append(struct merkle_full out[MERKLE_PROOF_MAX], struct merkle_range *range,
                           const struct merkle_hash *leaf);
void merkle_range_root(struct merkle_hash *out, const struct merkle_range *range);
// The range of a log whose nodes are stored.
MUST_CHECK enum nova_status merkle_range_read(struct merkle_range *out, uint64_t size,
                                              const struct merkle_source *source,
                                              struct error *err);

// index < size.
MUST_CHECK enum nova_status merkle_prove_inclusion(struct merkle_proof *out, uint64_t index,
                                                   uint64_t size,
                                                   const struct merkle_source *source,
                                                   struct error *err);
// 0 < old_size <= size.
MUST_CHECK enum nova_status merkle_prove_consistency(struct merkle_proof *out, uint64_t old_size,
                                                     uint64_t size,
                                                     const struct merkle_source *source,
                                                     struct error *err);

// Anything may be given: false is the answer to all that does not hold, to an old size of 0 too.
bool merkle_check_inclusion(const struct merkle_proof *proof, uint64_t index, uint64_t size,
                            const struct merkle_hash *leaf, const struct merkle_hash *root);
bool merkle_check_consistency(const struct merkle_proof *proof, uint64_t old_size, uint64_t size,
                              const struct merkle_hash *old_root, const struct merkle_hash *root);
