// check_pg.c - pg/ against the PostgreSQL that NOVA_TEST_PG names; pg_test.sh starts one.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg/pg.h"

static struct pg *connect_to_server(void)
{
    const char *url = getenv("NOVA_TEST_PG");
    assert_non_null(url);
    struct pg *pg = NULL;
    struct error err = {0};
    if (pg_connect(&pg, url, "check_pg", &err) != NOVA_OK)
        fail_msg("%s", err.text);
    return pg;
}

static void must_run(struct pg *pg, const char *sql)
{
    struct error err = {0};
    if (pg_exec(pg, sql, &err) != NOVA_OK)
        fail_msg("%s: %s", sql, err.text);
}

static struct pg_result *must_query(struct pg *pg, const char *sql, const struct pg_param *params,
                                    size_t count)
{
    struct error err = {0};
    struct pg_result *result = NULL;
    if (pg_query(&result, pg, sql, params, count, &err) != NOVA_OK)
        fail_msg("%s: %s", sql, err.text);
    return result;
}

static int64_t count_of(struct pg *pg, const char *sql)
{
    struct pg_result *result = must_query(pg, sql, NULL, 0);
    int64_t count = pg_get_int8(result, 0, 0);
    pg_result_destroy(&result);
    return count;
}

// Ends pg's session from another one and waits until it is gone.
static void end_session(struct pg *pg)
{
    struct pg_param pid = pg_int4((int32_t)count_of(pg, "SELECT pg_backend_pid()"));
    struct pg *other = connect_to_server();
    struct pg_result *ended = must_query(other, "SELECT pg_terminate_backend($1, 10000)", &pid, 1);
    assert_true(pg_get_bool(ended, 0, 0));
    pg_result_destroy(&ended);
    pg_destroy(&other);
}

static int setup(void **state)
{
    *state = connect_to_server();
    return 0;
}

static int teardown(void **state)
{
    pg_destroy((struct pg **)state);
    return 0;
}

static void values_survive_the_round_trip(void **state)
{
    struct pg *pg = *state;
    struct uuid id = uuid_v7(), got;
    const struct pg_param params[] = {
        pg_text("Gänse\n'\""),
        pg_int4(INT32_MIN),
        pg_int8(INT64_MAX),
        pg_bool(true),
        pg_float8(-0.5),
        pg_uuid(&id),
        pg_bytea((struct bytes){.data = (const uint8_t *)"a\0b", .len = 3}),
        pg_time_us(INT64_C(-1500000)),
    };
    struct pg_result *result = must_query(
        pg, "SELECT $1, $2, $3, $4, $5, $6, $7, $8, extract(epoch from $8)::float8", params, 8);
    assert_string_equal(pg_get_text(result, 0, 0), "Gänse\n'\"");
    assert_int_equal(pg_get_int4(result, 0, 1), INT32_MIN);
    assert_true(pg_get_int8(result, 0, 2) == INT64_MAX);
    assert_true(pg_get_bool(result, 0, 3));
    assert_true(pg_get_float8(result, 0, 4) == -0.5);
    got = pg_get_uuid(result, 0, 5);
    assert_true(uuid_equal(&got, &id));
    struct bytes bytes = pg_get_bytea(result, 0, 6);
    assert_int_equal(bytes.len, 3);
    assert_memory_equal(bytes.data, "a\0b", 3);
    assert_true(pg_get_time_us(result, 0, 7) == -1500000);
    assert_true(pg_get_float8(result, 0, 8) == -1.5);
    pg_result_destroy(&result);
}

static void null_and_empty_stay_apart(void **state)
{
    struct pg *pg = *state;
    const struct pg_param params[] = {pg_text(NULL),
                                      pg_text(""),
                                      pg_bytea((struct bytes){0}),
                                      pg_bytea((struct bytes){.data = (const uint8_t *)""}),
                                      pg_uuid(NULL),
                                      pg_null()};
    struct pg_result *result = must_query(pg, "SELECT $1, $2, $3, $4, $5, $6::int4", params, 6);
    assert_null(pg_get_text(result, 0, 0));
    assert_string_equal(pg_get_text(result, 0, 1), "");
    assert_null(pg_get_bytea(result, 0, 2).data);
    assert_non_null(pg_get_bytea(result, 0, 3).data);
    assert_true(pg_is_null(result, 0, 4));
    assert_true(pg_is_null(result, 0, 5));
    pg_result_destroy(&result);
}

static void arrays_survive_unnest_and_come_back(void **state)
{
    struct pg *pg = *state;
    struct arena *arena = arena_create();
    const int32_t fours[] = {1, -2};
    const int64_t eights[] = {INT64_MIN, 5}, times[] = {0, 1};
    const bool bools[] = {true, false};
    const struct uuid ids[] = {uuid_v7(), uuid_v7()};
    const char *texts[] = {"ä", NULL};
    const struct bytes bytes[] = {{.data = (const uint8_t *)"\0", .len = 1}, {0}};
    const struct pg_param params[] = {
        pg_int4_array(arena, fours, 2),    pg_int8_array(arena, eights, 2),
        pg_bool_array(arena, bools, 2),    pg_uuid_array(arena, ids, 2),
        pg_text_array(arena, texts, 2),    pg_bytea_array(arena, bytes, 2),
        pg_time_us_array(arena, times, 2),
    };
    struct pg_result *result =
        must_query(pg,
                   "SELECT a, b, c, d, e, f, g FROM unnest($1, $2, $3, $4, $5, $6, $7)"
                   " AS row (a, b, c, d, e, f, g)",
                   params, 7);
    assert_int_equal(pg_rows(result), 2);
    assert_int_equal(pg_get_int4(result, 1, 0), -2);
    assert_true(pg_get_int8(result, 0, 1) == INT64_MIN);
    assert_false(pg_get_bool(result, 1, 2));
    struct uuid id = pg_get_uuid(result, 1, 3);
    assert_true(uuid_equal(&id, &ids[1]));
    assert_string_equal(pg_get_text(result, 0, 4), "ä");
    assert_true(pg_is_null(result, 1, 4));
    assert_int_equal(pg_get_bytea(result, 0, 5).len, 1);
    assert_true(pg_is_null(result, 1, 5));
    assert_true(pg_get_time_us(result, 1, 6) == 1);
    pg_result_destroy(&result);

    const char *const *texts_back;
    const struct uuid *ids_back;
    result = must_query(pg, "SELECT $1, $2, '{}'::text[]", params + 3, 2);
    assert_int_equal(pg_get_uuid_array(&ids_back, arena, result, 0, 0), 2);
    assert_true(uuid_equal(&ids_back[1], &ids[1]));
    assert_int_equal(pg_get_text_array(&texts_back, arena, result, 0, 1), 2);
    assert_string_equal(texts_back[0], "ä");
    assert_null(texts_back[1]);
    assert_int_equal(pg_get_text_array(&texts_back, arena, result, 0, 2), 0);
    pg_result_destroy(&result);
    arena_destroy(&arena);
}

static void an_empty_array_reads_as_empty(void **state)
{
    struct arena *arena = arena_create();
    struct pg_param none = pg_uuid_array(arena, NULL, 0);
    struct pg_result *result = must_query(*state, "SELECT cardinality($1)", &none, 1);
    assert_int_equal(pg_get_int4(result, 0, 0), 0);
    pg_result_destroy(&result);
    arena_destroy(&arena);
}

static void a_statement_is_prepared_once_whether_alone_or_in_a_pipeline(void **state)
{
    struct pg *pg = *state;
    struct error err = {0};
    static const char sql[] = "SELECT $1::int8 AS once";
    for (int i = 0; i < 3; i++) {
        struct pg_param param = pg_int8(i);
        struct pg_result *results[2] = {0};
        pg_pipeline_begin(pg);
        pg_pipeline_add(pg, sql, &param, 1);
        pg_pipeline_add(pg, sql, &param, 1);
        assert_int_equal(pg_pipeline_end(results, 2, NULL, pg, &err), NOVA_OK);
        assert_int_equal(pg_get_int8(results[1], 0, 0), i);
        pg_result_destroy(&results[0]);
        pg_result_destroy(&results[1]);
        struct pg_result *alone = must_query(pg, sql, &param, 1);
        pg_result_destroy(&alone);
    }
    assert_int_equal(count_of(pg, "SELECT count(*) FROM pg_prepared_statements"
                                  " WHERE statement LIKE '%AS once%' AND name <> ''"
                                  " AND statement NOT LIKE '%pg_prepared%'"),
                     1);
}

static void more_statements_than_the_bound_still_run(void **state)
{
    struct pg *pg = *state;
    for (int i = 0; i < PG_STATEMENTS_MAX + 20; i++) {
        char sql[32];
        snprintf(sql, sizeof sql, "SELECT %d", i);
        assert_int_equal(count_of(pg, sql), i);
    }
    assert_int_equal(count_of(pg, "SELECT count(*) FROM pg_prepared_statements"),
                     PG_STATEMENTS_MAX);
}

static void a_wrong_statement_fails_each_time_and_hurts_no_other(void **state)
{
    struct pg *pg = *state;
    struct error err;
    for (int i = 0; i < 2; i++) {
        struct pg_result *result = (struct pg_result *)&err;
        assert_int_equal(pg_query(&result, pg, "SELECT * FROM nowhere", NULL, 0, &err),
                         NOVA_INTERNAL);
        assert_null(result);
        assert_string_equal(pg_failed_state(pg), "42P01");
        assert_non_null(strstr(err.text, "nowhere"));
        assert_false(err.transient);
    }
    assert_int_equal(count_of(pg, "SELECT 1"), 1);
    assert_string_equal(pg_failed_state(pg), "");
}

static void a_taken_key_is_named_by_its_constraint_and_never_by_its_value(void **state)
{
    struct pg *pg = *state;
    struct error err;
    must_run(pg, "CREATE TEMP TABLE taken (name text CONSTRAINT taken_name PRIMARY KEY)");
    struct pg_param name = pg_text("secret@example.org");
    static const char sql[] = "INSERT INTO taken VALUES ($1)";
    struct pg_result *result = must_query(pg, sql, &name, 1);
    assert_int_equal(pg_affected(result), 1);
    pg_result_destroy(&result);
    assert_int_equal(pg_query(NULL, pg, sql, &name, 1, &err), NOVA_ALREADY_EXISTS);
    assert_string_equal(pg_failed_constraint(pg), "taken_name");
    assert_string_equal(pg_failed_state(pg), "23505");
    assert_null(strstr(err.text, "secret"));
}

static void a_text_that_is_no_utf8_is_the_callers_fault(void **state)
{
    struct error err;
    struct pg_param text = pg_text("\xff");
    assert_int_equal(pg_query(NULL, *state, "SELECT $1", &text, 1, &err), NOVA_INVALID_ARGUMENT);
    assert_false(err.transient);
}

static void a_pipeline_gives_every_statements_rows_in_order(void **state)
{
    struct pg *pg = *state;
    struct error err = {0};
    enum { COUNT = 500 };
    struct pg_result *results[COUNT];
    pg_pipeline_begin(pg);
    for (int i = 0; i < COUNT; i++) {
        struct pg_param param = pg_int4(i);
        pg_pipeline_add(pg, i % 2 ? "SELECT $1" : "SELECT -$1", &param, 1);
    }
    assert_int_equal(pg_pipeline_end(results, COUNT, NULL, pg, &err), NOVA_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(pg_get_int4(results[i], 0, 0), i % 2 ? i : -i);
        pg_result_destroy(&results[i]);
    }
}

// 32 MB each way, far more than any socket buffer: neither side may wait for the other for ever.
static void a_pipeline_larger_than_all_buffers_comes_through(void **state)
{
    struct pg *pg = *state;
    struct error err = {0};
    enum { COUNT = 500, LEN = 64 * 1024 };
    static struct pg_result *results[COUNT];
    uint8_t *data = calloc(1, LEN);
    assert_non_null(data);
    pg_pipeline_begin(pg);
    for (int i = 0; i < COUNT; i++) {
        struct pg_param param = pg_bytea((struct bytes){.data = data, .len = LEN});
        pg_pipeline_add(pg, "SELECT $1", &param, 1);
    }
    assert_int_equal(pg_pipeline_end(results, COUNT, NULL, pg, &err), NOVA_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(pg_get_bytea(results[i], 0, 0).len, LEN);
        pg_result_destroy(&results[i]);
    }
    free(data);
}

static void a_failed_pipeline_names_the_statement_and_leaves_nothing(void **state)
{
    struct pg *pg = *state;
    struct error err;
    must_run(pg, "CREATE TEMP TABLE log (n int CHECK (n < 3))");
    struct pg_result *results[6];
    size_t failed_at = 99;
    pg_pipeline_begin(pg);
    pg_pipeline_add(pg, "BEGIN", NULL, 0);
    for (int i = 1; i <= 4; i++) {
        struct pg_param n = pg_int4(i);
        pg_pipeline_add(pg, "INSERT INTO log VALUES ($1)", &n, 1);
    }
    pg_pipeline_add(pg, "COMMIT", NULL, 0);
    assert_int_equal(pg_pipeline_end(results, 6, &failed_at, pg, &err), NOVA_FAILED_PRECONDITION);
    assert_int_equal(failed_at, 3);
    assert_string_equal(pg_failed_constraint(pg), "log_n_check");
    for (int i = 0; i < 6; i++) {
        assert_true((results[i] != NULL) == (i < 3));
        pg_result_destroy(&results[i]);
    }
    assert_int_equal(count_of(pg, "SELECT count(*) FROM log"), 0);
    must_run(pg, "BEGIN"); // would warn only, so ask
    must_run(pg, "ROLLBACK");
}

static void a_statement_first_prepared_behind_a_failure_works_later(void **state)
{
    struct pg *pg = *state;
    struct error err;
    struct pg_result *results[2];
    pg_pipeline_begin(pg);
    pg_pipeline_add(pg, "SELECT 1 / 0", NULL, 0);
    pg_pipeline_add(pg, "SELECT 42", NULL, 0);
    assert_int_equal(pg_pipeline_end(results, 2, NULL, pg, &err), NOVA_INVALID_ARGUMENT);
    assert_null(results[0]);
    assert_null(results[1]);
    assert_int_equal(count_of(pg, "SELECT 42"), 42);
}

static void a_constraint_checked_at_the_end_fails_the_pipeline(void **state)
{
    struct pg *pg = *state;
    struct error err;
    must_run(pg, "CREATE TEMP TABLE late (n int CONSTRAINT late_n UNIQUE DEFERRABLE INITIALLY "
                 "DEFERRED)");
    struct pg_result *results[2];
    size_t failed_at = 99;
    pg_pipeline_begin(pg);
    pg_pipeline_add(pg, "INSERT INTO late VALUES (1)", NULL, 0);
    pg_pipeline_add(pg, "INSERT INTO late VALUES (1)", NULL, 0);
    assert_int_equal(pg_pipeline_end(results, 2, &failed_at, pg, &err), NOVA_ALREADY_EXISTS);
    pg_result_destroy(&results[0]);
    pg_result_destroy(&results[1]);
    assert_string_equal(pg_failed_constraint(pg), "late_n");
    assert_int_equal(failed_at, 1);
    assert_int_equal(count_of(pg, "SELECT count(*) FROM late"), 0);
}

// Sent without waiting; a failure shows only later, so every one of these answers NOVA_OK.
static void defer(struct pg *pg, const char *sql)
{
    struct error err;
    assert_int_equal(pg_query(NULL, pg, sql, NULL, 0, &err), NOVA_OK);
}

static void deferred_statements_take_effect_in_order(void **state)
{
    struct pg *pg = *state;
    struct error err;
    struct pg_result *rows = NULL;
    must_run(pg, "CREATE TEMP TABLE told (n int)");
    pg_defer_begin(pg);
    defer(pg, "BEGIN");
    defer(pg, "INSERT INTO told VALUES (1)");
    assert_int_equal(pg_defer_count(pg), 2);
    assert_int_equal(pg_query(&rows, pg, "SELECT count(*) FROM told", NULL, 0, &err), NOVA_OK);
    assert_int_equal(pg_get_int8(rows, 0, 0), 1);
    pg_result_destroy(&rows);
    assert_int_equal(pg_exec(pg, "INSERT INTO told VALUES (2); INSERT INTO told VALUES (3)", &err),
                     NOVA_OK);
    defer(pg, "UPDATE told SET n = n * 2");
    defer(pg, "COMMIT");
    assert_int_equal(pg_defer_count(pg), 5);
    assert_int_equal(pg_defer_end(NULL, pg, &err), NOVA_OK);
    assert_int_equal(count_of(pg, "SELECT sum(n) FROM told"), 12);
    pg_defer_begin(pg); // nothing in it
    assert_int_equal(pg_defer_end(NULL, pg, &err), NOVA_OK);
}

static void the_first_deferred_failure_is_told_and_nothing_is_committed(void **state)
{
    struct pg *pg = *state;
    struct error err;
    struct pg_result *rows = NULL;
    size_t failed_at = 99;
    must_run(pg, "CREATE TEMP TABLE kept (n int CONSTRAINT kept_n CHECK (n < 3))");
    pg_defer_begin(pg);
    defer(pg, "BEGIN");
    defer(pg, "INSERT INTO kept VALUES (1)");
    defer(pg, "INSERT INTO kept VALUES (7)");
    defer(pg, "SELECT 1 / 0"); // fails as well, but as the second
    defer(pg, "COMMIT");
    assert_int_equal(pg_defer_end(&failed_at, pg, &err), NOVA_FAILED_PRECONDITION);
    assert_int_equal(failed_at, 2);
    assert_string_equal(pg_failed_constraint(pg), "kept_n");
    pg_rollback(pg);
    assert_int_equal(count_of(pg, "SELECT count(*) FROM kept"), 0);
    must_run(pg, "BEGIN");
    pg_defer_begin(pg);
    defer(pg, "SELECT 1 / 0");
    assert_int_equal(pg_query(&rows, pg, "SELECT 1", NULL, 0, &err), NOVA_INVALID_ARGUMENT);
    assert_null(rows);
    assert_int_equal(pg_exec(pg, "COMMIT", &err), NOVA_INVALID_ARGUMENT); // is not sent
    assert_int_equal(pg_query(NULL, pg, "COMMIT", NULL, 0, &err), NOVA_INVALID_ARGUMENT);
    assert_int_equal(pg_defer_end(&failed_at, pg, &err), NOVA_INVALID_ARGUMENT);
    assert_int_equal(failed_at, 0);
    pg_rollback(pg);
    assert_int_equal(count_of(pg, "SELECT 1"), 1);
}

static void a_deferred_commit_that_rolled_back_is_a_failure(void **state)
{
    struct pg *pg = *state;
    struct error err;
    size_t failed_at = 99;
    must_run(pg, "BEGIN");
    assert_int_equal(pg_exec(pg, "SELECT 1 / 0", &err), NOVA_INVALID_ARGUMENT);
    pg_defer_begin(pg);
    defer(pg, "COMMIT");
    assert_int_equal(pg_defer_end(&failed_at, pg, &err), NOVA_ABORTED);
    assert_int_equal(failed_at, 0);
}

// As with a sync behind each: a client that was stopped in the middle is ended for idling.
static void a_session_that_idles_behind_deferred_statements_is_ended(void **state)
{
    struct pg *pg = *state;
    struct error err;
    must_run(pg, "SET idle_in_transaction_session_timeout = 50");
    struct pg_param pid = pg_int4((int32_t)count_of(pg, "SELECT pg_backend_pid()"));
    struct pg *other = connect_to_server();
    pg_defer_begin(pg);
    defer(pg, "BEGIN");
    defer(pg, "SELECT 1");
    for (int64_t left = 1; left > 0;) {
        struct pg_result *rows =
            must_query(other, "SELECT count(*) FROM pg_stat_activity WHERE pid = $1", &pid, 1);
        left = pg_get_int8(rows, 0, 0);
        pg_result_destroy(&rows);
    }
    defer(pg, "COMMIT");
    assert_int_equal(pg_defer_end(NULL, pg, &err), NOVA_UNAVAILABLE);
    assert_true(err.transient);
    assert_false(pg_is_connected(pg));
    pg_rollback(pg);
    pg_destroy(&other);
}

static void a_commit_that_rolled_back_is_a_failure(void **state)
{
    struct pg *pg = *state;
    struct error err;
    for (int i = 0; i < 2; i++) {
        must_run(pg, "BEGIN");
        assert_int_not_equal(pg_query(NULL, pg, "SELECT 1 / 0", NULL, 0, &err), NOVA_OK);
        assert_int_equal(i ? pg_exec(pg, "COMMIT", &err)
                           : pg_query(NULL, pg, "COMMIT", NULL, 0, &err),
                         NOVA_ABORTED);
    }
    assert_int_equal(count_of(pg, "SELECT 1"), 1);
}

static void rollback_ends_a_failed_transaction_and_is_harmless_without_one(void **state)
{
    struct pg *pg = *state;
    struct error err;
    pg_rollback(pg);
    must_run(pg, "BEGIN");
    assert_int_not_equal(pg_exec(pg, "SELECT 1 / 0", &err), NOVA_OK);
    assert_string_equal(pg_failed_state(pg), "22012");
    pg_rollback(pg);
    assert_int_equal(count_of(pg, "SELECT 1"), 1);
}

static void a_changed_view_is_prepared_anew_at_the_next_attempt(void **state)
{
    struct pg *pg = *state;
    struct error err = {0};
    must_run(pg, "CREATE TEMP VIEW changing AS SELECT 1::int8 AS n");
    assert_int_equal(count_of(pg, "SELECT * FROM changing"), 1);
    must_run(pg, "DROP VIEW changing; CREATE TEMP VIEW changing AS SELECT 2::int4 AS n");
    struct pg_result *result;
    assert_int_equal(pg_query(&result, pg, "SELECT * FROM changing", NULL, 0, &err),
                     NOVA_UNAVAILABLE);
    assert_true(err.transient);
    assert_int_equal(count_of(pg, "SELECT * FROM changing"), 2);

    assert_int_equal(count_of(pg, "SELECT 7"), 7);
    must_run(pg, "DISCARD ALL");
    assert_int_equal(pg_query(&result, pg, "SELECT 7", NULL, 0, &err), NOVA_UNAVAILABLE);
    assert_true(err.transient);
    assert_int_equal(count_of(pg, "SELECT 7"), 7);
}

static void a_lost_connection_fails_all_calls_until_reconnected(void **state)
{
    struct pg *pg = *state;
    struct error err;
    struct pg_result *results[3];
    struct pg_result *result;
    assert_true(pg_socket(pg) >= 0);
    end_session(pg);
    assert_int_equal(pg_query(&result, pg, "SELECT 1", NULL, 0, &err), NOVA_UNAVAILABLE);
    assert_true(err.transient);
    assert_false(pg_is_connected(pg));
    assert_int_equal(pg_socket(pg), -1);
    assert_int_equal(pg_exec(pg, "SELECT 1", &err), NOVA_UNAVAILABLE);
    pg_rollback(pg);
    pg_pipeline_begin(pg);
    for (int i = 0; i < 3; i++)
        pg_pipeline_add(pg, "SELECT 1", NULL, 0);
    assert_int_equal(pg_pipeline_end(results, 3, NULL, pg, &err), NOVA_UNAVAILABLE);
    assert_null(results[0]);
    assert_true(err.transient);
    assert_int_equal(pg_reconnect(pg, &err), NOVA_OK);
    assert_int_equal(count_of(pg, "SELECT 1"), 1);
    assert_true(pg_is_connected(pg));
}

static void a_session_that_ends_itself_in_a_pipeline_is_a_lost_one(void **state)
{
    struct pg *pg = *state;
    struct error err;
    struct pg_result *results[3];
    size_t failed_at = 99;
    pg_pipeline_begin(pg);
    pg_pipeline_add(pg, "SELECT 1", NULL, 0);
    pg_pipeline_add(pg, "SELECT pg_terminate_backend(pg_backend_pid())", NULL, 0);
    pg_pipeline_add(pg, "SELECT 3", NULL, 0);
    assert_int_equal(pg_pipeline_end(results, 3, &failed_at, pg, &err), NOVA_UNAVAILABLE);
    assert_true(err.transient);
    assert_true(failed_at > 0 && failed_at < 3);
    for (int i = 0; i < 3; i++)
        pg_result_destroy(&results[i]);
    assert_false(pg_is_connected(pg));
    assert_int_equal(pg_reconnect(pg, &err), NOVA_OK);
    assert_int_equal(count_of(pg, "SELECT 1"), 1);
}

static void given_a_session_that_was_ended_for_idling(struct pg *pg)
{
    struct pg *other = connect_to_server();
    struct pg_param pid = pg_int4((int32_t)count_of(pg, "SELECT pg_backend_pid()"));
    must_run(pg, "SET idle_in_transaction_session_timeout = 1; BEGIN");
    for (bool there = true; there;) {
        struct pg_result *result = must_query(
            other, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)", &pid, 1);
        there = pg_get_bool(result, 0, 0);
        pg_result_destroy(&result);
    }
    pg_destroy(&other);
}

// Its last word is of class 25, which alone would not pass by itself. The kernel may throw that
// word away when what we send meets a closed socket first: then it is a lost session without a
// word.
static void a_session_ended_for_idling_is_a_lost_one(void **state)
{
    enum { TRIES_MAX = 50 };
    struct pg *pg = *state;
    struct error err;
    bool told = false;
    for (int i = 0; i < TRIES_MAX && !told; i++) {
        if (!pg_is_connected(pg))
            assert_int_equal(pg_reconnect(pg, &err), NOVA_OK);
        given_a_session_that_was_ended_for_idling(pg);
        assert_int_equal(pg_query(NULL, pg, "SELECT 1", NULL, 0, &err), NOVA_UNAVAILABLE);
        assert_true(err.transient);
        assert_false(pg_is_connected(pg));
        told = strcmp(pg_failed_state(pg), "25P03") == 0;
        assert_true(told || *pg_failed_state(pg) == '\0');
    }
    assert_true(told);
}

static void a_statement_that_takes_too_long_may_be_tried_again(void **state)
{
    struct pg *pg = *state;
    struct error err;
    must_run(pg, "SET statement_timeout = 20");
    assert_int_equal(pg_query(NULL, pg, "SELECT pg_sleep(60)", NULL, 0, &err), NOVA_UNAVAILABLE);
    assert_true(err.transient);
    assert_string_equal(pg_failed_state(pg), "57014");
    assert_true(pg_is_connected(pg));
}

static void copy_is_refused_and_nothing_hangs(void **state)
{
    struct pg *pg = *state;
    struct error err;
    must_run(pg, "CREATE TEMP TABLE copied (n int)");
    assert_int_equal(pg_exec(pg, "COPY copied FROM stdin", &err), NOVA_UNIMPLEMENTED);
    assert_int_equal(pg_exec(pg, "SELECT 1", &err), NOVA_UNAVAILABLE);
    assert_int_equal(pg_reconnect(pg, &err), NOVA_OK);
    assert_int_equal(count_of(pg, "SELECT 1"), 1);
}

static void a_connection_is_named_and_speaks_utf8_and_utc(void **state)
{
    struct pg_result *result =
        must_query(*state,
                   "SELECT current_setting('application_name'), current_setting('client_encoding'),"
                   " current_setting('TimeZone')",
                   NULL, 0);
    assert_string_equal(pg_get_text(result, 0, 0), "check_pg");
    assert_string_equal(pg_get_text(result, 0, 1), "UTF8");
    assert_string_equal(pg_get_text(result, 0, 2), "UTC");
    pg_result_destroy(&result);
}

static void what_cannot_be_connected_to_is_said(void **state)
{
    (void)state;
    struct pg *pg = NULL;
    struct error err;
    assert_int_equal(pg_connect(&pg, "postgresql://[", "check_pg", &err), NOVA_INVALID_ARGUMENT);
    assert_int_equal(pg_connect(&pg, "host=/nowhere", "check_pg", &err), NOVA_UNAVAILABLE);
    assert_true(err.transient);
    assert_non_null(strstr(err.text, "/nowhere"));
    assert_null(pg);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(values_survive_the_round_trip),
        CASE(null_and_empty_stay_apart),
        CASE(arrays_survive_unnest_and_come_back),
        CASE(an_empty_array_reads_as_empty),
        CASE(a_statement_is_prepared_once_whether_alone_or_in_a_pipeline),
        CASE(more_statements_than_the_bound_still_run),
        CASE(a_wrong_statement_fails_each_time_and_hurts_no_other),
        CASE(a_taken_key_is_named_by_its_constraint_and_never_by_its_value),
        CASE(a_text_that_is_no_utf8_is_the_callers_fault),
        CASE(a_pipeline_gives_every_statements_rows_in_order),
        CASE(a_pipeline_larger_than_all_buffers_comes_through),
        CASE(a_failed_pipeline_names_the_statement_and_leaves_nothing),
        CASE(a_statement_first_prepared_behind_a_failure_works_later),
        CASE(a_constraint_checked_at_the_end_fails_the_pipeline),
        CASE(deferred_statements_take_effect_in_order),
        CASE(the_first_deferred_failure_is_told_and_nothing_is_committed),
        CASE(a_deferred_commit_that_rolled_back_is_a_failure),
        CASE(a_session_that_idles_behind_deferred_statements_is_ended),
        CASE(a_commit_that_rolled_back_is_a_failure),
        CASE(rollback_ends_a_failed_transaction_and_is_harmless_without_one),
        CASE(a_changed_view_is_prepared_anew_at_the_next_attempt),
        CASE(a_lost_connection_fails_all_calls_until_reconnected),
        CASE(a_session_that_ends_itself_in_a_pipeline_is_a_lost_one),
        CASE(a_session_ended_for_idling_is_a_lost_one),
        CASE(a_statement_that_takes_too_long_may_be_tried_again),
        CASE(copy_is_refused_and_nothing_hangs),
        CASE(a_connection_is_named_and_speaks_utf8_and_utc),
        cmocka_unit_test(what_cannot_be_connected_to_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
