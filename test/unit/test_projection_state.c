// test_projection_state.c - a projection's state in one word.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/limits.h"
#include "cli/projection_state.h"

static const struct projection_seen good = {.generation = 3, .at_work = true};

static void assert_state(const struct projection_seen *seen, const char *name)
{
    assert_string_equal(projection_state_name(projection_state_of(seen)), name);
}

static void without_lag_and_with_its_consumer_at_work_it_is_live(void **state)
{
    (void)state;
    assert_state(&good, "live");
}

static void one_event_is_behind(void **state)
{
    (void)state;
    struct projection_seen seen = good;
    seen.lag_events = 1;
    assert_state(&seen, "behind");
}

static void without_an_instance_it_is_stopped_however_far_it_is(void **state)
{
    (void)state;
    struct projection_seen seen = good;
    seen.at_work = false;
    assert_state(&seen, "stopped");
    seen.lag_events = 5;
    assert_state(&seen, "stopped");
}

// As many as the consumer takes are no failure, until it stands before the next one.
static void one_parked_aggregate_too_many_is_failing(void **state)
{
    (void)state;
    struct projection_seen seen = good;
    seen.parked_aggregates_max = INBOX_PARKED_MAX;
    assert_state(&seen, "live");
    seen.lag_events = 1;
    assert_state(&seen, "failing");
    seen.parked_aggregates_max = INBOX_PARKED_MAX - 1;
    assert_state(&seen, "behind");
    seen.lag_events = 0;
    seen.parked_aggregates_max = INBOX_PARKED_MAX + 1;
    assert_state(&seen, "failing");
    seen.at_work = false;
    assert_state(&seen, "failing");
}

static void without_a_generation_it_is_missing(void **state)
{
    (void)state;
    const struct projection_seen seen = {.lag_events = 7};
    assert_state(&seen, "missing");
}

static void a_rate_is_events_a_second(void **state)
{
    (void)state;
    assert_true(projection_rate(100, 600, 500) == 1000);
    assert_true(projection_rate(100, 100, 500) == 0);
}

// A rebuild may have moved the checkpoint back meanwhile.
static void a_rate_that_cannot_be_known_is_below_zero(void **state)
{
    (void)state;
    assert_true(projection_rate(100, 99, 500) < 0);
    assert_true(projection_rate(100, 200, 0) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_lag_and_with_its_consumer_at_work_it_is_live),
        cmocka_unit_test(one_event_is_behind),
        cmocka_unit_test(without_an_instance_it_is_stopped_however_far_it_is),
        cmocka_unit_test(one_parked_aggregate_too_many_is_failing),
        cmocka_unit_test(without_a_generation_it_is_missing),
        cmocka_unit_test(a_rate_is_events_a_second),
        cmocka_unit_test(a_rate_that_cannot_be_known_is_below_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
