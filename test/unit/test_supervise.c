// test_supervise.c - a child that dies, hangs or will not stop, told as a sequence of moments.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "cli/supervise.h"

static struct supervise child;
static int64_t now_ms;

static void begin(int64_t ready_silence, int64_t start_silence)
{
    struct supervise_limits limits = {ready_silence, start_silence, 5000};
    now_ms = 1000000;
    supervise_begin(&child, &limits, now_ms);
}

static void begin_ready(int64_t ready_silence)
{
    begin(ready_silence, 60000);
    assert_int_equal(supervise_next(&child, now_ms), SUPERVISE_START);
    supervise_ready(&child, now_ms);
    assert_int_equal(child.state, SUPERVISE_READY);
}

// Nothing happens until `ms` from now, and then `order`.
static void assert_after(int64_t ms, enum supervise_order order)
{
    assert_int_equal(supervise_due_ms(&child), now_ms + ms);
    assert_int_equal(supervise_next(&child, now_ms + ms - 1), SUPERVISE_NOTHING);
    now_ms += ms;
    assert_int_equal(supervise_next(&child, now_ms), order);
}

static void a_child_that_ends_is_started_again_after_growing_pauses(void **state)
{
    (void)state;
    begin_ready(10000);
    const int64_t pauses[] = {100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000};
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
        supervise_exited(&child, now_ms);
        assert_string_equal(child.why, "ended by itself");
        assert_after(pauses[i], SUPERVISE_START);
    }
    assert_int_equal(child.starts, 11);
}

static void a_child_that_was_ready_for_long_is_started_again_soon(void **state)
{
    (void)state;
    begin_ready(0);
    for (int i = 0; i < 5; i++) {
        supervise_exited(&child, now_ms);
        now_ms += 10000;
        assert_int_equal(supervise_next(&child, now_ms), SUPERVISE_START);
    }
    supervise_ready(&child, now_ms);
    now_ms += SUPERVISE_STEADY_MS;
    supervise_exited(&child, now_ms);
    assert_after(100, SUPERVISE_START);
}

static void a_child_that_is_silent_is_killed_and_started_again(void **state)
{
    (void)state;
    begin_ready(10000);
    now_ms += 9000;
    supervise_heard(&child, now_ms);
    assert_after(10000, SUPERVISE_KILL);
    assert_string_equal(child.why, "said nothing for too long");
    assert_int_equal(supervise_next(&child, now_ms + 99999), SUPERVISE_NOTHING); // said once
    supervise_heard(&child, now_ms); // its last words change nothing
    supervise_ready(&child, now_ms);
    assert_int_equal(child.state, SUPERVISE_KILLED);
    supervise_exited(&child, now_ms);
    assert_string_equal(child.why, "said nothing for too long");
    assert_after(100, SUPERVISE_START);
}

static void a_child_that_hangs_at_its_start_is_killed_too(void **state)
{
    (void)state;
    begin(10000, 60000);
    assert_int_equal(supervise_next(&child, now_ms), SUPERVISE_START);
    now_ms += 59000;
    supervise_heard(&child, now_ms); // it said what it waits for
    assert_after(60000, SUPERVISE_KILL);
}

static void three_probes_without_answer_in_a_row_are_the_end(void **state)
{
    (void)state;
    begin_ready(0);
    assert_int_equal(supervise_due_ms(&child), INT64_MAX);
    supervise_probed(&child, SUPERVISE_ANSWER_NONE, now_ms);
    supervise_probed(&child, SUPERVISE_ANSWER_NONE, now_ms);
    supervise_probed(&child, SUPERVISE_ANSWER_READY, now_ms);
    supervise_probed(&child, SUPERVISE_ANSWER_NONE, now_ms);
    supervise_probed(&child, SUPERVISE_ANSWER_NONE, now_ms);
    supervise_probed(&child, SUPERVISE_ANSWER_BUSY, now_ms);
    supervise_probed(&child, SUPERVISE_ANSWER_NONE, now_ms);
    supervise_probed(&child, SUPERVISE_ANSWER_NONE, now_ms);
    assert_int_equal(supervise_next(&child, now_ms), SUPERVISE_NOTHING);
    supervise_probed(&child, SUPERVISE_ANSWER_NONE, now_ms);
    assert_int_equal(supervise_next(&child, now_ms), SUPERVISE_KILL);
    assert_string_equal(child.why, "does not answer");
}

static void a_server_that_is_still_starting_is_not_killed_by_probes(void **state)
{
    (void)state;
    begin(0, 0);
    assert_int_equal(supervise_next(&child, now_ms), SUPERVISE_START);
    for (int i = 0; i < 1000; i++)
        supervise_probed(&child, i % 2 ? SUPERVISE_ANSWER_NONE : SUPERVISE_ANSWER_BUSY, now_ms);
    assert_int_equal(supervise_next(&child, now_ms + 3600000), SUPERVISE_NOTHING);
    supervise_probed(&child, SUPERVISE_ANSWER_READY, now_ms);
    assert_int_equal(child.state, SUPERVISE_READY);
}

static void failed_probes_of_an_earlier_life_do_not_count(void **state)
{
    (void)state;
    begin_ready(0);
    supervise_probed(&child, SUPERVISE_ANSWER_NONE, now_ms);
    supervise_probed(&child, SUPERVISE_ANSWER_NONE, now_ms);
    supervise_exited(&child, now_ms);
    assert_after(100, SUPERVISE_START);
    supervise_ready(&child, now_ms);
    supervise_probed(&child, SUPERVISE_ANSWER_NONE, now_ms);
    assert_int_equal(supervise_next(&child, now_ms), SUPERVISE_NOTHING);
}

static void what_lost_its_ground_is_killed_at_once(void **state)
{
    (void)state;
    begin_ready(0);
    supervise_lost(&child, "its store was removed", now_ms);
    assert_int_equal(supervise_next(&child, now_ms), SUPERVISE_KILL);
    supervise_exited(&child, now_ms);
    assert_string_equal(child.why, "its store was removed");
    supervise_lost(&child, "its store was removed", now_ms); // not running: nothing to do
    assert_after(100, SUPERVISE_START);
}

static void a_stopped_child_is_not_started_again(void **state)
{
    (void)state;
    begin_ready(10000);
    supervise_stop(&child, now_ms);
    assert_int_equal(supervise_next(&child, now_ms), SUPERVISE_TERMINATE);
    assert_int_equal(supervise_next(&child, now_ms), SUPERVISE_NOTHING);
    supervise_stop(&child, now_ms + 10); // asked twice
    assert_int_equal(supervise_next(&child, now_ms + 10), SUPERVISE_NOTHING);
    supervise_exited(&child, now_ms + 20);
    assert_int_equal(child.state, SUPERVISE_STOPPED);
    assert_int_equal(supervise_due_ms(&child), INT64_MAX);
    assert_int_equal(supervise_next(&child, now_ms + 99999), SUPERVISE_NOTHING);
}

static void a_child_that_will_not_stop_is_killed(void **state)
{
    (void)state;
    begin_ready(10000);
    supervise_stop(&child, now_ms);
    assert_int_equal(supervise_next(&child, now_ms), SUPERVISE_TERMINATE);
    assert_after(5000, SUPERVISE_KILL);
    supervise_exited(&child, now_ms);
    assert_int_equal(child.state, SUPERVISE_STOPPED);
    assert_string_equal(child.why, "killed");
}

static void a_child_stopped_while_it_is_being_killed_stays_down(void **state)
{
    (void)state;
    begin_ready(10000);
    supervise_lost(&child, "gone", now_ms);
    supervise_stop(&child, now_ms);
    assert_int_equal(supervise_next(&child, now_ms), SUPERVISE_KILL);
    supervise_exited(&child, now_ms);
    assert_int_equal(child.state, SUPERVISE_STOPPED);
}

static void a_waiting_child_stops_at_once(void **state)
{
    (void)state;
    begin(0, 0);
    supervise_stop(&child, now_ms);
    assert_int_equal(child.state, SUPERVISE_STOPPED);
    assert_int_equal(supervise_next(&child, now_ms), SUPERVISE_NOTHING);
}

static void a_start_can_wait_for_what_it_needs(void **state)
{
    (void)state;
    begin(0, 0);
    supervise_postpone(&child, "the disk is full", now_ms + 1000);
    assert_string_equal(child.why, "the disk is full");
    assert_after(1000, SUPERVISE_START);
    supervise_postpone(&child, "the disk is full", now_ms + 1000);
    assert_int_equal(child.state, SUPERVISE_STARTING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_that_ends_is_started_again_after_growing_pauses),
        cmocka_unit_test(a_child_that_was_ready_for_long_is_started_again_soon),
        cmocka_unit_test(a_child_that_is_silent_is_killed_and_started_again),
        cmocka_unit_test(a_child_that_hangs_at_its_start_is_killed_too),
        cmocka_unit_test(three_probes_without_answer_in_a_row_are_the_end),
        cmocka_unit_test(a_server_that_is_still_starting_is_not_killed_by_probes),
        cmocka_unit_test(failed_probes_of_an_earlier_life_do_not_count),
        cmocka_unit_test(what_lost_its_ground_is_killed_at_once),
        cmocka_unit_test(a_stopped_child_is_not_started_again),
        cmocka_unit_test(a_child_that_will_not_stop_is_killed),
        cmocka_unit_test(a_child_stopped_while_it_is_being_killed_stays_down),
        cmocka_unit_test(a_waiting_child_stops_at_once),
        cmocka_unit_test(a_start_can_wait_for_what_it_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
