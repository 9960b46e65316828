// test_error.c - the error type: what a caller reads, and that texts never overrun.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "base/error.h"

static void each_level_says_what_it_was_doing(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(error_set(&err, NOVA_NOT_FOUND, "no user %d", 7), NOVA_NOT_FOUND);
    assert_int_equal(error_while(&err, "loading page %s", "two"), NOVA_NOT_FOUND);
    assert_string_equal(err.text, "loading page two: no user 7");
    assert_false(err.transient);
}

static void a_transient_failure_says_so_and_stays_so(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(error_set_transient(&err, NOVA_UNAVAILABLE, "no answer"), NOVA_UNAVAILABLE);
    assert_int_equal(error_while(&err, "publishing"), NOVA_UNAVAILABLE);
    assert_true(err.transient);
}

static void a_text_too_long_is_cut_at_its_end(void **state)
{
    (void)state;
    struct error err;
    char wide[2 * ERROR_TEXT_BYTES_MAX];
    memset(wide, 'x', sizeof wide - 1);
    wide[sizeof wide - 1] = '\0';
    (void)error_set(&err, NOVA_INTERNAL, "%s", wide);
    assert_int_equal(strlen(err.text), ERROR_TEXT_BYTES_MAX - 1);
    (void)error_while(&err, "outer");
    assert_int_equal(strlen(err.text), ERROR_TEXT_BYTES_MAX - 1);
    assert_memory_equal(err.text, "outer: x", 8);
}

static void an_error_nobody_reads_still_returns_its_status(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, NOVA_ABORTED, "conflict"), NOVA_ABORTED);
}

static void a_status_has_its_grpc_number_and_name(void **state)
{
    (void)state;
    assert_int_equal(NOVA_UNAUTHENTICATED, 16);
    assert_string_equal(nova_status_name(NOVA_DATA_LOSS), "DATA_LOSS");
    assert_string_equal(nova_status_name((enum nova_status)99), "UNKNOWN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_level_says_what_it_was_doing),
        cmocka_unit_test(a_transient_failure_says_so_and_stays_so),
        cmocka_unit_test(a_text_too_long_is_cut_at_its_end),
        cmocka_unit_test(an_error_nobody_reads_still_returns_its_status),
        cmocka_unit_test(a_status_has_its_grpc_number_and_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
