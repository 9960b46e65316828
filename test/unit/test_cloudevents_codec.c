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

#define DIGEST "a digest of thirty-two bytes, so."

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
    struct bytes out;
    struct cloudevents_extra extra = {"00-aa-bb-01", 2, {(const uint8_t *)DIGEST, 32}};
    assert_int_equal(cloudevents_encode(&out, arena, "identity", event, &extra, NULL), NOVA_OK);
    return out;
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
    assert_memory_equal(extra.command_digest.data, DIGEST, 32);
}

static void cannot_be_published(const char *column, const struct event *event,
                                const struct cloudevents_extra *extra)
{
    struct bytes out;
    struct error err = {0};
    assert_int_equal(cloudevents_encode(&out, arena, "identity", event, extra, &err),
                     NOVA_DATA_LOSS);
    assert_non_null(strstr(err.text, "at position 5000000000 "));
    assert_non_null(strstr(err.text, column));
    assert_false(err.transient);
}

// Longer than any of its fields may be.
static const char *long_text(void)
{
    static char text[601];
    memset(text, 'x', sizeof text - 1);
    return text;
}

static void a_row_that_no_message_can_carry_is_named(void **state)
{
    (void)state;
    const struct bytes digest = {(const uint8_t *)DIGEST, 32};
    const struct cloudevents_extra good = {NULL, 0, digest};
    const char *texts[] = {"", "Ä", "a\r\nPUB b 0\r\n", "\x7f", long_text()};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct event type = sample(), aggregate = sample(), actor = sample();
        type.type = aggregate.aggregate_type = actor.actor = texts[i];
        cannot_be_published("its type", &type, &good);
        cannot_be_published("its aggregate_type", &aggregate, &good);
        cannot_be_published("its actor", &actor, &good);
    }
    const char *types[] = {"user",  "user.", ".created", "user.created.", "user.*", "user.>",
                           "a.b c", "_a.b",  "a._b",     "a.B",           "a.b\n"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct event event = sample();
        event.type = types[i];
        cannot_be_published("its type", &event, &good);
    }
    const int64_t times[] = {INT64_MIN, INT64_MAX, EVENT_TIME_US_MIN - 1, EVENT_TIME_US_MAX + 1};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct event occurred = sample(), recorded = sample();
        occurred.occurred_at_us = recorded.recorded_at_us = times[i];
        cannot_be_published("its occurred_at", &occurred, &good);
        cannot_be_published("its recorded_at", &recorded, &good);
    }
    struct event event = sample();
    cannot_be_published("its command_index", &event, &(struct cloudevents_extra){NULL, -1, digest});
    cannot_be_published("its traceparent", &event,
                        &(struct cloudevents_extra){long_text(), 0, digest});
    cannot_be_published("its command_digest", &event,
                        &(struct cloudevents_extra){NULL, 0, {digest.data, 31}});
    event.payload.len = EVENT_PAYLOAD_BYTES_MAX + 1;
    cannot_be_published("its payload", &event, &good);
    event = sample();
    event.version = 0;
    cannot_be_published("its version", &event, &good);
}

static void the_longest_row_and_the_farthest_times_can_be_carried(void **state)
{
    (void)state;
    struct event in = sample(), out;
    char actor[EVENT_ACTOR_BYTES_MAX + 1], type[EVENT_TYPE_BYTES_MAX + 1];
    snprintf(actor, sizeof actor, "%s", long_text());
    snprintf(type, sizeof type, "a.%s", long_text());
    in.actor = actor;
    in.type = type;
    in.aggregate_type = type + 2;
    in.n = in.position = in.version = INT64_MAX;
    in.occurred_at_us = EVENT_TIME_US_MIN;
    in.recorded_at_us = EVENT_TIME_US_MAX;
    assert_int_equal(cloudevents_decode(&out, NULL, arena, "identity", encoded(&in), NULL),
                     NOVA_OK);
    assert_string_equal(out.actor, in.actor);
    assert_string_equal(out.type, in.type);
    assert_int_equal(out.occurred_at_us, in.occurred_at_us);
    assert_int_equal(out.recorded_at_us, in.recorded_at_us);
}

static void a_time_beyond_every_clock_is_refused(void **state)
{
    (void)state;
    // recordedtime's seconds as INT64_MIN, whose absolute value no integer holds.
    struct event in = sample(), out;
    struct error err;
    Io__Cloudevents__V1__CloudEvent *event =
        (void *)message_unpack(arena, &io__cloudevents__v1__cloud_event__descriptor, encoded(&in));
    for (size_t i = 0; i < event->n_attributes; i++)
        if (strcmp(event->attributes[i]->key, "recordedtime") == 0)
            event->attributes[i]->value->ce_timestamp->seconds = INT64_MIN;
    struct bytes message = message_pack(arena, &event->base);
    assert_int_equal(cloudevents_decode(&out, NULL, arena, "identity", message, &err),
                     NOVA_DATA_LOSS);
    assert_non_null(strstr(err.text, "recordedtime"));
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
        cmocka_unit_test(a_row_that_no_message_can_carry_is_named),
        cmocka_unit_test(the_longest_row_and_the_farthest_times_can_be_carried),
        cmocka_unit_test(a_time_beyond_every_clock_is_refused),
        cmocka_unit_test(it_is_a_cloudevent_for_everybody_else),
        cmocka_unit_test(another_source_or_a_missing_attribute_is_refused),
        cmocka_unit_test(mutated_bytes_never_crash_the_decoder),
        cmocka_unit_test(nkeys_read_what_they_wrote_and_what_others_wrote),
    };
    return cmocka_run_group_tests(tests, start, end);
}
