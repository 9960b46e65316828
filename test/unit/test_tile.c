// test_tile.c - a tile's hashes stand where they became full, and never move.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>

#include "audit/tile.h"

enum { LEAVES = 3 * TILE_LEAVES * TILE_LEAVES + 777, LEVELS = 3 };

// How many hashes each tile has so far: what is appended must be the next one of its tile.
static uint32_t *filled[LEVELS];

static void every_node_is_the_next_of_its_tile_when_it_becomes_full(void **state)
{
    (void)state;
    struct merkle_range range = {.size = 0};
    struct merkle_full full[MERKLE_PROOF_MAX];
    const struct merkle_hash leaf = {{0}};
    for (uint64_t i = 0; i < LEAVES; i++) {
        size_t count = merkle_range_append(full, &range, &leaf);
        for (size_t j = 0; j < count; j++) {
            struct tile_place place = tile_place_of(full[j].node);
            assert_int_equal(place.level, full[j].node.level / TILE_LEVELS);
            assert_int_equal(place.at, filled[place.level][place.index]++);
        }
    }
    assert_int_equal(filled[0][0], TILE_HASHES);
    assert_int_equal(filled[1][0], TILE_HASHES);
    assert_int_equal(filled[2][0], 3 + 1); // three leaves, and what is above the first two
}

static void a_tile_holds_what_is_over_its_leaves(void **state)
{
    (void)state;
    struct tile_place leaf = tile_place_of((struct merkle_node){0, 2 * TILE_LEAVES + 3});
    assert_int_equal(leaf.index, 2);
    assert_int_equal(leaf.at, 4); // 0, 1, their parent, 2, and this one
    struct tile_place root = tile_place_of((struct merkle_node){TILE_LEVELS, 2});
    assert_int_equal(root.level, 1);
    assert_int_equal(root.index, 0);
    assert_int_equal(root.at, 3); // a tile's root is a leaf of the tile above
    struct tile_place last = tile_place_of((struct merkle_node){TILE_LEVELS - 1, 1});
    assert_int_equal(last.index, 0);
    assert_int_equal(last.at, TILE_HASHES - 1);
}

static void the_largest_tree_has_its_places(void **state)
{
    (void)state;
    struct tile_place place = tile_place_of((struct merkle_node){0, INT64_MAX - 1});
    assert_int_equal(place.index, (uint64_t)(INT64_MAX - 1) / TILE_LEAVES);
    assert_true(place.at < TILE_HASHES);
    assert_int_equal(tile_place_of((struct merkle_node){MERKLE_LEVELS_MAX - 1, 0}).level,
                     TILES_LEVEL_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_node_is_the_next_of_its_tile_when_it_becomes_full),
        cmocka_unit_test(a_tile_holds_what_is_over_its_leaves),
        cmocka_unit_test(the_largest_tree_has_its_places),
    };
    if (sodium_init() < 0)
        return 1;
    for (int level = 0; level < LEVELS; level++)
        filled[level] = calloc(LEAVES / TILE_LEAVES + 1, sizeof **filled);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (int level = 0; level < LEVELS; level++)
        free(filled[level]);
    return failed;
}
