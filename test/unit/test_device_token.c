// test_device_token.c - a device is known again by its token, for its own user and for a time.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "services/identity/device_token.h"

enum { GIVEN_US = 5000000, LIFETIME_US = 1000 };
static const struct uuid user = {{1}}, other = {{2}}, nobody = {{0}};
static const struct device_token token = {{{3}}, GIVEN_US};

static struct seal_key key_of(uint8_t byte)
{
    struct seal_key key;
    memset(key.bytes, byte, sizeof key.bytes);
    return key;
}

static bool is_known(const struct seal_key *key, const struct uuid *user_id, const char *text,
                     int64_t now_us)
{
    struct device_token found;
    bool known = device_token_is_known(&found, key, user_id, text, now_us, LIFETIME_US);
    if (known) {
        assert_memory_equal(&found.device_id, &token.device_id, sizeof found.device_id);
        assert_int_equal(found.given_at_us, GIVEN_US);
    }
    return known;
}

static void a_device_is_known_to_its_own_user_and_to_nobody_else(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct seal_key key = key_of(1), changed = key_of(2);
    const char *text = device_token_make(arena, &key, &user, &token);
    assert_int_equal(strlen(text), DEVICE_TOKEN_BYTES / 3 * 4);
    assert_string_equal(text, device_token_make(arena, &key, &user, &token));
    assert_true(is_known(&key, &user, text, GIVEN_US));
    assert_false(is_known(&key, &other, text, GIVEN_US));
    assert_false(is_known(&changed, &user, text, GIVEN_US));
    const char *nobodys = device_token_make(arena, &key, &nobody, &token);
    assert_false(is_known(&key, &nobody, nobodys, GIVEN_US));
    arena_destroy(&arena);
}

static void it_is_known_for_a_time(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct seal_key key = key_of(1);
    const char *text = device_token_make(arena, &key, &user, &token);
    assert_true(is_known(&key, &user, text, GIVEN_US + LIFETIME_US));
    assert_false(is_known(&key, &user, text, GIVEN_US + LIFETIME_US + 1));
    assert_true(is_known(&key, &user, text, GIVEN_US - 1)); // a clock that was set back
    arena_destroy(&arena);
}

static void what_has_another_form_is_none(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct seal_key key = key_of(1);
    char *text = device_token_make(arena, &key, &user, &token);
    assert_false(is_known(&key, &user, "", GIVEN_US));
    assert_false(is_known(&key, &user, text + 1, GIVEN_US));
    assert_false(is_known(&key, &user, arena_printf(arena, "%sA", text), GIVEN_US));
    for (size_t i = 0; text[i] != '\0'; i++) {
        char was = text[i];
        text[i] = was == 'A' ? 'B' : 'A';
        assert_false(is_known(&key, &user, text, GIVEN_US));
        text[i] = was;
    }
    assert_true(is_known(&key, &user, text, GIVEN_US));
    arena_destroy(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_is_known_to_its_own_user_and_to_nobody_else),
        cmocka_unit_test(it_is_known_for_a_time),
        cmocka_unit_test(what_has_another_form_is_none),
    };
    struct error err;
    return seal_start(&err) != NOVA_OK || cmocka_run_group_tests(tests, NULL, NULL);
}
