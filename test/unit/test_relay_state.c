// test_relay_state.c - the relay's machine, step by step: what it was told, what it asks for next.
// Its rules against whole histories: test/sim/.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "outbox-relay/relay_state.h"

static const struct relay_limits limits = {
    .lease_ms = 4000, .check_ms = 60000, .poll_ms = 250, .stuck_ms = 10000};
static const struct uuid event_id = {{1}}, other_id = {{2}}, log_id = {{3}}, other_log = {{4}};

static void asks(enum relay_action action, const struct relay_state *state, int64_t now_ms)
{
    assert_int_equal(action, relay_next(state, now_ms).action);
}

// A stream of `n` events at the positions 2, 4, ...
static struct relay_stream_seen stream_of(int64_t n)
{
    return (struct relay_stream_seen){.first_n = n > 0,
                                      .last_n = n,
                                      .messages = n,
                                      .config_is_ours = true,
                                      .has_last = n > 0,
                                      .last_is_ours = n > 0,
                                      .last_sequence = n,
                                      .carried_n = n,
                                      .position = 2 * n,
                                      .event_id = event_id,
                                      .log_id = log_id};
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
    asks(RELAY_DO_COMPARE, &state, 0);
    relay_was_compared(&state, true, &event_id, &log_id, 0);
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
    relay_was_compared(&state, false, &event_id, &log_id, 0);
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
    struct relay_stream_seen good = stream_of(5), bad[8];
    for (size_t i = 0; i < 8; i++)
        bad[i] = good;
    const char *const why[] = {"its first message is not number 1",
                               "it has holes",
                               "it has holes",
                               "its configuration was changed",
                               "its last message is not there",
                               "its last message is not its last number",
                               "its last message is not ours",
                               "its last message carries another number"};
    bad[0].first_n = 2;
    bad[1].messages = 4;
    bad[2].deleted = 1;
    bad[3].config_is_ours = false;
    bad[4].has_last = false;
    bad[5].last_sequence = 4;
    bad[6].last_is_ours = false;
    bad[7].carried_n = 4;
    for (size_t i = 0; i < 8; i++) {
        struct relay_state state = given_leader();
        given_inspected(&state, &bad[i]);
        assert_string_equal(why[i], state.why);
        asks(RELAY_DO_MAKE_AGAIN, &state, 0);
        relay_was_made_again(&state);
        asks(RELAY_DO_INSPECT, &state, 0);
    }
}

static void a_message_that_cannot_be_read_is_damage(void **unused)
{
    (void)unused;
    struct relay_state state = given_leader();
    struct relay_stream_seen seen = stream_of(5);
    given_inspected(&state, &seen);
    relay_was_verified(&state, "a message cannot be read");
    asks(RELAY_DO_MAKE_AGAIN, &state, 0);
    assert_null(relay_message_wrong(4, 4, 6, 8));
    assert_non_null(relay_message_wrong(4, 5, 6, 8));
    assert_non_null(relay_message_wrong(4, 4, 8, 8));
}

static void a_check_reads_a_part_and_a_connect_the_whole(void **unused)
{
    (void)unused;
    int64_t last_n = 2 * RELAY_VERIFY_STEP + 10;
    struct relay_state state = given_following(last_n);
    struct relay_stream_seen seen = stream_of(last_n);
    const int64_t first[] = {1, RELAY_VERIFY_STEP + 1, 2 * RELAY_VERIFY_STEP + 1, 1};
    for (size_t i = 0; i < 4; i++) { // the whole was read: the checks begin again
        relay_was_looked(&state, 0, limits.check_ms + 1);
        given_inspected(&state, &seen);
        assert_int_equal(first[i], relay_next(&state, 0).first_n);
        relay_was_verified(&state, NULL);
        relay_was_compared(&state, true, &event_id, &log_id, 0);
    }
    relay_has_reconnected(&state);
    given_inspected(&state, &seen);
    assert_int_equal(1, relay_next(&state, 0).first_n);
    assert_int_equal(last_n, relay_next(&state, 0).last_n);
}

static void another_event_or_log_at_the_end_stops_it_until_it_is_started_again(void **unused)
{
    (void)unused;
    const struct {
        bool found;
        const struct uuid *event_id, *log_id;
    } cases[] = {
        {false, &event_id, &log_id}, {true, &other_id, &log_id}, {true, &event_id, &other_log}};
    for (size_t i = 0; i < 3; i++) {
        struct relay_state state = given_leader();
        struct relay_stream_seen seen = stream_of(5);
        given_inspected(&state, &seen);
        relay_was_verified(&state, NULL);
        relay_was_compared(&state, cases[i].found, cases[i].event_id, cases[i].log_id, 0);
        assert_int_equal(RELAY_STOPPED, state.phase);
        relay_has_reconnected(&state);
        relay_has_failed(&state);
        assert_int_equal(RELAY_STOPPED, state.phase);
    }
}

static void after_a_failed_publish_or_an_error_the_end_is_read_first(void **unused)
{
    (void)unused;
    struct relay_state state = given_following(5);
    relay_was_looked(&state, 3, 0);
    relay_publish_has_failed(&state);
    asks(RELAY_DO_INSPECT, &state, 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_lease_it_asks_for_it_and_waits),
        cmocka_unit_test(a_lease_is_renewed_in_time_and_one_that_is_lost_ends_the_work),
        cmocka_unit_test(rows_are_published_behind_the_last_number),
        cmocka_unit_test(an_empty_stream_is_filled_from_the_first_event),
        cmocka_unit_test(settlement_begins_behind_the_streams_last_event),
        cmocka_unit_test(each_damage_is_named_and_the_stream_made_again),
        cmocka_unit_test(a_message_that_cannot_be_read_is_damage),
        cmocka_unit_test(a_check_reads_a_part_and_a_connect_the_whole),
        cmocka_unit_test(another_event_or_log_at_the_end_stops_it_until_it_is_started_again),
        cmocka_unit_test(after_a_failed_publish_or_an_error_the_end_is_read_first),
        cmocka_unit_test(writers_that_hold_a_hole_too_long_are_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
