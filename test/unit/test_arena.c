// test_arena.c - arenas: zeroed, aligned, apart from each other, and free again after a reset.
#include <stdarg.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "base/arena.h"

static void allocations_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    unsigned char *last = NULL;
    for (size_t size = 0; size < 3000; size++) {
        unsigned char *now = arena_alloc(arena, size);
        assert_int_equal((uintptr_t)now % alignof(max_align_t), 0);
        assert_ptr_not_equal(now, last);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(now[i], 0);
        memset(now, 0xff, size);
        last = now;
    }
    arena_destroy(&arena);
    assert_null(arena);
}

static void a_reset_gives_zeroed_memory_again(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    memset(arena_alloc(arena, 1 << 20), 0xff, 1 << 20);
    memset(arena_alloc(arena, 64), 0xff, 64);
    arena_reset(arena);
    unsigned char *again = arena_alloc(arena, 64);
    for (int i = 0; i < 64; i++)
        assert_int_equal(again[i], 0);
    arena_destroy(&arena);
}

static void what_a_large_batch_left_is_used_again_zeroed(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    unsigned char *first[4] = {NULL};
    for (int round = 0; round < 4; round++) {
        for (size_t bytes = 0; bytes < 2 * ARENA_KEPT_BYTES; bytes += 1000) {
            unsigned char *now = arena_alloc(arena, 1000);
            for (size_t i = 0; i < 1000; i++)
                assert_int_equal(now[i], 0);
            memset(now, 0xff, 1000);
            if (!first[round])
                first[round] = now;
        }
        memset(arena_alloc(arena, 2 * ARENA_BLOCK_BYTES), 0xff, 2 * ARENA_BLOCK_BYTES);
        arena_reset(arena);
        assert_ptr_equal(first[round], first[0]);
    }
    arena_destroy(&arena);
}

static void texts_are_copied_and_formatted(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    char text[] = "position";
    char *copy = arena_strdup(arena, text);
    text[0] = 'P';
    assert_string_equal(copy, "position");
    assert_string_equal(arena_printf(arena, "%s %d", copy, 42), "position 42");
    assert_memory_equal(arena_memdup(arena, "\0a", 2), "\0a", 2);
    arena_destroy(&arena);
}

static void destroying_nothing_is_harmless(void **state)
{
    (void)state;
    struct arena *arena = NULL;
    arena_destroy(&arena);
    arena_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_zeroed_aligned_and_apart),
        cmocka_unit_test(a_reset_gives_zeroed_memory_again),
        cmocka_unit_test(what_a_large_batch_left_is_used_again_zeroed),
        cmocka_unit_test(texts_are_copied_and_formatted),
        cmocka_unit_test(destroying_nothing_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
