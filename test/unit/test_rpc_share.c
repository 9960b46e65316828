// test_rpc_share.c - how many of the requests that wait a worker takes.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "bus/rpc.h"

static void a_single_one_is_taken_by_whoever_is_free(void **state)
{
    (void)state;
    for (uint32_t idle = 0; idle < SERVICE_WORKERS_MAX; idle++)
        assert_int_equal(rpc_share(1, idle), 1);
}

static void while_others_are_idle_each_has_its_own(void **state)
{
    (void)state;
    for (uint32_t waiting = 1; waiting <= 4; waiting++)
        assert_int_equal(rpc_share(waiting, 3), 1);
    assert_int_equal(rpc_share(5, 3), 2);
}

static void who_is_free_while_all_others_are_busy_takes_all(void **state)
{
    (void)state;
    for (uint32_t waiting = 1; waiting <= COMMANDS_TOGETHER_MAX; waiting++)
        assert_int_equal(rpc_share(waiting, 0), waiting);
}

static void no_more_than_go_together(void **state)
{
    (void)state;
    assert_int_equal(rpc_share(COMMANDS_TOGETHER_MAX + 1, 0), COMMANDS_TOGETHER_MAX);
    assert_int_equal(rpc_share(RPC_QUEUE_MAX, 1), COMMANDS_TOGETHER_MAX);
}

// One after the other, each idle one takes its share of what is left: nothing is left, and no two
// shares differ by more than one.
static void shares_are_even_and_whole(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= 8; workers++)
        for (uint32_t waiting = workers; waiting <= 200; waiting++) {
            uint32_t left = waiting, least = UINT32_MAX, most = 0;
            for (uint32_t idle = workers; idle-- > 0;) {
                uint32_t share = rpc_share(left, idle);
                assert_true(share >= 1 && share <= left);
                least = share < least ? share : least;
                most = share > most ? share : most;
                left -= share;
            }
            assert_int_equal(left, 0);
            assert_true(most - least <= 1);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_single_one_is_taken_by_whoever_is_free),
        cmocka_unit_test(while_others_are_idle_each_has_its_own),
        cmocka_unit_test(who_is_free_while_all_others_are_busy_takes_all),
        cmocka_unit_test(no_more_than_go_together),
        cmocka_unit_test(shares_are_even_and_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
