// test_pg.c - the parts of pg/ that need no server: binary formats, SQLSTATEs, statement names.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "pg/internal.h"
#include "pg/pg.h"
#include "pg/sqlstate.h"
#include "pg/statements.h"

static void small_values_stand_in_the_parameter_in_network_order(void **state)
{
    (void)state;
    struct pg_param four = pg_int4(-2), eight = pg_int8(INT64_C(0x0102030405060708));
    assert_int_equal(four.len, 4);
    assert_memory_equal(four.inline_bytes, "\xff\xff\xff\xfe", 4);
    assert_memory_equal(eight.inline_bytes, "\1\2\3\4\5\6\7\10", 8);
    assert_memory_equal(pg_float8(1.0).inline_bytes, "\x3f\xf0\0\0\0\0\0\0", 8);
    assert_memory_equal(pg_bool(true).inline_bytes, "\1", 1);
    assert_null(eight.data);
}

static void times_count_from_2000_and_never_turn_into_infinity(void **state)
{
    (void)state;
    assert_memory_equal(pg_time_us(PG_EPOCH_US + 1).inline_bytes, "\0\0\0\0\0\0\0\1", 8);
    assert_memory_equal(pg_time_us(INT64_MIN).inline_bytes, "\x80\0\0\0\0\0\0\1", 8);
    assert_int_not_equal(pg_be64(pg_time_us(INT64_MAX).inline_bytes), INT64_MAX);
}

static void an_empty_value_is_not_null(void **state)
{
    (void)state;
    assert_non_null(pg_text("").data);
    assert_null(pg_text(NULL).data);
    assert_non_null(pg_bytea((struct bytes){.data = (const uint8_t *)""}).data);
    assert_null(pg_bytea((struct bytes){0}).data);
    assert_int_equal(pg_uuid(NULL).len, 0);
    assert_int_equal(pg_null().type, 0);
}

static void arrays_have_postgresqls_layout(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    const int32_t numbers[] = {7, -1};
    const char *texts[] = {"ab", NULL, ""};
    struct pg_param param = pg_int4_array(arena, numbers, 2);
    static const char two[] = "\0\0\0\1\0\0\0\0\0\0\0\x17\0\0\0\2\0\0\0\1"
                              "\0\0\0\4\0\0\0\7\0\0\0\4\xff\xff\xff\xff";
    assert_int_equal(param.len, sizeof two - 1);
    assert_memory_equal(param.data, two, sizeof two - 1);

    param = pg_text_array(arena, texts, 3);
    static const char three[] = "\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\3\0\0\0\1"
                                "\0\0\0\2ab\xff\xff\xff\xff\0\0\0\0";
    assert_int_equal(param.len, sizeof three - 1);
    assert_memory_equal(param.data, three, sizeof three - 1);

    param = pg_int8_array(arena, NULL, 0);
    assert_int_equal(param.len, 12); // no dimension
    assert_memory_equal(param.data, "\0\0\0\0\0\0\0\0\0\0\0\x14", 12);
    arena_destroy(&arena);
}

static void a_sqlstate_says_what_failed_and_whether_it_may_pass(void **state)
{
    (void)state;
    static const struct {
        const char *sqlstate;
        enum nova_status status;
        bool transient;
    } cases[] = {
        {"23505", NOVA_ALREADY_EXISTS, false},
        {"23514", NOVA_FAILED_PRECONDITION, false},
        {"42501", NOVA_PERMISSION_DENIED, false},
        {"22021", NOVA_INVALID_ARGUMENT, false},
        {"40001", NOVA_ABORTED, true},
        {"40P01", NOVA_ABORTED, true},
        {"57P01", NOVA_UNAVAILABLE, true},
        {"53100", NOVA_UNAVAILABLE, true},
        {"08006", NOVA_UNAVAILABLE, true},
        {"58030", NOVA_UNAVAILABLE, true},
        {"55P03", NOVA_UNAVAILABLE, true},
        {"55006", NOVA_INTERNAL, false},
        {"25006", NOVA_UNAVAILABLE, true},
        {"25001", NOVA_INTERNAL, false},
        {"42P01", NOVA_INTERNAL, false},
        {"", NOVA_INTERNAL, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool transient = !cases[i].transient;
        assert_int_equal(pg_status_of(&transient, cases[i].sqlstate), cases[i].status);
        assert_int_equal(transient, cases[i].transient);
    }
}

static void a_statement_is_its_text_and_its_types(void **state)
{
    (void)state;
    struct statements *statements = statements_create();
    const uint32_t number = PG_OID_INT8, text = PG_OID_TEXT;
    struct statement *first = statements_use(statements, "SELECT $1", &number, 1);
    assert_ptr_equal(statements_use(statements, "SELECT $1", &number, 1), first);
    struct statement *other = statements_use(statements, "SELECT $1", &text, 1);
    assert_ptr_not_equal(other, first);
    assert_string_not_equal(other->name, first->name);
    assert_ptr_not_equal(statements_use(statements, "SELECT 1", NULL, 0), first);
    statements_destroy(&statements);
    assert_null(statements);
}

static void past_the_bound_a_statement_has_no_name_until_one_is_swept(void **state)
{
    (void)state;
    struct statements *statements = statements_create();
    char sql[32];
    struct statement *last = NULL;
    for (int i = 0; i < PG_STATEMENTS_MAX; i++) {
        snprintf(sql, sizeof sql, "SELECT %d", i);
        last = statements_use(statements, sql, NULL, 0);
        assert_non_null(last);
        last->asked = last->ready = true;
    }
    assert_null(statements_use(statements, "SELECT 'more'", NULL, 0));
    last->ready = false; // its prepare failed
    statements_sweep(statements);
    assert_non_null(statements_use(statements, "SELECT 'more'", NULL, 0));
    assert_null(statements_use(statements, "SELECT 'still more'", NULL, 0));
    statements_destroy(&statements);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_values_stand_in_the_parameter_in_network_order),
        cmocka_unit_test(times_count_from_2000_and_never_turn_into_infinity),
        cmocka_unit_test(an_empty_value_is_not_null),
        cmocka_unit_test(arrays_have_postgresqls_layout),
        cmocka_unit_test(a_sqlstate_says_what_failed_and_whether_it_may_pass),
        cmocka_unit_test(a_statement_is_its_text_and_its_types),
        cmocka_unit_test(past_the_bound_a_statement_has_no_name_until_one_is_swept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
