// test_key_schedule.c - what each signing key is for, at every moment of a rotation.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

#include "services/identity/key_schedule.h"

enum { KEEP = 100, KEYS_MAX = 8 };

static void staged(const struct key_times *keys, size_t count, int64_t now,
                   const char *states) // one letter a key: w, s, v, g
{
    struct key_stage stages[KEYS_MAX];
    key_schedule(stages, keys, count, now, KEEP);
    for (size_t i = 0; i < count; i++)
        if (key_state_name(stages[i].state)[0] != states[i])
            fail_msg("at %d key %zu %s, not %c", (int)now, i, key_state_name(stages[i].state),
                     states[i]);
}

static void a_rotation_takes_a_key_through_all_its_states(void **state)
{
    (void)state;
    const struct key_times keys[] = {{.signs_from_us = 10}, {.signs_from_us = 1000}};
    staged(keys, 1, 9, "s"); // there is no other
    staged(keys, 1, 5000, "s");
    staged(keys, 2, 999, "sw");
    staged(keys, 2, 1000, "vs");
    staged(keys, 2, 1000 + KEEP - 1, "vs");
    staged(keys, 2, 1000 + KEEP, "gs");
    struct key_stage stages[2];
    key_schedule(stages, keys, 2, 1000, KEEP);
    assert_int_equal(stages[0].until_us, 1000 + KEEP);
    assert_int_equal(stages[1].until_us, 0);
}

static void rotations_overlap(void **state)
{
    (void)state;
    const struct key_times keys[] = {{.signs_from_us = 10},
                                     {.signs_from_us = 1000},
                                     {.signs_from_us = 1050},
                                     {.signs_from_us = 1500}};
    staged(keys, 4, 1049, "vsww");
    staged(keys, 4, 1050, "vvsw");
    staged(keys, 4, 1000 + KEEP, "gvsw");
    staged(keys, 4, 1050 + KEEP, "ggsw");
    staged(keys, 4, 1500, "ggvs");
}

static void a_key_that_was_taken_out_signs_nothing(void **state)
{
    (void)state;
    const struct key_times keys[] = {{.signs_from_us = 10},
                                     {.signs_from_us = 1000, .retired_us = 1200}};
    staged(keys, 2, 1200, "sv"); // the one before it goes on
    staged(keys, 2, 1200 + KEEP, "sg");
    const struct key_times first[] = {{.signs_from_us = 10, .retired_us = 50},
                                      {.signs_from_us = 1000}};
    staged(first, 2, 60, "vs");
    staged(first, 2, 50 + KEEP, "gs"); // and not only when the next one's time has come
}

// Whatever was signed while a key signed is verified for as long as it may be valid.
static void no_token_outlives_its_key(void **state)
{
    (void)state;
    const struct key_times keys[] = {{.signs_from_us = 0},
                                     {.signs_from_us = 70},
                                     {.signs_from_us = 130},
                                     {.signs_from_us = 131},
                                     {.signs_from_us = 600}};
    struct key_stage then[KEYS_MAX], later[KEYS_MAX];
    for (int64_t signed_at = 0; signed_at < 700; signed_at++) {
        size_t signer = KEYS_MAX;
        key_schedule(then, keys, 5, signed_at, KEEP);
        for (size_t i = 0; i < 5; i++)
            if (then[i].state == KEY_SIGNS) {
                assert_int_equal(signer, KEYS_MAX); // one signs
                signer = i;
            }
        assert_true(signer < KEYS_MAX);
        for (int64_t at = signed_at; at < signed_at + KEEP; at++) {
            key_schedule(later, keys, 5, at, KEEP);
            assert_int_not_equal(later[signer].state, KEY_GONE);
        }
        if (signed_at >= 1) { // and it was published before it signed
            key_schedule(later, keys, 5, signed_at - 1, KEEP);
            assert_int_not_equal(later[signer].state, KEY_GONE);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rotation_takes_a_key_through_all_its_states),
        cmocka_unit_test(rotations_overlap),
        cmocka_unit_test(a_key_that_was_taken_out_signs_nothing),
        cmocka_unit_test(no_token_outlives_its_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
