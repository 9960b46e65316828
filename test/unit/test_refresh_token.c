// test_refresh_token.c - a refresh token has one text, which only the key's holder can make.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "services/identity/refresh_token.h"

static struct seal_key key = {{1, 2, 3}};
static const struct uuid session = {
    {0x01, 0x97, 0xa3, 0xc0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 3}};
static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_create();
    return seal_start(NULL);
}

static int tear_down(void **state)
{
    (void)state;
    arena_destroy(&arena);
    return 0;
}

// Made by Python's hmac, hashlib and base64: another implementation of the same form.
static void a_token_is_what_another_implementation_makes(void **state)
{
    (void)state;
    static const char expected[] =
        "AQGXo8AAAHAAgAAAAAAAAAMAAAAAAAABAsaY23ocQAHGyH_j5D4ucUFXDycDy54YQVt2RYuG9Z-d";
    static const uint8_t hash[] = {0x64, 0xa0, 0xc1, 0x4b, 0x95, 0x45, 0x0e, 0xe2, 0x86, 0x27, 0x6a,
                                   0x78, 0x8e, 0x76, 0x38, 0x20, 0xa0, 0x4a, 0xda, 0x00, 0xcb, 0x84,
                                   0x03, 0x9d, 0xce, 0x3a, 0x30, 0xf2, 0x5e, 0x5a, 0xb1, 0x74};
    uint8_t ours[REFRESH_TOKEN_HASH_BYTES];
    const char *token = refresh_token_make(arena, &key, &session, 258);
    assert_string_equal(token, expected);
    refresh_token_hash(ours, token);
    assert_memory_equal(ours, hash, sizeof ours);
}

static void a_token_says_its_session_and_generation(void **state)
{
    (void)state;
    static const int64_t generations[] = {0, 1, 255, 256, INT64_MAX};
    for (size_t i = 0; i < sizeof generations / sizeof *generations; i++) {
        struct refresh_token token;
        const char *text = refresh_token_make(arena, &key, &session, generations[i]);
        assert_int_equal(strlen(text), REFRESH_TOKEN_TEXT_LEN);
        assert_string_equal(text, refresh_token_make(arena, &key, &session, generations[i]));
        assert_true(refresh_token_parse(&token, text));
        assert_true(uuid_equal(&token.session_id, &session));
        assert_int_equal(token.generation, generations[i]);
        assert_true(refresh_token_is_ours(&token, &key));
    }
}

static void a_changed_character_makes_another_token(void **state)
{
    (void)state;
    const char *good = refresh_token_make(arena, &key, &session, 7);
    for (size_t at = 0; at < REFRESH_TOKEN_TEXT_LEN; at++) {
        char *bad = arena_strdup(arena, good);
        struct refresh_token token;
        bad[at] = bad[at] == 'A' ? 'B' : 'A';
        assert_false(refresh_token_parse(&token, bad) && refresh_token_is_ours(&token, &key));
    }
}

static void another_key_makes_another_token(void **state)
{
    (void)state;
    struct seal_key other = key;
    struct refresh_token token;
    other.bytes[31] ^= 1;
    assert_true(refresh_token_parse(&token, refresh_token_make(arena, &other, &session, 0)));
    assert_false(refresh_token_is_ours(&token, &key));
}

static void what_has_not_the_form_of_one_is_none(void **state)
{
    (void)state;
    struct refresh_token token;
    const char *good = refresh_token_make(arena, &key, &session, 0);
    char *shorter = arena_strdup(arena, good), *spaced = arena_strdup(arena, good);
    char *negative = arena_strdup(arena, good), *version = arena_strdup(arena, good);
    char *high = arena_strdup(arena, good);
    shorter[REFRESH_TOKEN_TEXT_LEN - 1] = '\0';
    spaced[10] = ' ';
    memcpy(negative + 22, "__", 2); // the sign of the generation
    memcpy(version, "Ag", 2);
    high[20] = (char)0xa8; // found by test/fuzz
    const char *const bad[] = {"",
                               "x",
                               shorter,
                               spaced,
                               negative,
                               version,
                               high,
                               arena_printf(arena, "%sA", good),
                               arena_printf(arena, "%s====", good),
                               arena_printf(arena, "%.72s+/+/", good)};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (refresh_token_parse(&token, bad[i]))
            fail_msg("bad[%zu] was taken", i);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_token_is_what_another_implementation_makes),
        CASE(a_token_says_its_session_and_generation),
        CASE(a_changed_character_makes_another_token),
        CASE(another_key_makes_another_token),
        CASE(what_has_not_the_form_of_one_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
