// test_base64url.c - every value has one text (RFC 4648, 5 and 10).
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "base/base64url.h"

static struct arena *arena;

static void the_vectors_of_rfc_4648_come_out_and_go_in(void **state)
{
    (void)state;
    static const struct vector {
        const char *plain, *text;
    } vectors[] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"}};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        char out[16];
        size_t len = strlen(vectors[i].plain), text_len = strlen(vectors[i].text);
        assert_string_equal(base64url_encode(arena, vectors[i].plain, len), vectors[i].text);
        assert_true(base64url_decode(out, len, vectors[i].text, text_len));
        assert_memory_equal(out, vectors[i].plain, len);
        assert_false(base64url_decode(out, len + 1, vectors[i].text, text_len));
    }
}

static void another_text_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Zh",    // spare bits that are not 0
        "Zg==",  // padding
        "+/8",   // the other alphabet
        "Z",     // no whole byte
        "Zm9v ", // a blank
        "Zm9\0", // a NUL
    };
    char out[16];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(base64url_decode_any(out, sizeof out, bad[i], i == 5 ? 4 : strlen(bad[i])),
                         -1);
    assert_int_equal(base64url_decode_any(out, 2, "Zm9v", 4), -1); // longer than its place
}

static void no_byte_but_those_of_the_alphabet_is_a_letter(void **state)
{
    (void)state;
    char text[] = "Zm9vZm9v", out[16];
    int letters = 0;
    for (int at = 0; at < 8; at++)
        for (int byte = 0; byte < 256; byte++) {
            memcpy(text, "Zm9vZm9v", 8);
            text[at] = (char)byte;
            letters += base64url_decode(out, 6, text, 8);
        }
    assert_int_equal(letters, 8 * 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_rfc_4648_come_out_and_go_in),
        cmocka_unit_test(another_text_is_refused),
        cmocka_unit_test(no_byte_but_those_of_the_alphabet_is_a_letter),
    };
    if (sodium_init() < 0)
        return 1;
    arena = arena_create();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_destroy(&arena);
    return failed;
}
