// test_group.c - which commands go together: different aggregates, different command ids, bounded.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "aggregates/runtime/group.h"

enum { SMALL = 100 };

static const struct uuid unknown;
static struct group group;

// Number n as an id; equal numbers are equal ids.
static struct uuid id(uint32_t n)
{
    struct uuid out = {{0xaa}};
    out.bytes[13] = (uint8_t)(n >> 16);
    out.bytes[14] = (uint8_t)(n >> 8);
    out.bytes[15] = (uint8_t)n;
    return out;
}

static bool admit(uint32_t command, uint32_t aggregate)
{
    struct uuid command_id = id(command), appends_to = id(aggregate);
    return group_admit(&group, &command_id, &appends_to, SMALL);
}

static bool admit_unknown(uint32_t command)
{
    struct uuid command_id = id(command);
    return group_admit(&group, &command_id, &unknown, SMALL);
}

static void commands_of_different_aggregates_go_together(void **state)
{
    (void)state;
    group_begin(&group);
    assert_true(admit(1, 1001));
    assert_true(admit(2, 1002));
    assert_true(admit(3, 1003));
    assert_int_equal(group.count, 3);
}

static void of_two_that_append_to_one_aggregate_the_second_waits(void **state)
{
    (void)state;
    group_begin(&group);
    assert_true(admit(1, 1001));
    assert_false(admit(2, 1001));
    assert_true(admit(3, 1002));
    group_begin(&group); // the next group
    assert_true(admit(2, 1001));
}

static void of_two_with_one_command_id_the_second_waits(void **state)
{
    (void)state;
    group_begin(&group);
    assert_true(admit(1, 1001));
    assert_false(admit(1, 1002));
    assert_false(admit_unknown(1));
    assert_true(admit(2, 1002));
}

static void an_id_may_be_a_commands_and_an_aggregates(void **state)
{
    (void)state;
    group_begin(&group);
    assert_true(admit(1, 1));
    assert_true(admit(2, 3));
    assert_true(admit(3, 2));
}

static void before_they_are_decided_all_go(void **state)
{
    (void)state;
    group_begin(&group);
    for (uint32_t n = 1; n <= 100; n++)
        assert_true(admit_unknown(n));
}

static void commands_that_are_given_new_ids_meet_nobody(void **state)
{
    (void)state;
    group_begin(&group);
    for (uint32_t n = 1; n <= 100; n++) {
        struct uuid appends_to = id(n);
        assert_true(group_admit(&group, &unknown, &appends_to, SMALL));
    }
}

static void who_is_not_taken_leaves_nothing_behind(void **state)
{
    (void)state;
    group_begin(&group);
    assert_true(admit(1, 1001));
    assert_false(admit(2, 1001)); // for its aggregate: its command id is free
    assert_false(admit(1, 1002)); // for its command id: its aggregate is free
    assert_int_equal(group.count, 1);
    assert_int_equal(group.bytes, SMALL);
    assert_true(admit(2, 1002));
}

static void a_group_has_a_number_of_commands_at_most(void **state)
{
    (void)state;
    group_begin(&group);
    for (uint32_t n = 1; n <= COMMANDS_TOGETHER_MAX; n++)
        assert_true(admit(n, 1000 + n));
    assert_false(admit(COMMANDS_TOGETHER_MAX + 1, 1));
    assert_int_equal(group.count, COMMANDS_TOGETHER_MAX);
}

static void a_group_has_a_number_of_bytes_at_most(void **state)
{
    (void)state;
    const struct uuid ids[] = {id(1), id(2), id(3), id(4)};
    group_begin(&group);
    assert_true(group_admit(&group, &ids[0], &unknown, COMMANDS_TOGETHER_BYTES_MAX - SMALL));
    assert_false(group_admit(&group, &ids[1], &unknown, SMALL + 1));
    assert_true(group_admit(&group, &ids[2], &unknown, SMALL));
    assert_false(group_admit(&group, &ids[3], &unknown, 1));
}

static void one_that_is_larger_goes_alone(void **state)
{
    (void)state;
    const struct uuid ids[] = {id(1), id(2)};
    group_begin(&group);
    assert_true(group_admit(&group, &ids[0], &unknown, COMMANDS_TOGETHER_BYTES_MAX + 1));
    assert_false(group_admit(&group, &ids[1], &unknown, 0));
    assert_int_equal(group.count, 1);
}

// All in one place of the table: they differ in what the place is not taken from.
static void ids_that_collide_are_told_apart(void **state)
{
    (void)state;
    group_begin(&group);
    for (uint32_t n = 0; n < COMMANDS_TOGETHER_MAX; n++) {
        struct uuid collides = {{0xbb}};
        collides.bytes[1] = (uint8_t)n;
        collides.bytes[14] = collides.bytes[15] = 0xff; // the last place: the next is the first
        struct uuid other = collides;
        other.bytes[0] = 0xcc;
        assert_true(group_admit(&group, &collides, &other, SMALL));
        assert_false(group_admit(&group, &collides, &unknown, SMALL));
    }
}

// Against a list: histories drawn from few ids, so that they meet often.
static void a_thousand_histories_are_as_a_list_says(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (int history = 0; history < 1000; history++) {
        uint32_t commands[64], aggregates[64], count = 0;
        group_begin(&group);
        for (int step = 0; step < 64; step++) {
            seed = seed * 1664525 + 1013904223;
            uint32_t command = 1 + (seed >> 8) % 40, aggregate = 1 + (seed >> 20) % 40;
            bool expected = true;
            for (uint32_t i = 0; i < count; i++)
                expected &= commands[i] != command && aggregates[i] != aggregate;
            assert_int_equal(admit(command, aggregate), expected);
            if (expected) {
                commands[count] = command;
                aggregates[count++] = aggregate;
            }
        }
        assert_int_equal(group.count, count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_of_different_aggregates_go_together),
        cmocka_unit_test(of_two_that_append_to_one_aggregate_the_second_waits),
        cmocka_unit_test(of_two_with_one_command_id_the_second_waits),
        cmocka_unit_test(an_id_may_be_a_commands_and_an_aggregates),
        cmocka_unit_test(before_they_are_decided_all_go),
        cmocka_unit_test(commands_that_are_given_new_ids_meet_nobody),
        cmocka_unit_test(who_is_not_taken_leaves_nothing_behind),
        cmocka_unit_test(a_group_has_a_number_of_commands_at_most),
        cmocka_unit_test(a_group_has_a_number_of_bytes_at_most),
        cmocka_unit_test(one_that_is_larger_goes_alone),
        cmocka_unit_test(ids_that_collide_are_told_apart),
        cmocka_unit_test(a_thousand_histories_are_as_a_list_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
