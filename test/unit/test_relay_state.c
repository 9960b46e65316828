// test_relay_state.c - the relay's machine, step by step: what it was told, what it asks for next.
// Its rules against whole histories: test/sim/.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "outbox-relay/relay_state.h"

static const struct relay_limits limits = {.lease_ms = 4000,
                                           .check_ms = 60000,
                                           .poll_ms = 250,
                                           .stuck_ms = 10000,
                                           .verify_n = 5000,
                                           .step_n = 50000};
static const struct uuid event_id = {{1}}, other_id = {{2}}, log_id = {{3}}, other_log = {{4}};

static void asks(enum relay_action action, const struct relay_state *state, int64_t now_ms)
{
    assert_int_equal(action, relay_next(state, now_ms).action);
}

// A stream of `n` events at the positions 2, 4, ...
static struct relay_stream_seen stream_of(int64_t n)
{
    return (struct relay_stream_seen){
        .first_n = n > 0, .last_n = n, .messages = n, .config_is_ours = true};
}

// Such a stream's last message, and an outbox that holds all of it.
static struct relay_compared same_up_to(int64_t n)
{
    return (struct relay_compared){.same = true, .position = 2 * n, .n = n, .count = n};
}

static void when_compared(struct relay_state *state, struct relay_compared compared)
{
    asks(RELAY_DO_COMPARE, state, 0);
    relay_was_compared(state, &compared, 0);
}

static void given_inspected(struct relay_state *state, const struct relay_stream_seen *seen)
{
    asks(RELAY_DO_INSPECT, state, 0);
    relay_was_inspected(state, seen);
}

static struct relay_state given_leader(void)
{
    struct relay_state state;
    relay_state_init(&state, &limits);
    asks(RELAY_DO_LEASE, &state, 0);
    relay_was_leased(&state, true, 0);
    return state;
}

static struct relay_state given_following(int64_t n)
{
    struct relay_state state = given_leader();
    struct relay_stream_seen seen = stream_of(n);
    given_inspected(&state, &seen);
    asks(RELAY_DO_VERIFY, &state, 0);
    relay_was_verified(&state, NULL);
    when_compared(&state, same_up_to(n));
    asks(RELAY_DO_LOOK, &state, 0);
    return state;
}

static void without_the_lease_it_asks_for_it_and_waits(void **unused)
{
    (void)unused;
    struct relay_state state;
    relay_state_init(&state, &limits);
    for (int i = 0; i < 3; i++) {
        asks(RELAY_DO_LEASE, &state, 0);
        relay_was_leased(&state, false, 0);
        assert_int_equal(RELAY_PAUSE_MS, relay_next(&state, 0).wait_ms);
        relay_has_waited(&state);
    }
    assert_string_equal("standby", relay_phase_name(state.phase));
}

static void a_lease_is_renewed_in_time_and_one_that_is_lost_ends_the_work(void **unused)
{
    (void)unused;
    struct relay_state state = given_following(5);
    asks(RELAY_DO_LOOK, &state, limits.lease_ms / 4 - 1);
    asks(RELAY_DO_LEASE, &state, limits.lease_ms / 4);
    relay_was_leased(&state, true, limits.lease_ms / 4);
    asks(RELAY_DO_LOOK, &state, limits.lease_ms / 4);
    relay_was_leased(&state, false, limits.lease_ms / 2);
    assert_int_equal(RELAY_STANDBY, state.phase);
}

static void rows_are_published_behind_the_last_number(void **unused)
{
    (void)unused;
    struct relay_state state = given_following(5);
    relay_was_looked(&state, 3, 0);
    struct relay_step step = relay_next(&state, 0);
    assert_int_equal(RELAY_DO_PUBLISH, step.action);
    assert_int_equal(6, step.first_n);
    assert_int_equal(8, step.last_n);
    assert_int_equal(5, step.expected_n);
    relay_has_published(&state, 0);
    asks(RELAY_DO_LOOK, &state, 0); // at once: there may be more
    relay_was_looked(&state, 0, 0);
    assert_int_equal(limits.poll_ms, relay_next(&state, 0).wait_ms);
}

static void an_empty_stream_is_filled_from_the_first_event(void **unused)
{
    (void)unused;
    struct relay_state state = given_leader();
    struct relay_stream_seen seen = stream_of(0);
    given_inspected(&state, &seen);
    relay_was_verified(&state, NULL);
    when_compared(&state, same_up_to(0));
    assert_int_equal(RELAY_FOLLOW, state.phase);
    assert_int_equal(0, state.settle.cursor);
    relay_was_looked(&state, 1, 0);
    assert_int_equal(0, relay_next(&state, 0).expected_n);
}

static void settlement_begins_behind_the_streams_last_event(void **unused)
{
    (void)unused;
    struct relay_state state = given_following(5);
    assert_int_equal(10, state.settle.cursor);
    assert_int_equal(SETTLE_FOLLOW, state.settle.state);
}

static void each_damage_is_named_and_the_stream_made_again(void **unused)
{
    (void)unused;
    struct relay_stream_seen good = stream_of(5), bad[] = {good, good, good, good};
    const char *const why[] = {"its first message is not number 1", "it has holes", "it has holes",
                               "its configuration was changed"};
    bad[0].first_n = 2;
    bad[1].messages = 4;
    bad[2].deleted = 1;
    bad[3].config_is_ours = false;
    for (size_t i = 0; i < 4; i++) {
        struct relay_state state = given_leader();
        given_inspected(&state, &bad[i]);
        assert_int_equal(1, relay_next(&state, 0).first_n); // nothing in it may be the only copy
        when_compared(&state, same_up_to(5));
        assert_string_equal(why[i], state.why);
        asks(RELAY_DO_MAKE_AGAIN, &state, 0);
        relay_was_made_again(&state);
        asks(RELAY_DO_INSPECT, &state, 0);
    }
}

static void a_damaged_stream_with_an_event_that_the_outbox_lacks_is_kept(void **unused)
{
    (void)unused;
    struct relay_state state = given_leader();
    struct relay_stream_seen seen = stream_of(5);
    seen.messages = 4;
    given_inspected(&state, &seen);
    when_compared(&state, (struct relay_compared){.same = false, .position = 10});
    assert_int_equal(RELAY_STOPPED, state.phase);
}

static void a_damaged_stream_that_had_more_events_than_the_outbox_is_kept(void **unused)
{
    (void)unused;
    struct relay_state state = given_leader();
    struct relay_stream_seen seen = stream_of(5);
    seen.messages = 4;
    given_inspected(&state, &seen);
    assert_true(relay_next(&state, 0).count);
    struct relay_compared compared = same_up_to(5); // all that can be read is there
    compared.count = 4;                             // what cannot be read any more is not
    when_compared(&state, compared);
    assert_int_equal(RELAY_STOPPED, state.phase);
}

static void one_that_slept_through_anothers_lease_trusts_nothing_that_came_meanwhile(void **unused)
{
    (void)unused;
    struct relay_state state = given_following(5);
    relay_was_leased(&state, true, limits.lease_ms); // it never saw that it was another's
    relay_was_away(&state);
    struct relay_stream_seen seen = stream_of(9);
    given_inspected(&state, &seen);
    relay_was_verified(&state, NULL);
    assert_int_equal(1, relay_next(&state, limits.lease_ms).first_n);
}

static void a_message_that_cannot_be_read_is_damage(void **unused)
{
    (void)unused;
    struct relay_state state = given_leader();
    struct relay_stream_seen seen = stream_of(5);
    given_inspected(&state, &seen);
    relay_was_verified(&state, "a message cannot be read");
    when_compared(&state, same_up_to(5));
    asks(RELAY_DO_MAKE_AGAIN, &state, 0);
    assert_null(relay_message_wrong(4, 4, 6, 8));
    assert_non_null(relay_message_wrong(4, 5, 6, 8));
    assert_non_null(relay_message_wrong(4, 4, 8, 8));
}

static void a_check_reads_a_part_and_a_connect_the_whole(void **unused)
{
    (void)unused;
    int64_t last_n = 2 * limits.verify_n + 10;
    struct relay_state state = given_following(last_n);
    struct relay_stream_seen seen = stream_of(last_n);
    const int64_t first[] = {1, limits.verify_n + 1, 2 * limits.verify_n + 1, 1};
    for (size_t i = 0; i < 4; i++) { // the whole was read: the checks begin again
        relay_was_looked(&state, 0, limits.check_ms + 1);
        given_inspected(&state, &seen);
        assert_int_equal(first[i], relay_next(&state, 0).first_n);
        relay_was_verified(&state, NULL);
        when_compared(&state, same_up_to(last_n));
    }
    relay_has_reconnected(&state);
    given_inspected(&state, &seen);
    assert_int_equal(1, relay_next(&state, 0).first_n);
    assert_int_equal(last_n, relay_next(&state, 0).last_n);
}

static void a_long_stream_is_read_step_by_step_with_the_lease_renewed(void **unused)
{
    (void)unused;
    int64_t step_n = limits.step_n;
    struct relay_state state = given_leader();
    struct relay_stream_seen seen = stream_of(2 * step_n);
    given_inspected(&state, &seen);
    const int64_t first[] = {1, step_n, 2 * step_n - 1}; // one overlaps, for the order
    for (size_t i = 0; i < 3; i++) {
        int64_t now_ms = (int64_t)(i + 1) * limits.lease_ms / 2;
        asks(RELAY_DO_LEASE, &state, now_ms);
        relay_was_leased(&state, true, now_ms);
        asks(RELAY_DO_VERIFY, &state, now_ms);
        assert_int_equal(first[i], relay_next(&state, now_ms).first_n);
        relay_was_verified(&state, NULL);
    }
    asks(RELAY_DO_COMPARE, &state, 3 * limits.lease_ms / 2);
}

static void a_stream_that_goes_on_meanwhile_is_not_deleted(void **unused)
{
    (void)unused;
    struct relay_state state = given_leader();
    struct relay_stream_seen seen = stream_of(5);
    given_inspected(&state, &seen);
    relay_was_verified(&state, "a message cannot be read");
    assert_true(relay_next(&state, 0).damaged);
    when_compared(&state, same_up_to(5));
    asks(RELAY_DO_MAKE_AGAIN, &state, 0);
    assert_int_equal(5, relay_next(&state, 0).last_n);
    relay_has_changed(&state);
    asks(RELAY_DO_INSPECT, &state, 0);
}

static void an_event_is_the_same_by_its_id_and_its_log(void **unused)
{
    (void)unused;
    assert_true(relay_event_is_same(&event_id, &log_id, true, &event_id, &log_id));
    assert_false(relay_event_is_same(&event_id, &log_id, false, &event_id, &log_id));
    assert_false(relay_event_is_same(&event_id, &log_id, true, &other_id, &log_id));
    assert_false(relay_event_is_same(&event_id, &log_id, true, &event_id, &other_log));
}

static void an_outbox_that_lacks_an_event_stops_it_until_it_is_started_again(void **unused)
{
    (void)unused;
    struct relay_compared cases[] = {same_up_to(5), same_up_to(5)};
    cases[0].same = false;
    cases[1].count = 4; // it has the last one, but an earlier one was not committed in time
    for (size_t i = 0; i < 2; i++) {
        struct relay_state state = given_leader();
        struct relay_stream_seen seen = stream_of(5);
        given_inspected(&state, &seen);
        relay_was_verified(&state, NULL);
        when_compared(&state, cases[i]);
        assert_int_equal(RELAY_STOPPED, state.phase);
        relay_has_reconnected(&state);
        relay_has_failed(&state);
        assert_int_equal(RELAY_STOPPED, state.phase);
    }
}

static void events_are_counted_once_on_each_connection_to_the_outbox(void **unused)
{
    (void)unused;
    struct relay_state state = given_leader();
    struct relay_stream_seen seen = stream_of(5);
    for (int i = 0; i < 4; i++) {
        given_inspected(&state, &seen);
        relay_was_verified(&state, NULL);
        assert_int_equal(i % 2 == 0, relay_next(&state, 0).count);
        when_compared(&state, same_up_to(5));
        if (i == 1)
            relay_has_reconnected_outbox(&state);
        else
            relay_was_looked(&state, 0, limits.check_ms + 1);
    }
}

static void after_a_failed_publish_or_an_error_the_end_is_read_first(void **unused)
{
    (void)unused;
    struct relay_state state = given_following(5);
    relay_was_looked(&state, 3, 0);
    relay_publish_has_failed(&state, 6);
    relay_publish_has_failed(&state, 6); // told again until the stream was inspected
    struct relay_stream_seen seen = stream_of(7);
    given_inspected(&state, &seen);
    relay_was_verified(&state, NULL);
    assert_int_equal(7, relay_next(&state, 0).first_n); // nobody knows what message 7 is
    assert_int_equal(7, relay_next(&state, 0).last_n);
    when_compared(&state, same_up_to(7));
    asks(RELAY_DO_LOOK, &state, 0);
    state = given_following(5);
    relay_was_looked(&state, 3, 0);
    relay_has_failed(&state); // in the middle of publishing them
    asks(RELAY_DO_WAIT, &state, 0);
    relay_has_waited(&state);
    asks(RELAY_DO_INSPECT, &state, 0);
    state = given_following(5);
    relay_has_reconnected_outbox(&state);
    asks(RELAY_DO_INSPECT, &state, 0);
}

static void writers_that_hold_a_hole_too_long_are_ended(void **unused)
{
    (void)unused;
    struct relay_state state = given_following(0);
    const uint64_t writer = 7;
    const struct outbox_look look = {0, 2, &writer, 1};
    settle_look(&state.settle, &look);
    relay_was_looked(&state, 0, 100);
    assert_int_equal(RELAY_HOLE_MS, relay_next(&state, 100).wait_ms);
    relay_has_waited(&state);
    relay_was_leased(&state, true, 100 + limits.stuck_ms);
    settle_look(&state.settle, &look);
    relay_was_looked(&state, 0, 100 + limits.stuck_ms);
    asks(RELAY_DO_END_STUCK, &state, 100 + limits.stuck_ms);
    relay_has_ended_stuck(&state, 100 + limits.stuck_ms);
    asks(RELAY_DO_WAIT, &state, 100 + limits.stuck_ms);
}

static void a_row_that_no_message_can_carry_blocks_it_until_the_next_check(void **unused)
{
    (void)unused;
    struct relay_state state = given_following(3);
    relay_was_looked(&state, 5, 100);
    asks(RELAY_DO_PUBLISH, &state, 100);
    relay_was_blocked(&state, 2, 100);
    assert_string_equal("blocked", relay_phase_name(state.phase));
    assert_int_equal(5, state.n);
    asks(RELAY_DO_WAIT, &state, 100);
    asks(RELAY_DO_LEASE, &state, 100 + limits.lease_ms / 4); // it stays the active one
    relay_was_leased(&state, true, 59000);
    asks(RELAY_DO_WAIT, &state, 59100);
    relay_was_leased(&state, true, 60100);
    asks(RELAY_DO_INSPECT, &state, 60100);
    struct relay_stream_seen seen = stream_of(5);
    relay_was_inspected(&state, &seen);
    asks(RELAY_DO_VERIFY, &state, 60100);
    relay_was_verified(&state, NULL);
    relay_was_compared(
        &state, &(struct relay_compared){.same = true, .position = 10, .n = 5, .count = 5}, 60100);
    asks(RELAY_DO_LOOK, &state, 60100); // and meets the row again: behind the stream's last event
    assert_int_equal(10, state.settle.cursor);
}

static void a_publish_that_fails_before_such_a_row_is_made_good_at_once(void **unused)
{
    (void)unused;
    struct relay_state state = given_following(3);
    relay_was_looked(&state, 5, 100);
    relay_was_blocked(&state, 2, 100);
    relay_publish_has_failed(&state, 4);
    asks(RELAY_DO_INSPECT, &state, 100);
    assert_int_equal(5, state.suspect_n);
}

static void a_paused_relay_only_asks_for_the_lease_and_looks_at_everything_anew(void **unused)
{
    (void)unused;
    struct relay_state state = given_following(5);
    relay_was_looked(&state, 3, 0);
    relay_was_leased(&state, true, 0);
    relay_is_held(&state, true, false); // with rows at hand
    assert_string_equal("paused", relay_phase_name(state.phase));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(RELAY_PAUSE_MS, relay_next(&state, 0).wait_ms);
        relay_has_waited(&state);
        asks(RELAY_DO_LEASE, &state, 0);
        relay_has_reconnected(&state);
        relay_has_failed(&state);
        relay_was_leased(&state, true, 0);
        relay_is_held(&state, true, false);
    }
    relay_has_waited(&state);
    relay_was_leased(&state, true, 0);
    relay_is_held(&state, false, false);
    struct relay_stream_seen seen = stream_of(5);
    given_inspected(&state, &seen);
    assert_int_equal(1, relay_next(&state, 0).first_n); // every message
    relay_was_verified(&state, NULL);
    assert_true(relay_next(&state, 0).count);
    assert_int_equal(1, relay_next(&state, 0).first_n);
    when_compared(&state, same_up_to(5));
    assert_int_equal(RELAY_FOLLOW, state.phase);
}

static void a_stopped_relay_looks_again_behind_a_pause_and_a_standby_stays_one(void **unused)
{
    (void)unused;
    struct relay_state state = given_leader();
    struct relay_stream_seen seen = stream_of(5);
    given_inspected(&state, &seen);
    relay_was_verified(&state, NULL);
    when_compared(&state, (struct relay_compared){.same = false, .position = 10});
    assert_int_equal(RELAY_STOPPED, state.phase);
    relay_is_held(&state, true, false);
    relay_is_held(&state, false, false);
    assert_int_equal(RELAY_INSPECT, state.phase);
    relay_is_held(&state, true, false);
    relay_was_leased(&state, false, 0);
    assert_int_equal(RELAY_STANDBY, state.phase);
}

static void writers_of_a_restored_outbox_are_let_in_once_the_stream_agrees(void **unused)
{
    (void)unused;
    struct relay_state state = given_leader();
    struct relay_stream_seen seen = stream_of(5);
    relay_is_held(&state, false, true);
    given_inspected(&state, &seen);
    relay_was_verified(&state, NULL);
    when_compared(&state, same_up_to(5));
    asks(RELAY_DO_ADMIT, &state, 0); // before anything is looked at or published
    relay_has_admitted(&state);
    asks(RELAY_DO_LOOK, &state, 0);
    state = given_leader();
    relay_is_held(&state, false, true);
    given_inspected(&state, &seen);
    relay_was_verified(&state, NULL);
    when_compared(&state, (struct relay_compared){.same = false, .position = 10});
    asks(RELAY_DO_WAIT, &state, 0); // the stream knows more: nobody is let in
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_lease_it_asks_for_it_and_waits),
        cmocka_unit_test(a_lease_is_renewed_in_time_and_one_that_is_lost_ends_the_work),
        cmocka_unit_test(rows_are_published_behind_the_last_number),
        cmocka_unit_test(an_empty_stream_is_filled_from_the_first_event),
        cmocka_unit_test(settlement_begins_behind_the_streams_last_event),
        cmocka_unit_test(each_damage_is_named_and_the_stream_made_again),
        cmocka_unit_test(one_that_slept_through_anothers_lease_trusts_nothing_that_came_meanwhile),
        cmocka_unit_test(a_message_that_cannot_be_read_is_damage),
        cmocka_unit_test(a_check_reads_a_part_and_a_connect_the_whole),
        cmocka_unit_test(a_damaged_stream_with_an_event_that_the_outbox_lacks_is_kept),
        cmocka_unit_test(a_damaged_stream_that_had_more_events_than_the_outbox_is_kept),
        cmocka_unit_test(a_long_stream_is_read_step_by_step_with_the_lease_renewed),
        cmocka_unit_test(a_stream_that_goes_on_meanwhile_is_not_deleted),
        cmocka_unit_test(an_event_is_the_same_by_its_id_and_its_log),
        cmocka_unit_test(an_outbox_that_lacks_an_event_stops_it_until_it_is_started_again),
        cmocka_unit_test(events_are_counted_once_on_each_connection_to_the_outbox),
        cmocka_unit_test(after_a_failed_publish_or_an_error_the_end_is_read_first),
        cmocka_unit_test(a_row_that_no_message_can_carry_blocks_it_until_the_next_check),
        cmocka_unit_test(a_publish_that_fails_before_such_a_row_is_made_good_at_once),
        cmocka_unit_test(writers_that_hold_a_hole_too_long_are_ended),
        cmocka_unit_test(a_paused_relay_only_asks_for_the_lease_and_looks_at_everything_anew),
        cmocka_unit_test(a_stopped_relay_looks_again_behind_a_pause_and_a_standby_stays_one),
        cmocka_unit_test(writers_of_a_restored_outbox_are_let_in_once_the_stream_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
