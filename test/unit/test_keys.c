// test_keys.c - keys are asked once, in bounded questions, and an erased one is remembered as such.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "inbox/keys.h"

struct asked {
    size_t questions, ids, most;
    bool away;
};

// A service that holds every key but those whose last byte is 0xee.
static enum nova_status fetch(void *context, const char *service, const struct uuid *ids,
                              size_t count, struct seal_key *keys, bool *found, struct error *err)
{
    struct asked *asked = context;
    assert_string_equal(service, "identity");
    asked->questions++;
    asked->ids += count;
    if (count > asked->most)
        asked->most = count;
    if (asked->away)
        return error_set_transient(err, NOVA_UNAVAILABLE, "nobody answers");
    for (size_t i = 0; i < count; i++) {
        found[i] = ids[i].bytes[15] != 0xee;
        memset(keys[i].bytes, found[i] ? ids[i].bytes[0] : 0, SEAL_KEY_BYTES);
    }
    return NOVA_OK;
}

static struct uuid id_of(uint32_t number, uint8_t last)
{
    struct uuid id = {{(uint8_t)number, (uint8_t)(number >> 8), (uint8_t)(number >> 16), 1}};
    memcpy(id.bytes + 8, &number, sizeof number);
    id.bytes[15] = last;
    return id;
}

static void a_key_is_asked_once(void **state)
{
    (void)state;
    struct asked asked = {0};
    struct error err;
    struct keys *keys = keys_create("identity", fetch, &asked);
    struct uuid ids[] = {id_of(7, 1), id_of(7, 1), id_of(8, 1)};
    assert_int_equal(keys_load(keys, ids, 3, &err), NOVA_OK);
    assert_int_equal(keys_load(keys, ids, 3, &err), NOVA_OK);
    assert_int_equal(asked.questions, 1);
    assert_int_equal(asked.ids, 2);
    assert_int_equal(keys_get(keys, &ids[0])->bytes[0], 7);
    keys_destroy(&keys);
    assert_null(keys);
}

static void an_id_that_comes_again_much_later_is_asked_once(void **state)
{
    (void)state;
    enum { COUNT = 3000, PERSONS = 50 };
    struct asked asked = {0};
    struct error err;
    struct keys *keys = keys_create("identity", fetch, &asked);
    struct uuid *ids = calloc(COUNT, sizeof *ids);
    for (uint32_t i = 0; i < COUNT; i++)
        ids[i] = id_of(i % PERSONS + 1, 1);
    assert_int_equal(keys_load(keys, ids, COUNT, &err), NOVA_OK);
    assert_int_equal(asked.ids, PERSONS);
    free(ids);
    keys_destroy(&keys);
}

static void an_erased_key_is_absent(void **state)
{
    (void)state;
    struct asked asked = {0};
    struct error err;
    struct keys *keys = keys_create("identity", fetch, &asked);
    struct uuid id = id_of(7, 0xee);
    assert_int_equal(keys_load(keys, &id, 1, &err), NOVA_OK);
    assert_null(keys_get(keys, &id));
    assert_int_equal(keys_load(keys, &id, 1, &err), NOVA_OK);
    assert_int_equal(asked.questions, 1);
    keys_destroy(&keys);
}

static void questions_are_bounded(void **state)
{
    (void)state;
    enum { COUNT = 2500 };
    struct asked asked = {0};
    struct error err;
    struct keys *keys = keys_create("identity", fetch, &asked);
    struct uuid *ids = calloc(COUNT, sizeof *ids);
    for (uint32_t i = 0; i < COUNT; i++)
        ids[i] = id_of(i + 1, 1);
    assert_int_equal(keys_load(keys, ids, COUNT, &err), NOVA_OK);
    assert_int_equal(asked.questions, 3);
    assert_int_equal(asked.most, KEYS_FETCH_MAX);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(keys_get(keys, &ids[i])->bytes[0], (uint8_t)(i + 1));
    free(ids);
    keys_destroy(&keys);
}

static void more_keys_than_memory_is_given_are_asked_again(void **state)
{
    (void)state;
    enum { COUNT = 5000, ROUNDS = KEYS_MAX / COUNT + 2 };
    struct asked asked = {0};
    struct error err;
    struct keys *keys = keys_create("identity", fetch, &asked);
    struct uuid *ids = calloc(COUNT, sizeof *ids);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < COUNT; i++)
            ids[i] = id_of(round * COUNT + i + 1, 1);
        assert_int_equal(keys_load(keys, ids, COUNT, &err), NOVA_OK);
        for (uint32_t i = 0; i < COUNT; i++)
            assert_non_null(keys_get(keys, &ids[i]));
    }
    free(ids);
    keys_destroy(&keys);
}

static void a_service_that_is_away_is_a_transient_failure(void **state)
{
    (void)state;
    struct asked asked = {.away = true};
    struct error err = {0};
    struct keys *keys = keys_create("identity", fetch, &asked);
    struct uuid id = id_of(7, 1);
    assert_int_equal(keys_load(keys, &id, 1, &err), NOVA_UNAVAILABLE);
    assert_true(err.transient);
    assert_non_null(strstr(err.text, "identity"));
    asked.away = false;
    assert_int_equal(keys_load(keys, &id, 1, &err), NOVA_OK); // and nothing wrong was remembered
    assert_non_null(keys_get(keys, &id));
    keys_destroy(&keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_asked_once),
        cmocka_unit_test(an_id_that_comes_again_much_later_is_asked_once),
        cmocka_unit_test(an_erased_key_is_absent),
        cmocka_unit_test(questions_are_bounded),
        cmocka_unit_test(more_keys_than_memory_is_given_are_asked_again),
        cmocka_unit_test(a_service_that_is_away_is_a_transient_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
