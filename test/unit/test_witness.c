// test_witness.c - given the last checkpoint that was cosigned, when another is shown, then...
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sodium.h>

#include "audit/witness.h"
#include "test/lib/merkle_log.h"

enum { EVENTS = 20 };

static struct merkle_log one_history, another; // the same up to event 10

static struct checkpoint head_of(struct merkle_log *log, uint64_t size)
{
    return (struct checkpoint){
        .origin = "nova/content/x", .size = size, .root = merkle_log_root(log, size)};
}

static struct merkle_proof proof_of(struct merkle_log *log, uint64_t old, uint64_t size)
{
    struct merkle_proof proof;
    struct merkle_source source = merkle_log_source(log);
    assert_int_equal(merkle_prove_consistency(&proof, old, size, &source, NULL), NOVA_OK);
    return proof;
}

static void the_first_checkpoint_of_a_log_is_cosigned(void **state)
{
    (void)state;
    struct checkpoint first = head_of(&one_history, 7), empty = {.size = 0};
    merkle_range_root(&empty.root, &(struct merkle_range){.size = 0});
    assert_int_equal(witness_look(NULL, &first, NULL), WITNESS_COSIGN);
    assert_int_equal(witness_look(NULL, &empty, NULL), WITNESS_COSIGN);
    assert_int_equal(witness_look(&(struct checkpoint){.origin = "nova/content/x"}, &first, NULL),
                     WITNESS_COSIGN);
}

static void a_larger_one_wants_a_proof_and_is_cosigned_with_it(void **state)
{
    (void)state;
    struct checkpoint last = head_of(&one_history, 7), shown = head_of(&one_history, 20);
    struct merkle_proof proof = proof_of(&one_history, 7, 20);
    assert_int_equal(witness_look(&last, &shown, NULL), WITNESS_PROVE);
    assert_int_equal(witness_look(&last, &shown, &proof), WITNESS_COSIGN);
}

static void the_same_one_again_is_cosigned(void **state)
{
    (void)state;
    struct checkpoint last = head_of(&one_history, 20);
    assert_int_equal(witness_look(&last, &last, NULL), WITNESS_COSIGN);
}

static void two_of_one_size_with_different_roots_are_a_fork(void **state)
{
    (void)state;
    struct checkpoint last = head_of(&one_history, 20), shown = head_of(&another, 20);
    assert_int_equal(witness_look(&last, &shown, NULL), WITNESS_FORKED);
}

static void an_empty_log_has_one_root(void **state)
{
    (void)state;
    struct checkpoint shown = {.origin = "nova/content/x", .size = 0};
    assert_int_equal(witness_look(NULL, &shown, NULL), WITNESS_FORKED);
}

static void a_smaller_one_is_rewound(void **state)
{
    (void)state;
    struct checkpoint last = head_of(&one_history, 20), shown = head_of(&one_history, 19);
    assert_int_equal(witness_look(&last, &shown, NULL), WITNESS_REWOUND);
}

static void no_proof_of_a_forked_log_passes(void **state)
{
    (void)state;
    struct checkpoint last = head_of(&one_history, 15), shown = head_of(&another, 20);
    struct merkle_proof theirs = proof_of(&another, 15, 20), ours = proof_of(&one_history, 15, 20);
    assert_int_equal(witness_look(&last, &shown, &theirs), WITNESS_UNPROVEN);
    assert_int_equal(witness_look(&last, &shown, &ours), WITNESS_UNPROVEN);
    struct checkpoint before = head_of(&one_history, 10); // common to both
    struct merkle_proof early = proof_of(&another, 10, 20);
    assert_int_equal(witness_look(&before, &shown, &early), WITNESS_COSIGN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_checkpoint_of_a_log_is_cosigned),
        cmocka_unit_test(a_larger_one_wants_a_proof_and_is_cosigned_with_it),
        cmocka_unit_test(the_same_one_again_is_cosigned),
        cmocka_unit_test(two_of_one_size_with_different_roots_are_a_fork),
        cmocka_unit_test(an_empty_log_has_one_root),
        cmocka_unit_test(a_smaller_one_is_rewound),
        cmocka_unit_test(no_proof_of_a_forked_log_passes),
    };
    if (sodium_init() < 0)
        return 1;
    merkle_log_make(&one_history, EVENTS);
    merkle_log_make(&another, EVENTS);
    for (uint8_t i = 0; i < EVENTS; i++) {
        uint8_t changed = i < 10 ? i : (uint8_t)(i + 100);
        merkle_log_append(&one_history, (struct bytes){&i, 1});
        merkle_log_append(&another, (struct bytes){&changed, 1});
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    merkle_log_free(&one_history);
    merkle_log_free(&another);
    return failed;
}
