// test_member.c - groups: each aggregate is exactly one member's, and bad sizes are refused.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "bus/member.h"
#include "bus/topology.h"

enum { AGGREGATES = 2000 };

static void each_aggregate_is_exactly_one_members(void **state)
{
    (void)state;
    for (int i = 0; i < AGGREGATES; i++) {
        struct uuid id = uuid_v7();
        for (uint32_t size = 1; size <= TOPOLOGY_PARTITIONS; size++) {
            int owners = 0;
            for (uint32_t number = 1; number <= size; number++)
                owners += member_has(&(struct member){number, size}, &id);
            assert_int_equal(owners, 1);
        }
    }
}

static void every_member_has_some(void **state)
{
    (void)state;
    int has[TOPOLOGY_PARTITIONS] = {0};
    for (int i = 0; i < AGGREGATES; i++) {
        struct uuid id = uuid_v7();
        for (uint32_t number = 1; number <= TOPOLOGY_PARTITIONS; number++)
            has[number - 1] += member_has(&(struct member){number, TOPOLOGY_PARTITIONS}, &id);
    }
    for (int i = 0; i < TOPOLOGY_PARTITIONS; i++)
        assert_true(has[i] > 0);
}

static void without_a_group_everything_is_had(void **state)
{
    (void)state;
    struct uuid id = uuid_v7();
    assert_true(member_has(&(struct member){0, 0}, &id));
}

static void a_member_is_two_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct member member; // size 0: refused
    } cases[] = {{"1/1", {1, 1}},
                 {"2/4", {2, 4}},
                 {"64/64", {64, 64}},
                 {"10/64", {10, 64}},
                 {"0/4", {0}},
                 {"5/4", {0}},
                 {"1/65", {0}},
                 {"1/0", {0}},
                 {"0/0", {0}},
                 {"1", {0}},
                 {"1/", {0}},
                 {"/1", {0}},
                 {"", {0}},
                 {"1/2/3", {0}},
                 {"-1/2", {0}},
                 {"+1/2", {0}},
                 {"01/2", {0}},
                 {"1/02", {0}},
                 {" 1/2", {0}},
                 {"1/2 ", {0}},
                 {"1 /2", {0}},
                 {"a/2", {0}},
                 {"1.0/2", {0}},
                 {"1/4294967297", {0}},
                 {"4294967297/4294967298", {0}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct member member;
        bool good = member_parse(&member, cases[i].text);
        if (good != (cases[i].member.size > 0))
            fail_msg("'%s' is %s", cases[i].text, good ? "taken" : "refused");
        if (good) {
            assert_int_equal(member.number, cases[i].member.number);
            assert_int_equal(member.size, cases[i].member.size);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_aggregate_is_exactly_one_members),
        cmocka_unit_test(every_member_has_some),
        cmocka_unit_test(without_a_group_everything_is_had),
        cmocka_unit_test(a_member_is_two_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
