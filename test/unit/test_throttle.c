// test_throttle.c - how long who failed waits, and when it is forgotten; also where clocks step.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "services/identity/throttle.h"

#define S INT64_C(1000000)
static const struct throttle_policy policy = {
    .attempts = 3, .delay_us = 2 * S, .delay_max_us = 15 * S, .forget_us = 100 * S};
static const int64_t now_us = 1000 * S;

// What attempts.c writes at each failure.
static void fail_at(struct throttle_bucket *bucket, int64_t at_us)
{
    int64_t from = bucket->forgotten_at_us > at_us ? bucket->forgotten_at_us : at_us;
    if (bucket->failed_at_us > at_us) // the clock was set back
        from = at_us + (bucket->forgotten_at_us - bucket->failed_at_us);
    int64_t most = at_us + throttle_failures_max(&policy) * policy.forget_us;
    bucket->failed_at_us = at_us;
    bucket->forgotten_at_us = from + policy.forget_us < most ? from + policy.forget_us : most;
}

static struct throttle_bucket failed(int times)
{
    struct throttle_bucket bucket = {0};
    for (int i = 0; i < times; i++)
        fail_at(&bucket, now_us);
    return bucket;
}

static void the_wait_doubles_behind_the_free_attempts_up_to_the_longest(void **state)
{
    (void)state;
    static const int64_t waits_s[] = {0, 0, 0, 0, 2, 4, 8, 15, 15, 15};
    assert_int_equal(throttle_failures_max(&policy), 7);
    for (int i = 0; i < 10; i++) {
        struct throttle_bucket bucket = failed(i);
        assert_int_equal(throttle_failures(&bucket, &policy), i < 7 ? i : 7);
        assert_int_equal(throttle_wait_us(&bucket, &policy, now_us), waits_s[i] * S);
    }
}

static void who_waited_may_try_again(void **state)
{
    (void)state;
    struct throttle_bucket bucket = failed(5);
    assert_int_equal(throttle_wait_us(&bucket, &policy, now_us + 4 * S - 1), 1);
    assert_int_equal(throttle_wait_us(&bucket, &policy, now_us + 4 * S), 0);
    fail_at(&bucket, now_us + 4 * S); // and waits longer after the next
    assert_int_equal(throttle_wait_us(&bucket, &policy, now_us + 4 * S), 8 * S);
}

static void failures_are_forgotten_one_by_one(void **state)
{
    (void)state;
    struct throttle_bucket bucket = failed(7);
    fail_at(&bucket, now_us + 300 * S); // three forgotten, one more
    assert_int_equal(throttle_failures(&bucket, &policy), 5);
    fail_at(&bucket, now_us + 900 * S); // all
    assert_int_equal(throttle_failures(&bucket, &policy), 1);
    assert_int_equal(throttle_wait_us(&bucket, &policy, now_us + 900 * S), 0);
}

static void however_many_fail_all_is_forgotten_in_a_bounded_time(void **state)
{
    (void)state;
    struct throttle_bucket bucket = failed(1000);
    assert_int_equal(bucket.forgotten_at_us, now_us + 700 * S);
}

static void a_clock_that_was_set_back_makes_nobody_wait(void **state)
{
    (void)state;
    struct throttle_bucket bucket = failed(5);
    assert_int_equal(throttle_wait_us(&bucket, &policy, now_us - 1), 0);
    assert_int_equal(throttle_wait_us(&bucket, &policy, now_us - 1000000 * S), 0);
    fail_at(&bucket, now_us - 5000 * S); // what was counted stays, and one more
    assert_int_equal(throttle_failures(&bucket, &policy), 6);
    assert_int_equal(bucket.forgotten_at_us, now_us - 4400 * S);
}

static void a_clock_that_was_set_forward_forgets(void **state)
{
    (void)state;
    struct throttle_bucket bucket = failed(7);
    assert_int_equal(throttle_wait_us(&bucket, &policy, now_us + 1000000 * S), 0);
}

static void odd_policies_have_their_bounds(void **state)
{
    (void)state;
    const struct throttle_policy at_once = {1, 60 * S, S, S}; // the longest is below the first
    struct throttle_bucket bucket = {now_us, now_us + 2 * S};
    assert_int_equal(throttle_failures_max(&at_once), 2);
    assert_int_equal(throttle_wait_us(&bucket, &at_once, now_us), S);
    bucket.forgotten_at_us = now_us; // nothing is held
    assert_int_equal(throttle_failures(&bucket, &at_once), 0);
    bucket.forgotten_at_us = INT64_MAX / 2; // nor more than can be
    assert_int_equal(throttle_failures(&bucket, &at_once), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wait_doubles_behind_the_free_attempts_up_to_the_longest),
        cmocka_unit_test(who_waited_may_try_again),
        cmocka_unit_test(failures_are_forgotten_one_by_one),
        cmocka_unit_test(however_many_fail_all_is_forgotten_in_a_bounded_time),
        cmocka_unit_test(a_clock_that_was_set_back_makes_nobody_wait),
        cmocka_unit_test(a_clock_that_was_set_forward_forgets),
        cmocka_unit_test(odd_policies_have_their_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
