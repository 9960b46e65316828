// check_fence.c - two writers of one stream, on a real nats-server: NOVA_HOME and the ports say
// which (test/integration/relay_lease_test.py starts it and stops communication's own relay).
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
// After those it needs.
#include <cmocka.h>

#include "base/access.h"
#include "outbox-relay/stream.h"

static struct settings *settings;
static struct arena *arena;

static struct bus_connection *connect_relay(void)
{
    struct error err = {0};
    char url[ACCESS_URL_BYTES], seed[PATH_MAX];
    struct bus_connection *connection = NULL;
    assert_int_equal(NOVA_OK, access_nats_url(url, settings, &err));
    assert_int_equal(NOVA_OK, access_nats_seed_path(seed, settings, "communication_relay", &err));
    assert_int_equal(
        NOVA_OK,
        bus_connect(&connection,
                    &(struct bus_options){url, "test", "communication_relay", seed, 10000}, &err));
    return connection;
}

struct writer {
    struct bus_connection *connection;
    struct stream *stream;
    int64_t last_n;
};

// The stream's last number; it must be whole.
static void writer_inspect(struct writer *writer)
{
    struct error err = {0};
    struct relay_stream_seen seen;
    assert_int_equal(NOVA_OK, stream_inspect(&seen, writer->stream, &err));
    assert_int_equal(seen.last_n, seen.messages);
    writer->last_n = seen.last_n;
}

static void writer_open(struct writer *writer)
{
    struct error err = {0};
    writer->connection = connect_relay();
    assert_int_equal(NOVA_OK,
                     stream_create(&writer->stream, writer->connection, "communication", &err));
    writer_inspect(writer);
}

static void writer_close(struct writer *writer)
{
    stream_destroy(&writer->stream);
    bus_connection_destroy(&writer->connection);
}

// The n-th event is the same whoever publishes it, as it is for relays of one outbox.
static void writer_publish(struct writer *writer, int64_t n)
{
    struct error err = {0};
    struct event event = {.n = n,
                          .position = n,
                          .event_id = {{(uint8_t)n}},
                          .type = "test.happened",
                          .aggregate_type = "test",
                          .version = 1,
                          .actor = "test"};
    struct cloudevents_extra extra = {
        .command_digest = {(const uint8_t *)"a digest of thirty-two bytes, so.",
                           EVENT_DIGEST_BYTES}};
    // The first one queues; once one was refused, those behind it are not even sent.
    (void)!stream_publish(writer->stream, &event, n - 1, &extra, arena, &err);
}

// Waits for every answer; whether all were stored.
static bool writer_look(struct writer *writer)
{
    bool good = stream_flush(writer->stream);
    writer_inspect(writer);
    return good;
}

static void nothing_to_tell(void *context, const struct stream_message *message)
{
    (void)context;
    (void)message;
}

static void a_second_writer_is_refused_on_an_empty_stream_and_behind(void **state)
{
    (void)state;
    struct writer one, two;
    writer_open(&one);
    writer_open(&two);
    assert_int_equal(0, one.last_n);
    assert_int_equal(0, two.last_n);
    writer_publish(&one, 1);
    assert_true(writer_look(&one));
    writer_publish(&two, 1); // it believes the stream to be empty still
    assert_false(writer_look(&two));
    assert_int_equal(1, two.last_n); // one message, the first writer's
    writer_publish(&two, 2);         // now it knows
    assert_true(writer_look(&two));
    writer_publish(&one, 2); // late
    assert_false(writer_look(&one));
    assert_int_equal(2, one.last_n);
    for (int64_t n = 1; n < 50; n++) // late and pipelined: what meets its own number is stored
        writer_publish(&two, n);
    assert_false(writer_look(&two));
    assert_true(two.last_n >= 2 && two.last_n < 50);
    const char *damage = NULL;
    struct error err = {0};
    assert_int_equal(NOVA_OK,
                     stream_walk(&damage, two.stream, 1, two.last_n, nothing_to_tell, NULL, &err));
    assert_null(damage);
    writer_close(&one);
    writer_close(&two);
}

int main(void)
{
    struct error err = {0};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_writer_is_refused_on_an_empty_stream_and_behind)};
    if (settings_load(&settings, &(struct settings_options){0}, &err) != NOVA_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    arena = arena_create();
    int failed = cmocka_run_group_tests_name("fence", tests, NULL, NULL);
    arena_destroy(&arena);
    settings_destroy(&settings);
    return failed;
}
