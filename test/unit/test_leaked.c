// test_leaked.c - the filter of leaked passwords: all of its list, few others, and only whole
// files.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "services/identity/leaked.h"

enum { LISTED = 2000, OTHERS = 200000 };

struct built {
    char *bytes;
    size_t size;
    struct leaked_built counts;
};

static FILE *list_of(const char *text, size_t len)
{
    FILE *list = tmpfile();
    assert_non_null(list);
    assert_int_equal(fwrite(text, 1, len, list), len);
    rewind(list);
    return list;
}

static struct built built_of(const char *text, size_t len, int64_t one_in)
{
    struct built built = {0};
    struct error err;
    FILE *list = list_of(text, len), *out = open_memstream(&built.bytes, &built.size);
    if (leaked_build(&built.counts, out, list, one_in, &err) != NOVA_OK)
        fail_msg("%s", err.text);
    fclose(list);
    fclose(out);
    return built;
}

static struct leaked *filter_of(const struct built *built)
{
    struct leaked *leaked = NULL;
    struct error err;
    if (leaked_borrow(&leaked, "it", (uint8_t *)built->bytes, built->size, &err) != NOVA_OK)
        fail_msg("%s", err.text);
    return leaked;
}

static struct built thousands(bool backwards, int64_t one_in)
{
    char *text = NULL;
    size_t size = 0;
    FILE *list = open_memstream(&text, &size);
    for (int i = 0; i < LISTED; i++)
        fprintf(list, "listed %d\n", backwards ? LISTED - 1 - i : i);
    fclose(list);
    struct built built = built_of(text, size, one_in);
    free(text);
    return built;
}

static void all_of_the_list_are_found_and_few_others(void **state)
{
    (void)state;
    struct built built = thousands(false, 1000);
    struct leaked *leaked = filter_of(&built);
    char password[32];
    int others = 0;
    for (int i = 0; i < LISTED; i++) {
        snprintf(password, sizeof password, "listed %d", i);
        assert_true(leaked_has(leaked, password));
    }
    for (int i = 0; i < OTHERS; i++) {
        snprintf(password, sizeof password, "another %d", i);
        others += leaked_has(leaked, password);
    }
    assert_in_range(others, 1, 2 * OTHERS / 1000); // 200 are promised; the same at every run
    assert_int_equal(built.counts.taken, LISTED);
    assert_int_equal(built.counts.bytes, built.size);
    assert_in_range(built.size, LISTED * 14 / 8, LISTED * 15 / 8 + LEAKED_HEADER_BYTES);
    leaked_destroy(&leaked);
    free(built.bytes);
}

static void the_order_of_the_list_does_not_matter(void **state)
{
    (void)state;
    struct built one = thousands(false, 1000000), two = thousands(true, 1000000);
    assert_int_equal(one.size, two.size);
    assert_memory_equal(one.bytes, two.bytes, one.size);
    free(one.bytes);
    free(two.bytes);
}

// Lines end in either way, and are normalised like what a user types.
static void lines_are_normalised_and_those_that_are_none_are_skipped(void **state)
{
    (void)state;
    static const char text[] =
        "cafe\xcc\x81 noir\r\nshort\n\nlatin-1 \xe9t\xe9\nwith\0a NUL in it\n"
        "the last without an end";
    struct built built = built_of(text, sizeof text - 1, 1000000);
    struct leaked *leaked = filter_of(&built);
    assert_int_equal(built.counts.taken, 2);
    assert_int_equal(built.counts.skipped, 4);
    assert_true(leaked_has(leaked, "caf\xc3\xa9 noir"));
    assert_true(leaked_has(leaked, "the last without an end"));
    assert_false(leaked_has(leaked, "short"));
    assert_false(leaked_has(leaked, "with"));
    leaked_destroy(&leaked);
    free(built.bytes);
}

static void a_list_without_passwords_makes_no_filter(void **state)
{
    (void)state;
    struct leaked_built counts;
    struct error err;
    FILE *list = list_of("short\n", 6), *out = tmpfile();
    assert_int_equal(leaked_build(&counts, out, list, 1000, &err), NOVA_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "no password of 8 to 1024 bytes"));
    fclose(list);
    fclose(out);
}

static void refused(const struct built *built, const char *why)
{
    struct leaked *leaked = NULL;
    struct error err = {0};
    assert_int_equal(leaked_borrow(&leaked, "it", (uint8_t *)built->bytes, built->size, &err),
                     NOVA_INVALID_ARGUMENT);
    if (strstr(err.text, why) == NULL)
        fail_msg("%s", err.text);
}

static void whatever_is_not_as_it_was_written_is_refused(void **state)
{
    (void)state;
    struct built built = thousands(false, 1000), cut = built;
    cut.size = built.size - 1;
    refused(&cut, "cut short");
    cut.size = LEAKED_HEADER_BYTES - 1;
    refused(&cut, "no filter");
    cut.size = 0;
    refused(&cut, "no filter");
    for (size_t at = 0; at < built.size; at += at < LEAKED_HEADER_BYTES ? 1 : 97) {
        built.bytes[at] ^= 4;
        refused(&built, "; make it with ./nova passwords");
        built.bytes[at] ^= 4;
    }
    memset(built.bytes + 16, 0xff, 8); // 2^64 - 1 bits
    refused(&built, "cut short");
    free(built.bytes);
}

static void a_file_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct leaked *leaked = NULL;
    struct error err;
    const char *paths[] = {"/nowhere/at.all", "/", "/dev/null"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(leaked_open(&leaked, paths[i], &err), NOVA_INVALID_ARGUMENT);
        assert_null(leaked);
        assert_non_null(strstr(err.text, paths[i]));
    }
}

static void the_filter_that_ships_knows_the_best_known(void **state)
{
    (void)state;
    struct leaked *leaked = NULL;
    assert_int_equal(leaked_borrow(&leaked, "it", leaked_shipped, leaked_shipped_bytes, NULL),
                     NOVA_OK);
    const char *known[] = {"password", "12345678", "qwertyuiop", "iloveyou", "trustno1"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_true(leaked_has(leaked, known[i]));
    assert_false(leaked_has(leaked, "correct horse battery"));
    leaked_destroy(&leaked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_the_list_are_found_and_few_others),
        cmocka_unit_test(the_order_of_the_list_does_not_matter),
        cmocka_unit_test(lines_are_normalised_and_those_that_are_none_are_skipped),
        cmocka_unit_test(a_list_without_passwords_makes_no_filter),
        cmocka_unit_test(whatever_is_not_as_it_was_written_is_refused),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
        cmocka_unit_test(the_filter_that_ships_knows_the_best_known),
    };
    return sodium_init() < 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
