// test_compare.c - given copies of a log of which one was changed, when they are walked beside what
// was signed, then that copy is out, with the first event that differs.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "audit/compare.h"

enum { EVENTS = 40, FIRST_SIGNED = 10, NOTHING = 0xff, OURS = 0, OTHER = 1, TREE = 2 };

// The byte that stands for each event of each copy; NOTHING: it has none.
struct copies {
    uint8_t at[COMPARE_COPIES_MAX][EVENTS];
};

static struct merkle_hash hash(uint8_t event)
{
    struct merkle_hash out;
    merkle_hash_leaf(&out, (struct bytes){&event, 1});
    return out;
}

static struct copies same(void)
{
    struct copies out;
    for (int copy = 0; copy < COMPARE_COPIES_MAX; copy++)
        for (uint8_t i = 0; i < EVENTS; i++)
            out.at[copy][i] = i;
    return out;
}

static struct merkle_hash root_of(uint64_t size)
{
    struct merkle_range range = {.size = 0};
    struct merkle_full full[MERKLE_PROOF_MAX];
    struct merkle_hash out;
    for (uint8_t i = 0; i < size; i++) {
        struct merkle_hash leaf = hash(i);
        merkle_range_append(full, &range, &leaf);
    }
    merkle_range_root(&out, &range);
    return out;
}

// Walks all, with checkpoints at FIRST_SIGNED and at the end.
static struct compare walk(const struct copies *copies)
{
    struct compare compare;
    compare_begin(&compare, COMPARE_COPIES_MAX);
    for (int i = 0; i < EVENTS; i++) {
        struct merkle_hash hashes[COMPARE_COPIES_MAX];
        const struct merkle_hash *given[COMPARE_COPIES_MAX];
        for (int copy = 0; copy < COMPARE_COPIES_MAX; copy++) {
            hashes[copy] = hash(copies->at[copy][i]);
            given[copy] = copies->at[copy][i] == NOTHING ? NULL : &hashes[copy];
        }
        compare_event(&compare, given);
        struct merkle_hash root = root_of((uint64_t)i + 1);
        if (i + 1 == FIRST_SIGNED || i + 1 == EVENTS)
            compare_signed(&compare, &root);
    }
    return compare;
}

static void assert_out(const struct compare *compare, int copy, uint64_t first)
{
    for (int i = 0; i < COMPARE_COPIES_MAX; i++)
        assert_int_equal(compare->copies[i].out, i == copy);
    if (copy < COMPARE_COPIES_MAX)
        assert_int_equal(compare->copies[copy].first, first);
}

static void copies_that_are_what_was_signed_are_good(void **state)
{
    (void)state;
    struct copies copies = same();
    struct compare compare = walk(&copies);
    assert_out(&compare, COMPARE_COPIES_MAX, 0);
}

static void a_changed_event_is_named(void **state)
{
    (void)state;
    for (int copy = 0; copy < COMPARE_COPIES_MAX; copy++)
        for (int i = 0; i < EVENTS; i++) {
            struct copies copies = same();
            copies.at[copy][i] = 99;
            struct compare compare = walk(&copies);
            assert_out(&compare, copy, (uint64_t)i + 1);
        }
}

static void one_that_was_removed_is_named(void **state)
{
    (void)state;
    for (int i = 0; i < EVENTS; i++) {
        struct copies copies = same();
        memmove(&copies.at[OURS][i], &copies.at[OURS][i + 1], (size_t)(EVENTS - 1 - i));
        copies.at[OURS][EVENTS - 1] = NOTHING;
        struct compare compare = walk(&copies);
        assert_out(&compare, OURS, (uint64_t)i + 1);
    }
}

static void of_two_that_were_swapped_the_first_is_named(void **state)
{
    (void)state;
    struct copies copies = same();
    copies.at[OTHER][17] = 25;
    copies.at[OTHER][25] = 17;
    struct compare compare = walk(&copies);
    assert_out(&compare, OTHER, 18);
}

static void two_copies_that_were_changed_each_have_their_event(void **state)
{
    (void)state;
    struct copies copies = same();
    copies.at[OURS][30] = 99;
    copies.at[OTHER][20] = 98;
    struct compare compare = walk(&copies);
    assert_true(compare.copies[OURS].out && compare.copies[OTHER].out && !compare.copies[TREE].out);
    assert_int_equal(compare.copies[OURS].first, 31);
    assert_int_equal(compare.copies[OTHER].first, 21);
}

static void the_same_change_in_all_copies_is_found_and_no_event_is_named(void **state)
{
    (void)state;
    struct copies copies = same();
    for (int copy = 0; copy < COMPARE_COPIES_MAX; copy++)
        copies.at[copy][15] = 99;
    struct compare compare = walk(&copies);
    for (int copy = 0; copy < COMPARE_COPIES_MAX; copy++) {
        assert_true(compare.copies[copy].out);
        assert_int_equal(compare.copies[copy].first, 0);
    }
}

static void a_change_is_told_at_the_checkpoint_after_it(void **state)
{
    (void)state;
    struct compare compare;
    const struct merkle_hash good = hash(0), bad = hash(99);
    struct merkle_hash root = root_of(1);
    compare_begin(&compare, 2);
    const struct merkle_hash *given[COMPARE_COPIES_MAX] = {&good, &bad};
    assert_true(compare_event(&compare, given));
    assert_false(compare.copies[OTHER].out); // nobody knows yet which of them was signed
    assert_false(compare_signed(&compare, &root));
    assert_true(compare.copies[OTHER].out);
    assert_false(compare_event(&compare, given)); // it is known
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_that_are_what_was_signed_are_good),
        cmocka_unit_test(a_changed_event_is_named),
        cmocka_unit_test(one_that_was_removed_is_named),
        cmocka_unit_test(of_two_that_were_swapped_the_first_is_named),
        cmocka_unit_test(two_copies_that_were_changed_each_have_their_event),
        cmocka_unit_test(the_same_change_in_all_copies_is_found_and_no_event_is_named),
        cmocka_unit_test(a_change_is_told_at_the_checkpoint_after_it),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
