// tile.h - how the nodes of a tree are stored: in tiles, which only ever grow at their end.
//
// A tile of level t and index i holds the nodes of levels 8 t .. 8 t + 7 over the 2^(8 (t + 1))
// leaves from i << 8 (t + 1) on, in the order in which they became full: leaf, leaf, their parent,
// leaf, and so on (post-order). So what is written once stays where and as it is, a tree of
// some leaves is a prefix of the tree of more, and a node is found without reading others.
//
//     leaf   0  1     2  3        4 ...
//     place  0  1  2  3  4  5  6  7       2: over leaves 0, 1; 5: over 2, 3; 6: over 0 .. 3
//
// Threads: pure.
#pragma once
#include "audit/merkle.h"

enum {
    TILE_LEVELS = 8,
    TILE_LEAVES = 1 << TILE_LEVELS,
    TILE_HASHES = 2 * TILE_LEAVES - 2, // its root is a leaf of the tile above
    TILES_LEVEL_MAX = MERKLE_LEVELS_MAX / TILE_LEVELS,
};

struct tile_place {
    uint32_t level; // of the tile
    uint64_t index;
    uint32_t at; // which of its hashes, from 0
};

// Any node: level up to MERKLE_LEVELS_MAX.
struct tile_place tile_place_of(struct merkle_node node);
