// test_check_rules.c - what `nova check` makes of a figure.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "cli/check_rules.h"

static const struct check_limits lag = {30, 300, false};
static const struct check_limits disk = {2048, 512, true};

static void a_limit_is_reached_at_its_own_value(void **state)
{
    (void)state;
    assert_int_equal(check_judge(0, &lag), CHECK_OK);
    assert_int_equal(check_judge(29.9, &lag), CHECK_OK);
    assert_int_equal(check_judge(30, &lag), CHECK_WARNING);
    assert_int_equal(check_judge(299.9, &lag), CHECK_WARNING);
    assert_int_equal(check_judge(300, &lag), CHECK_CRITICAL);
    assert_int_equal(check_judge(1e12, &lag), CHECK_CRITICAL);
}

static void of_free_space_little_is_bad(void **state)
{
    (void)state;
    assert_int_equal(check_judge(4096, &disk), CHECK_OK);
    assert_int_equal(check_judge(2048, &disk), CHECK_WARNING);
    assert_int_equal(check_judge(513, &disk), CHECK_WARNING);
    assert_int_equal(check_judge(512, &disk), CHECK_CRITICAL);
    assert_int_equal(check_judge(0, &disk), CHECK_CRITICAL);
}

// Whoever sets both to one value wants no warning before.
static void equal_limits_are_critical_at_once(void **state)
{
    (void)state;
    const struct check_limits equal = {5, 5, false};
    assert_true(check_limits_are_ordered(&equal));
    assert_int_equal(check_judge(5, &equal), CHECK_CRITICAL);
    assert_int_equal(check_judge(4, &equal), CHECK_OK);
}

static void limits_the_wrong_way_round_are_noticed(void **state)
{
    (void)state;
    assert_true(check_limits_are_ordered(&lag));
    assert_true(check_limits_are_ordered(&disk));
    assert_false(check_limits_are_ordered(&(struct check_limits){300, 30, false}));
    assert_false(check_limits_are_ordered(&(struct check_limits){512, 2048, true}));
}

// What cannot be asked hides no trouble that is known, and is hidden by nothing that is well.
static void the_worst_is_said(void **state)
{
    (void)state;
    const enum check_level order[] = {CHECK_OK, CHECK_UNKNOWN, CHECK_WARNING, CHECK_CRITICAL};
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 4; k++)
            assert_int_equal(check_worse(order[i], order[k]), order[i > k ? i : k]);
}

// Nagios and its heirs read them.
static void levels_are_the_exit_codes_of_plugins(void **state)
{
    (void)state;
    const char *const names[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
    for (int code = 0; code < 4; code++)
        assert_string_equal(check_level_name((enum check_level)code), names[code]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_is_reached_at_its_own_value),
        cmocka_unit_test(of_free_space_little_is_bad),
        cmocka_unit_test(equal_limits_are_critical_at_once),
        cmocka_unit_test(limits_the_wrong_way_round_are_noticed),
        cmocka_unit_test(the_worst_is_said),
        cmocka_unit_test(levels_are_the_exit_codes_of_plugins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
