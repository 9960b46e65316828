// test_cloudevents_codec.c - an event through CloudEvents and back has the same leaf bytes.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/cloudevents.h"
#include "bus/leaf.h"
#include "bus/nkey.h"
#include "io/cloudevents/v1/cloudevents.pb-c.h"
#include "proto/sealed.h"

static struct arena *arena;

static struct event sample(void)
{
    return (struct event){
        .n = 7,
        .position = INT64_C(5000000000),
        .log_id = uuid_v7(),
        .event_id = uuid_v7(),
        .type = "user.created",
        .aggregate_type = "user",
        .aggregate_id = uuid_v7(),
        .version = 3,
        .actor = "importer/user:0197a3c0-0000-7000-8000-000000000001",
        .command_id = uuid_v7(),
        .correlation_id = uuid_v7(),
        .causation_id = uuid_v7(),
        .occurred_at_us = -1500001, // before 1970
        .recorded_at_us = INT64_C(1700000000123456),
        .payload = {(const uint8_t *)"\x08\x01\0x", 4},
    };
}

static struct bytes encoded(const struct event *event)
{
    struct cloudevents_extra extra = {"00-aa-bb-01", 2, {(const uint8_t *)"digest", 6}};
    return cloudevents_encode(arena, "identity", event, &extra);
}

static void the_leaf_is_the_same_after_the_bus(void **state)
{
    (void)state;
    struct event in = sample(), out;
    struct cloudevents_extra extra;
    uint8_t a[1024], b[1024];
    assert_int_equal(cloudevents_decode(&out, &extra, arena, "identity", encoded(&in), NULL),
                     NOVA_OK);
    size_t len = leaf_bytes_v1(a, sizeof a, &in);
    assert_int_equal(leaf_bytes_v1(b, sizeof b, &out), len);
    assert_memory_equal(a, b, len);
    assert_string_equal(extra.traceparent, "00-aa-bb-01");
    assert_int_equal(extra.command_index, 2);
    assert_memory_equal(extra.command_digest.data, "digest", 6);
}

static void it_is_a_cloudevent_for_everybody_else(void **state)
{
    (void)state;
    struct event in = sample();
    const Io__Cloudevents__V1__CloudEvent *event = (const void *)message_unpack(
        arena, &io__cloudevents__v1__cloud_event__descriptor, encoded(&in));
    assert_non_null(event);
    assert_string_equal(event->spec_version, "1.0");
    assert_string_equal(event->source, "/nova/identity");
    assert_string_equal(event->type, "user.created");
    assert_int_equal(event->binary_data.len, 4);
}

static void another_source_or_a_missing_attribute_is_refused(void **state)
{
    (void)state;
    struct event in = sample(), out;
    struct error err;
    assert_int_equal(cloudevents_decode(&out, NULL, arena, "content", encoded(&in), &err),
                     NOVA_DATA_LOSS);
    static const char *const keys[] = {"sequence", "position", "logid", "actor", "time", "subject"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct bytes message = encoded(&in);
        uint8_t *at = memmem(message.data, message.len, keys[i], strlen(keys[i]));
        assert_non_null(at);
        *at = 'X';
        assert_int_equal(cloudevents_decode(&out, NULL, arena, "identity", message, &err),
                         NOVA_DATA_LOSS);
        assert_non_null(strstr(err.text, keys[i]));
    }
}

static void mutated_bytes_never_crash_the_decoder(void **state)
{
    (void)state;
    unsigned seed = 7;
    struct event in = sample(), out;
    for (int i = 0; i < 20000; i++) {
        struct bytes message = encoded(&in);
        for (int changes = rand_r(&seed) % 5; changes >= 0; changes--)
            ((uint8_t *)message.data)[(size_t)rand_r(&seed) % message.len] = (uint8_t)rand_r(&seed);
        message.len -= (size_t)(rand_r(&seed) % 4 == 0 ? rand_r(&seed) % 100 : 0);
        (void)!cloudevents_decode(&out, NULL, arena, "identity", message, NULL);
        if (i % 64 == 0)
            arena_reset(arena);
    }
}

static void nkeys_read_what_they_wrote_and_what_others_wrote(void **state)
{
    (void)state;
    char seed[NKEY_SEED_TEXT_BYTES], public_key[NKEY_PUBLIC_TEXT_BYTES];
    char again[NKEY_PUBLIC_TEXT_BYTES];
    uint8_t secret[NKEY_SECRET_BYTES], raw[NKEY_PUBLIC_BYTES];
    for (int i = 0; i < 100; i++) {
        nkey_generate(seed, public_key);
        assert_int_equal(strlen(seed), 58);
        assert_int_equal(strncmp(seed, "SU", 2), 0);
        assert_int_equal(nkey_decode_seed(secret, again, seed, NULL), NOVA_OK);
        assert_string_equal(again, public_key);
        assert_int_equal(nkey_decode_public(raw, public_key, NULL), NOVA_OK);
        assert_memory_equal(raw, secret + 32, 32);
        seed[30] = seed[30] == 'A' ? 'B' : 'A';
        assert_int_equal(nkey_decode_seed(secret, again, seed, NULL), NOVA_INVALID_ARGUMENT);
        assert_int_equal(nkey_decode_public(raw, seed, NULL), NOVA_INVALID_ARGUMENT);
    }
    // The pair that the documentation of nats-server shows.
    assert_int_equal(nkey_decode_seed(secret, again,
                                      "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY",
                                      NULL),
                     NOVA_OK);
    assert_string_equal(again, "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4");
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
        cmocka_unit_test(the_leaf_is_the_same_after_the_bus),
        cmocka_unit_test(it_is_a_cloudevent_for_everybody_else),
        cmocka_unit_test(another_source_or_a_missing_attribute_is_refused),
        cmocka_unit_test(mutated_bytes_never_crash_the_decoder),
        cmocka_unit_test(nkeys_read_what_they_wrote_and_what_others_wrote),
    };
    return cmocka_run_group_tests(tests, start, end);
}
