// tile.c - see tile.h.
#include "audit/tile.h"

#include <assert.h>

// How many nodes are full once a tile has `leaves` leaves.
static uint32_t full_nodes(uint32_t leaves)
{
    uint32_t count = 0;
    for (int level = 0; level < TILE_LEVELS; level++)
        count += leaves >> level;
    return count;
}

struct tile_place tile_place_of(struct merkle_node node)
{
    assert(node.level <= MERKLE_LEVELS_MAX);
    uint32_t height = node.level % TILE_LEVELS; // in the tile
    uint32_t width = UINT32_C(1) << (TILE_LEVELS - height);
    uint32_t last_leaf = ((uint32_t)(node.index % width) + 1) << height; // counted from 1
    // The leaf that fills it fills those below it first.
    return (struct tile_place){
        .level = node.level / TILE_LEVELS,
        .index = node.index / width,
        .at = full_nodes(last_leaf - 1) + height,
    };
}
