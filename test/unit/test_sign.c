// test_sign.c - given what was signed last, when a tree is to be signed, then...
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "audit/sign.h"
#include "test/lib/merkle_log.h"

enum { EVENTS = 20 };

static struct merkle_log log_of_ours;

static struct checkpoint head(uint64_t size)
{
    return (struct checkpoint){
        .origin = "nova/content/x", .size = size, .root = merkle_log_root(&log_of_ours, size)};
}

static void the_first_tree_of_a_log_is_signed(void **state)
{
    (void)state;
    struct checkpoint now = head(7);
    assert_int_equal(sign_look(NULL, &now, NULL, true), SIGN_GO);
}

static void a_tree_that_extends_what_was_signed_is_signed(void **state)
{
    (void)state;
    struct checkpoint last = head(7), now = head(20);
    struct merkle_hash then = merkle_log_root(&log_of_ours, 7);
    assert_int_equal(sign_look(&last, &now, &then, true), SIGN_GO);
    assert_int_equal(sign_look(&last, &now, &then, false), SIGN_GO);
    assert_int_equal(sign_look(&last, &last, &last.root, true), SIGN_GO);
}

static void a_smaller_tree_is_refused_once_nothing_more_is_to_be_read(void **state)
{
    (void)state;
    struct checkpoint last = head(20), now = head(19);
    assert_int_equal(sign_look(&last, &now, NULL, false), SIGN_WAIT);
    assert_int_equal(sign_look(&last, &now, NULL, true), SIGN_SMALLER);
}

static void another_tree_is_refused_whatever_its_size(void **state)
{
    (void)state;
    struct checkpoint last = head(7), now = head(20);
    struct merkle_hash then = last.root;
    then.bytes[31] ^= 1;
    assert_int_equal(sign_look(&last, &now, &then, true), SIGN_FORKED);
    assert_int_equal(sign_look(&last, &last, &then, false), SIGN_FORKED);
}

static void another_log_id_begins_anew(void **state)
{
    (void)state;
    struct checkpoint last = head(20), now = head(3);
    strcpy(now.origin, "nova/content/y");
    assert_int_equal(sign_look(&last, &now, NULL, true), SIGN_GO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_tree_of_a_log_is_signed),
        cmocka_unit_test(a_tree_that_extends_what_was_signed_is_signed),
        cmocka_unit_test(a_smaller_tree_is_refused_once_nothing_more_is_to_be_read),
        cmocka_unit_test(another_tree_is_refused_whatever_its_size),
        cmocka_unit_test(another_log_id_begins_anew),
    };
    if (sodium_init() < 0)
        return 1;
    merkle_log_make(&log_of_ours, EVENTS);
    for (uint8_t i = 0; i < EVENTS; i++)
        merkle_log_append(&log_of_ours, (struct bytes){&i, 1});
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    merkle_log_free(&log_of_ours);
    return failed;
}
