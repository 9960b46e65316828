// test_password.c - what a password may be, and its hash: length after NFKC, nothing cut off.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "services/identity/password.h"

static struct arena *arena;
static const struct password_cost cheap = {8, 1}, dearer = {16, 1}, longer = {8, 2};

// `unit` repeated to `count`.
static char *repeated(const char *unit, size_t count)
{
    char *text = arena_alloc(arena, strlen(unit) * count + 1);
    *text = '\0';
    for (size_t i = 0; i < count; i++)
        strcpy(text + i * strlen(unit), unit);
    return text;
}

// "e" and a combining acute are one letter of two bytes; an "fi" ligature is two letters; U+FB2C
// grows from three bytes to six; U+FDFA from three to 33.
static void the_length_is_counted_after_nfkc(void **state)
{
    (void)state;
    const struct {
        const char *typed;
        bool good;
    } cases[] = {
        {"", false},
        {"1234567", false},
        {"12345678", true},
        {repeated("x", 1024), true},
        {repeated("x", 1025), false},
        {repeated("e\xcc\x81", 3), false},       // 9 bytes typed, 6 kept
        {repeated("e\xcc\x81", 4), true},        // 12 typed, 8 kept
        {repeated("e\xcc\x81", 512), true},      // 1,536 typed, 1,024 kept
        {repeated("e\xcc\x81", 513), false},     // 1,026 kept
        {repeated("\xef\xac\x81", 4), true},     // four ligatures: 8 letters
        {repeated("\xef\xac\x81", 3), false},    // 9 bytes typed, 6 kept
        {repeated("\xef\xb7\xba", 31), true},    // 93 typed, 1,023 kept
        {repeated("\xef\xb7\xba", 32), false},   // 96 typed, 1,056 kept
        {repeated("\xf0\x9f\x94\x91", 2), true}, // two keys: 8 bytes
        {repeated("x", 5000), false},
        {"1234567\xff", false},         // not UTF-8
        {"1234567\xed\xa0\x80", false}, // half a surrogate pair
        {"1234567\xc0\xaf", false},     // an overlong slash
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *normalised;
        if (password_normalise(&normalised, arena, cases[i].typed) != cases[i].good)
            fail_msg("case %zu", i);
    }
}

static void one_password_on_two_keyboards_is_one(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"caf\xc3\xa9 noir", "cafe\xcc\x81 noir"},                  // composed or not
        {"\xef\xbc\x91\xef\xbc\x92\xef\xbc\x93 four", "123 four"},  // full width
        {"\xe1\xba\x9b\xcc\xa3 enough", "\xe1\xb9\xa9 enough"},     // two marks
        {"\xea\xb0\x80 hangul", "\xe1\x84\x80\xe1\x85\xa1 hangul"}, // syllable or letters
        {"no\xc2\xa0"
         "break",
         "no break"}, // a blank is a blank
    };
    char *one, *two, hash[PASSWORD_HASH_BYTES];
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        bool matches = false;
        assert_true(password_normalise(&one, arena, pairs[i][0]));
        assert_true(password_normalise(&two, arena, pairs[i][1]));
        assert_string_equal(one, two);
        assert_int_equal(password_hash(hash, one, &cheap, NULL), NOVA_OK);
        password_matches(&matches, hash, two, &cheap);
        assert_true(matches);
    }
    assert_true(password_normalise(&one, arena, "Case Counts") &&
                password_normalise(&two, arena, "case counts"));
    assert_string_not_equal(one, two);
}

// The last byte of the longest counts, as bcrypt's 73rd does not.
static void nothing_is_cut_off(void **state)
{
    (void)state;
    char hash[PASSWORD_HASH_BYTES], *password = repeated("x", 1024);
    bool matches = true;
    assert_int_equal(password_hash(hash, password, &cheap, NULL), NOVA_OK);
    password_matches(&matches, hash, password, &cheap);
    assert_true(matches);
    for (size_t len = 1; len < 1024; len += 93) {
        password_matches(&matches, hash, repeated("x", len), &cheap);
        assert_false(matches);
    }
    password[1023] = 'y';
    password_matches(&matches, hash, password, &cheap);
    assert_false(matches);
}

static void a_hash_at_another_cost_is_to_be_made_anew(void **state)
{
    (void)state;
    char hash[PASSWORD_HASH_BYTES];
    assert_int_equal(password_hash(hash, "0123456789", &cheap, NULL), NOVA_OK);
    assert_true(password_hash_is_valid(hash));
    assert_false(password_needs_rehash(hash, &cheap));
    assert_true(password_needs_rehash(hash, &dearer));
    assert_true(password_needs_rehash(hash, &longer));
    assert_memory_equal(hash, "$argon2id$v=19$m=8,t=1,p=1$", 27);
}

static void no_hash_matches_nothing(void **state)
{
    (void)state;
    const char *none[] = {NULL, ""};
    for (int i = 0; i < 2; i++) {
        bool matches = true;
        password_matches(&matches, none[i], "0123456789", &cheap);
        assert_false(matches);
    }
}

#define SALT "c29tZXNhbHRzb21lc2FsdA"
#define DIGEST "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI"

static void a_hash_from_elsewhere_is_argon2id_at_a_bearable_cost(void **state)
{
    (void)state;
    static const struct {
        const char *hash;
        bool good;
    } cases[] = {
        {"$argon2id$v=19$m=64,t=2,p=1$" SALT "$" DIGEST, true},
        {"$argon2i$v=19$m=64,t=2,p=1$" SALT "$" DIGEST, false},
        {"$argon2d$v=19$m=64,t=2,p=1$" SALT "$" DIGEST, false},
        {"$argon2id$v=16$m=64,t=2,p=1$" SALT "$" DIGEST, false},
        {"$argon2id$m=64,t=2,p=1$" SALT "$" DIGEST, false},
        {"$argon2id$v=19$m=64,t=2,p=2$" SALT "$" DIGEST, false},
        {"$argon2id$v=19$m=7,t=2,p=1$" SALT "$" DIGEST, false},
        {"$argon2id$v=19$m=262145,t=2,p=1$" SALT "$" DIGEST, false},
        {"$argon2id$v=19$m=4294967360,t=2,p=1$" SALT "$" DIGEST, false}, // 2^32 + 64
        {"$argon2id$v=19$m=64,t=0,p=1$" SALT "$" DIGEST, false},
        {"$argon2id$v=19$m=64,t=11,p=1$" SALT "$" DIGEST, false},
        {"$argon2id$v=19$m= 64,t=2,p=1$" SALT "$" DIGEST, false},
        {"$argon2id$v=19$m=+64,t=2,p=1$" SALT "$" DIGEST, false},
        {"$argon2id$v=19$m=064,t=2,p=1$" SALT "$" DIGEST, false},
        {"$argon2id$v=19$m=64,t=2,p=1$" SALT, false},
        {"$argon2id$v=19$m=64,t=2,p=1$$" DIGEST, false},
        {"$argon2id$v=19$m=64,t=2,p=1$" SALT "$", false},
        {"$argon2id$v=19$m=64,t=2,p=1$" SALT "$" DIGEST "$", false},
        {"$argon2id$v=19$m=64,t=2,p=1$" SALT "=$" DIGEST, false},
        {" $argon2id$v=19$m=64,t=2,p=1$" SALT "$" DIGEST, false},
        {"$argon2id$v=19$m=64,t=2,p=1$" SALT "$" DIGEST "\n", false},
        {"$2b$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ012345", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (password_hash_is_valid(cases[i].hash) != cases[i].good)
            fail_msg("case %zu: %s", i, cases[i].hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_length_is_counted_after_nfkc),
        cmocka_unit_test(one_password_on_two_keyboards_is_one),
        cmocka_unit_test(nothing_is_cut_off),
        cmocka_unit_test(a_hash_at_another_cost_is_to_be_made_anew),
        cmocka_unit_test(no_hash_matches_nothing),
        cmocka_unit_test(a_hash_from_elsewhere_is_argon2id_at_a_bearable_cost),
    };
    if (sodium_init() < 0)
        return 1;
    arena = arena_create();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_destroy(&arena);
    return failed;
}
