// tree.h - the Merkle tree of one service's log as PostgreSQL stores it, and what was signed of it.
//
//     <service>.log_tree         one row a log id: how many events are in the tree
//     <service>.log_tile         its hashes, in tiles (audit/tile.h): a proof reads O(log n) of
//     them <service>.log_checkpoint   every checkpoint that was signed
//
// The n-th event is leaf n - 1, so a batch says between which sizes it lies: what is in the tree
// cannot be put there again, nor two batches at one place.
//
// Ownership: borrows service and pg. What is found lives in the arena given.
// Threads:   one at a time.
// Errors:    as of pg.h. ABORTED: somebody else let the tree grow: open it again. DATA_LOSS: what
// is
//            stored cannot be this tree.
#pragma once
#include "audit/tile.h"
#include "base/arena.h"
#include "pg/pg.h"

struct tree {
    const char *service;
    struct pg *pg;
    struct uuid log_id;
    int64_t position;          // of its last event; 0: it is empty
    struct merkle_range range; // its size, and what an append needs
};

struct tree_leaf {
    int64_t position;
    struct merkle_hash hash;
};

struct tree_checkpoint {
    uint64_t size; // 0: none was found
    struct merkle_hash root;
    const char *note;
};

// The log id that new events carry.
MUST_CHECK enum nova_status tree_log_id(struct uuid *out, struct pg *pg, const char *service,
                                        struct error *err);

// The tree of that log.
MUST_CHECK enum nova_status tree_open(struct tree *out, struct pg *pg, const char *service,
                                      struct error *err);

// Adds the next leaves, in one transaction. After an error *tree is as it was.
MUST_CHECK enum nova_status tree_append(struct tree *tree, const struct tree_leaf *leaves,
                                        size_t count, struct arena *arena, struct error *err);

// Its nodes, for proofs. Borrows the tree.
struct merkle_source tree_source(struct tree *tree);

// Its root when it had `size` leaves, at most as many as it has.
MUST_CHECK enum nova_status tree_root(struct merkle_hash *out, struct tree *tree, uint64_t size,
                                      struct error *err);

// The hashes of the leaves from `index` on, up to the end of their tile or of the tree.
MUST_CHECK enum nova_status tree_leaves(struct merkle_hash out[TILE_LEAVES], size_t *count,
                                        struct tree *tree, uint64_t index, struct error *err);

// The number of the event at that position, from 1; 0: the tree has none there.
MUST_CHECK enum nova_status tree_number(uint64_t *n, struct tree *tree, int64_t position,
                                        struct error *err);

// Keeps a checkpoint of the tree as it is now. Another one of that size stays, and ABORTED says so.
MUST_CHECK enum nova_status tree_keep(struct tree *tree, const struct merkle_hash *root,
                                      const char *note, struct error *err);

// The last checkpoint that was signed; the first one of at least that size.
MUST_CHECK enum nova_status tree_last_checkpoint(struct tree_checkpoint *out, struct tree *tree,
                                                 struct arena *arena, struct error *err);
MUST_CHECK enum nova_status tree_checkpoint_from(struct tree_checkpoint *out, struct tree *tree,
                                                 uint64_t size, struct arena *arena,
                                                 struct error *err);
