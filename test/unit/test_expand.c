// test_expand.c - variables in migration files: replaced where psql would, and nowhere else.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "migrations/expand.h"

static const struct variable variables[] = {{"service", "identity"}, {"odd", "a\"b'c"}};

static void expands_to(const char *sql, const char *expected)
{
    struct arena *arena = arena_create();
    struct error err = {0};
    const char *out = NULL;
    if (expand_variables(&out, arena, sql, variables, 2, &err) != NOVA_OK)
        fail_msg("%s: %s", sql, err.text);
    assert_string_equal(out, expected);
    arena_destroy(&arena);
}

static void stays(const char *sql)
{
    expands_to(sql, sql);
}

static void is_refused(const char *sql, const char *why)
{
    struct arena *arena = arena_create();
    struct error err = {0};
    const char *out = NULL;
    assert_int_equal(expand_variables(&out, arena, sql, variables, 2, &err), NOVA_INVALID_ARGUMENT);
    assert_null(out);
    if (!strstr(err.text, why))
        fail_msg("%s: %s", sql, err.text);
    arena_destroy(&arena);
}

static void a_variable_becomes_an_identifier_or_a_literal(void **state)
{
    (void)state;
    expands_to(":\"service\"", "\"identity\"");
    expands_to(":'service'", "'identity'");
    expands_to("SELECT :'service' FROM :\"service\".log;",
               "SELECT 'identity' FROM \"identity\".log;");
    expands_to("(:'service')::text", "('identity')::text");
}

static void quotes_in_a_value_are_doubled(void **state)
{
    (void)state;
    expands_to(":\"odd\" :'odd'", "\"a\"\"b'c\" 'a\"b''c'");
}

static void nothing_is_replaced_within_quotes_and_comments(void **state)
{
    (void)state;
    stays("'it is :\"service\"'");
    stays("'don''t :\"service\" '");
    stays("E'don\\'t :\"service\" '");
    stays("\"a :'service' \"");
    stays("-- :\"service\" 'unbalanced");
    stays("/* :\"service\" /* nested */ :'service' */");
    stays("$$ :\"service\" ' $$");
    stays("$body$ $$ :\"service\" $$ ' $body$");
    stays("DO $a$ $b$ :'x' $b$ $a$");
    expands_to("'x' -- it's\n:\"service\"", "'x' -- it's\n\"identity\"");
    expands_to("$$'$$ :'service'", "$$'$$ 'identity'");
}

static void casts_slices_and_parameters_stay(void **state)
{
    (void)state;
    stays("a::text, b[1:2], $1, x := 2, name$1, e'a'");
    stays("");
    stays(":");
}

static void a_long_file_comes_through_whole(void **state)
{
    (void)state;
    static char sql[40000], expected[60000];
    for (int i = 0; i < 2000; i++) {
        strcat(sql + 11 * (size_t)i, ":\"service\";");
        strcat(expected + 11 * (size_t)i, "\"identity\";");
    }
    expands_to(sql, expected);
}

static void a_mistake_is_refused_with_its_line(void **state)
{
    (void)state;
    is_refused("SELECT 1;\nSELECT :'nobody'", "line 2: there is no variable nobody");
    is_refused(":service", "must be quoted");
    is_refused(":\"serv ice\"", "must follow the colon");
    is_refused("\n\n'open", "line 3: no end");
    is_refused("\"open", "no end");
    is_refused("/* open /* */", "no end");
    is_refused("$a$ open $b$", "no end");
    is_refused(":\"service", "must follow the colon");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_variable_becomes_an_identifier_or_a_literal),
        cmocka_unit_test(quotes_in_a_value_are_doubled),
        cmocka_unit_test(nothing_is_replaced_within_quotes_and_comments),
        cmocka_unit_test(casts_slices_and_parameters_stay),
        cmocka_unit_test(a_long_file_comes_through_whole),
        cmocka_unit_test(a_mistake_is_refused_with_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
