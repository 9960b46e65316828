// test_rpc_headers.c - the headers of requests: what is written is read, what is wrong is named.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "bus/rpc_internal.h"

#define TRACEPARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static struct arena *arena;
static struct error err;

static natsMsg *message(void)
{
    natsMsg *msg = NULL;
    assert_int_equal(natsMsg_Create(&msg, "nova.rpc.x.v2.Y", NULL, NULL, 0), NATS_OK);
    return msg;
}

// Reads a request with this one header.
static enum nova_status read_one(struct rpc_headers *out, const char *key, const char *value)
{
    natsMsg *msg = message();
    assert_int_equal(natsMsgHeader_Set(msg, key, value), NATS_OK);
    enum nova_status status = rpc_headers_read(out, msg, arena, &err);
    natsMsg_Destroy(msg);
    return status;
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct rpc_headers in = {
        .token = "a.b.c",
        .on_behalf_of = uuid_v7(),
        .command_id = uuid_v7(),
        .correlation_id = uuid_v7(),
        .has_occurred_at = true,
        .occurred_at_us = -12,
        .deadline_us = INT64_MAX,
        .traceparent = TRACEPARENT,
        .min_position_count = 3,
        .min_positions = {{"identity", 1}, {"content", RPC_POSITION_MAX}, {"communication", 0}},
    };
    struct rpc_headers out;
    natsMsg *msg = message();
    assert_int_equal(rpc_headers_write(msg, &in, &err), NOVA_OK);
    assert_int_equal(rpc_headers_read(&out, msg, arena, &err), NOVA_OK);
    assert_string_equal(out.token, in.token);
    assert_true(uuid_equal(&out.on_behalf_of, &in.on_behalf_of));
    assert_true(uuid_equal(&out.command_id, &in.command_id));
    assert_true(uuid_equal(&out.correlation_id, &in.correlation_id));
    assert_int_equal(out.occurred_at_us, in.occurred_at_us);
    assert_int_equal(out.deadline_us, in.deadline_us);
    assert_string_equal(out.traceparent, in.traceparent);
    assert_int_equal(out.min_position_count, in.min_position_count);
    for (uint32_t i = 0; i < in.min_position_count; i++) {
        assert_string_equal(out.min_positions[i].service, in.min_positions[i].service);
        assert_int_equal(out.min_positions[i].position, in.min_positions[i].position);
    }
    natsMsg_Destroy(msg);
}

static void nothing_written_is_nothing_read(void **state)
{
    (void)state;
    struct rpc_headers in = {0}, out;
    natsMsg *msg = message();
    assert_int_equal(rpc_headers_write(msg, &in, &err), NOVA_OK);
    assert_int_equal(rpc_headers_read(&out, msg, arena, &err), NOVA_OK);
    assert_memory_equal(&in, &out, sizeof in);
    natsMsg_Destroy(msg);
}

static void positions_are_a_list_and_nothing_else(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      ",",
                                      "identity:1,",
                                      ",identity:1",
                                      "identity:1,,content:1",
                                      "identity:1, content:1",
                                      "identity:1;content:1",
                                      "identity",
                                      "identity:",
                                      "identity:-1",
                                      "identity:9223372036854775808",
                                      "search:1",
                                      "identity:1,identity:1,identity:1,identity:1,identity:1,"
                                      "identity:1,identity:1,identity:1,identity:1"};
    struct rpc_headers out;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(read_one(&out, "Nova-Min-Position", bad[i]), NOVA_INVALID_ARGUMENT);
        assert_non_null(strstr(err.text, "Nova-Min-Position"));
    }
    assert_int_equal(read_one(&out, "Nova-Min-Position",
                              "identity:1,identity:2,identity:3,identity:4,identity:5,identity:6,"
                              "identity:7,content:8"),
                     NOVA_OK);
    assert_int_equal(out.min_position_count, RPC_POSITIONS_MAX);
    assert_int_equal(out.min_positions[7].position, 8);
}

static void another_traceparent_is_left_out(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        TRACEPARENT "-more",
        "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0\n",
    };
    struct rpc_headers out;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(read_one(&out, "traceparent", bad[i]), NOVA_OK);
        assert_null(out.traceparent);
    }
}

static void a_line_break_ends_no_header(void **state)
{
    (void)state;
    char text[] = "no post 'x\r\nNova-Position: identity:99\r\n\r\nbody\t\x7f'";
    rpc_header_clean(text);
    assert_string_equal(text, "no post 'x  Nova-Position: identity:99    body  '");

    struct rpc_headers in = {.token = "x\r\nNova-On-Behalf-Of: y"}, out;
    natsMsg *msg = message();
    const char *value = NULL;
    assert_int_equal(rpc_headers_write(msg, &in, &err), NOVA_OK);
    assert_int_equal(natsMsgHeader_Get(msg, "Authorization", &value), NATS_OK);
    assert_null(strpbrk(value, "\r\n"));
    assert_int_equal(rpc_headers_read(&out, msg, arena, &err), NOVA_OK);
    assert_true(uuid_is_nil(&out.on_behalf_of));
    natsMsg_Destroy(msg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(nothing_written_is_nothing_read),
        cmocka_unit_test(positions_are_a_list_and_nothing_else),
        cmocka_unit_test(another_traceparent_is_left_out),
        cmocka_unit_test(a_line_break_ends_no_header),
    };
    if (nats_Open(-1) != NATS_OK) // else a message cannot be freed
        return 1;
    arena = arena_create();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_destroy(&arena);
    nats_CloseAndWait(0);
    return failed;
}
