// test_waiting.c - waiting by the clock, told as a sequence of looks.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "cli/waiting.h"

static struct waiting waiting;

static void what_stands_still_is_given_up_at_its_limit(void **state)
{
    (void)state;
    waiting_begin(&waiting, 120000, 1000);
    assert_true(waiting_goes_on(&waiting, 7, 1000));
    assert_true(waiting_goes_on(&waiting, 7, 120999));
    assert_false(waiting_goes_on(&waiting, 7, 121000));
}

// Each look took five seconds: the limit is not a number of looks.
static void slow_looks_do_not_stretch_the_limit(void **state)
{
    (void)state;
    int64_t now_ms = 0;
    waiting_begin(&waiting, 120000, now_ms);
    int looks = 0;
    while (waiting_goes_on(&waiting, 7, now_ms)) {
        now_ms += 5000;
        looks++;
    }
    assert_int_equal(looks, 24);
}

static void what_gets_further_has_its_whole_time_again(void **state)
{
    (void)state;
    waiting_begin(&waiting, 1000, 0);
    for (int64_t done = 0; done < 100; done++)
        assert_true(waiting_goes_on(&waiting, done, done * 900));
    assert_false(waiting_goes_on(&waiting, 99, 99 * 900 + 1000));
}

// A checkpoint that a rebuild moved back and forth is no progress.
static void going_back_is_not_getting_further(void **state)
{
    (void)state;
    waiting_begin(&waiting, 1000, 0);
    assert_true(waiting_goes_on(&waiting, 10, 0));
    assert_true(waiting_goes_on(&waiting, 5, 500));
    assert_true(waiting_goes_on(&waiting, 10, 900));
    assert_false(waiting_goes_on(&waiting, 10, 1000));
}

static void who_had_nothing_to_do_meanwhile_has_its_whole_time(void **state)
{
    (void)state;
    waiting_begin(&waiting, 1000, 0);
    assert_true(waiting_goes_on(&waiting, 10, 0));
    waiting_rest(&waiting, 5000);
    assert_true(waiting_goes_on(&waiting, 10, 5999));
    assert_false(waiting_goes_on(&waiting, 10, 6000));
}

static void a_line_is_due_after_a_while_and_then_now_and_then(void **state)
{
    (void)state;
    struct telling telling;
    telling_begin(&telling, 100);
    assert_false(telling_is_due(&telling, 100 + WAITING_TELL_FIRST_MS - 1));
    assert_true(telling_is_due(&telling, 100 + WAITING_TELL_FIRST_MS));
    assert_false(telling_is_due(&telling, 100 + WAITING_TELL_FIRST_MS + 1));
    assert_false(telling_is_due(&telling, 100 + WAITING_TELL_FIRST_MS + WAITING_TELL_EVERY_MS - 1));
    assert_true(telling_is_due(&telling, 100 + WAITING_TELL_FIRST_MS + WAITING_TELL_EVERY_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_stands_still_is_given_up_at_its_limit),
        cmocka_unit_test(slow_looks_do_not_stretch_the_limit),
        cmocka_unit_test(what_gets_further_has_its_whole_time_again),
        cmocka_unit_test(going_back_is_not_getting_further),
        cmocka_unit_test(who_had_nothing_to_do_meanwhile_has_its_whole_time),
        cmocka_unit_test(a_line_is_due_after_a_while_and_then_now_and_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
