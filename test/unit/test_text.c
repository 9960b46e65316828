// test_text.c - folding and hashtags: what search takes as equal, and what is a tag.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "projections/text.h"

static struct arena *arena;

static void case_accents_and_width_do_not_matter(void **state)
{
    (void)state;
    assert_string_equal(text_fold(arena, "Caf\xc3\xa9"), "cafe");
    assert_string_equal(text_fold(arena, "cafe\xcc\x81"), "cafe");           // e and an accent
    assert_string_equal(text_fold(arena, "\xef\xbc\xa1\xef\xbc\xa2"), "ab"); // full width
    assert_string_equal(text_fold(arena, "stra\xc3\x9f"
                                         "e"),
                        "strasse");
    assert_string_equal(text_fold(arena, "so\xc2\xad"
                                         "ft"),
                        "soft"); // a soft hyphen is no letter
    assert_string_equal(text_fold(arena, ""), "");
}

static void what_postgresql_takes_for_a_path_or_a_tag_are_words(void **state)
{
    (void)state;
    assert_string_equal(text_words(arena, "Pros/Cons, end.Next a<b c>d R&D x@y.z /"),
                        "pros cons, end next a b c d r d x y z  ");
    assert_string_equal(text_words(arena, "well-known \"a phrase\" -not"),
                        "well-known \"a phrase\" -not");
    assert_string_equal(text_words(arena, ""), "");
    assert_null(text_words(arena, "a\xff"));
}

static void bytes_that_are_not_utf8_are_refused(void **state)
{
    (void)state;
    const char *const *tags;
    size_t count;
    assert_null(text_fold(arena, "a\xff"));
    assert_null(text_tag(arena, "\xc3"));
    assert_false(text_tags(&tags, &count, arena, NULL, 0, "ok", "\xed\xa0\x80"));
}

static const char *tags_of(const char *text)
{
    const char *const *tags, *all = "";
    size_t count;
    assert_true(text_tags(&tags, &count, arena, NULL, 0, "", text));
    for (size_t i = 0; i < count; i++)
        all = arena_printf(arena, "%s%s,", all, tags[i]);
    return all;
}

static void a_hashtag_begins_a_word_and_has_a_letter(void **state)
{
    (void)state;
    assert_string_equal(tags_of("#Cat and #dog_2, (#b\xc3\xa4r)"), "cat,dog_2,b\xc3\xa4r,");
    assert_string_equal(tags_of("a#b &#39; #1 # ##c #"), "");
    assert_string_equal(tags_of("#cat #CAT #Cat"), "cat,");
    assert_string_equal(tags_of("#one#two"), "one,");
    assert_string_equal(tags_of("#\xe7\x8c\xab"), "\xe7\x8c\xab,");
}

static void given_tags_come_first_and_are_bounded(void **state)
{
    (void)state;
    const char *const given[] = {"#Quantum Gates", "b", ""};
    const char *const *tags;
    size_t count;
    assert_true(text_tags(&tags, &count, arena, given, 3, "#b", "#c"));
    assert_int_equal(count, 3);
    assert_string_equal(tags[0], "quantum gates");
    char *many = "";
    for (int i = 0; i < TEXT_TAGS_MAX * 2; i++)
        many = arena_printf(arena, "%s #t%d", many, i);
    assert_true(text_tags(&tags, &count, arena, NULL, 0, "", many));
    assert_int_equal(count, TEXT_TAGS_MAX);
    char *longest = arena_alloc(arena, 300);
    memset(longest, 'x', 299);
    assert_string_equal(text_tag(arena, longest), "");
}

static void an_array_quotes_what_postgresql_reads(void **state)
{
    (void)state;
    const char *const texts[] = {"a", "b \"c\"", "d\\e", "", "{,}", "NULL"};
    assert_string_equal(text_array(arena, texts, 6),
                        "{\"a\",\"b \\\"c\\\"\",\"d\\\\e\",\"\",\"{,}\",\"NULL\"}");
    assert_string_equal(text_array(arena, NULL, 0), "{}");
}

static int start(void **state)
{
    (void)state;
    arena = arena_create();
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_destroy(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_accents_and_width_do_not_matter),
        cmocka_unit_test(what_postgresql_takes_for_a_path_or_a_tag_are_words),
        cmocka_unit_test(bytes_that_are_not_utf8_are_refused),
        cmocka_unit_test(a_hashtag_begins_a_word_and_has_a_letter),
        cmocka_unit_test(given_tags_come_first_and_are_bounded),
        cmocka_unit_test(an_array_quotes_what_postgresql_reads),
    };
    return cmocka_run_group_tests(tests, start, end);
}
