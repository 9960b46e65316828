// test_import_window.c - the importer's order: what shares an id keeps the file's order, the rest
// runs at once. A seeded simulation finishes commands in any order.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "cli/import_window.h"

static struct uuid id_of(uint32_t number)
{
    struct uuid id = {{0x70}};
    memcpy(id.bytes + 8, &number, sizeof number);
    return id;
}

static void commands_without_a_common_id_run_at_once(void **state)
{
    (void)state;
    uint32_t place;
    struct import_window *window = import_window_create(4);
    for (uint32_t i = 0; i < 4; i++) {
        struct uuid id = id_of(i);
        import_window_add(window, &id, 1);
    }
    assert_true(import_window_is_full(window));
    for (int i = 0; i < 4; i++)
        assert_true(import_window_next(&place, window));
    assert_false(import_window_next(&place, window));
    import_window_destroy(&window);
}

static void a_command_waits_for_the_one_before_it_with_its_id(void **state)
{
    (void)state;
    uint32_t place;
    struct uuid ids[] = {id_of(1), id_of(2)};
    struct import_window *window = import_window_create(8);
    uint32_t first = import_window_add(window, ids, 1);
    uint32_t second = import_window_add(window, ids, 2);
    uint32_t third = import_window_add(window, ids + 1, 1);
    assert_true(import_window_next(&place, window) && place == first);
    assert_false(import_window_next(&place, window));
    import_window_done(window, first);
    assert_true(import_window_next(&place, window) && place == second);
    assert_false(import_window_next(&place, window));
    import_window_done(window, second);
    assert_true(import_window_next(&place, window) && place == third);
    import_window_destroy(&window);
}

static void too_many_ids_wait_for_all_and_are_waited_for(void **state)
{
    (void)state;
    uint32_t place;
    struct uuid many[IMPORT_IDS_MAX + 1] = {0}, one = id_of(1), other = id_of(2);
    struct import_window *window = import_window_create(8);
    uint32_t first = import_window_add(window, &one, 1);
    uint32_t barrier = import_window_add(window, many, IMPORT_IDS_MAX + 1);
    uint32_t last = import_window_add(window, &other, 1);
    assert_true(import_window_next(&place, window) && place == first);
    assert_false(import_window_next(&place, window));
    import_window_done(window, first);
    assert_true(import_window_next(&place, window) && place == barrier);
    assert_false(import_window_next(&place, window));
    import_window_done(window, barrier);
    assert_true(import_window_next(&place, window) && place == last);
    import_window_destroy(&window);
}

enum { WINDOW = 32, COMMANDS = 20000, IDS = 40, IDS_EACH = 3 };

static uint64_t seed = 7;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

static void any_order_of_ends_keeps_the_order_of_each_id(void **state)
{
    (void)state;
    static uint32_t number_of[WINDOW], used[COMMANDS][IDS_EACH], last_started[IDS];
    uint32_t flying[WINDOW], flying_count = 0, added = 0, done = 0, most = 0, place;
    struct import_window *window = import_window_create(WINDOW);
    while (done < COMMANDS) {
        while (added < COMMANDS && !import_window_is_full(window)) {
            struct uuid ids[IDS_EACH];
            for (int i = 0; i < IDS_EACH; i++)
                ids[i] = id_of(used[added][i] = draw(IDS));
            place = import_window_add(window, ids, IDS_EACH);
            number_of[place] = ++added;
        }
        while (import_window_next(&place, window)) {
            for (int i = 0; i < IDS_EACH; i++) {
                uint32_t id = used[number_of[place] - 1][i];
                assert_true(last_started[id] <= number_of[place]);
                last_started[id] = number_of[place];
                for (uint32_t f = 0; f < flying_count; f++)
                    for (int j = 0; j < IDS_EACH; j++)
                        assert_int_not_equal(used[number_of[flying[f]] - 1][j], id);
            }
            flying[flying_count++] = place;
        }
        assert_true(flying_count > 0); // never stuck
        most = flying_count > most ? flying_count : most;
        uint32_t ends = draw(flying_count);
        place = flying[ends];
        flying[ends] = flying[--flying_count];
        import_window_done(window, place);
        done++;
    }
    assert_true(import_window_is_empty(window));
    assert_true(most > 4);
    import_window_destroy(&window);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_without_a_common_id_run_at_once),
        cmocka_unit_test(a_command_waits_for_the_one_before_it_with_its_id),
        cmocka_unit_test(too_many_ids_wait_for_all_and_are_waited_for),
        cmocka_unit_test(any_order_of_ends_keeps_the_order_of_each_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
