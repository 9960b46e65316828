// check_unknown.c - a consumer that declares to stop at unknown types, on a real stream: NOVA_HOME
// and the ports say which (test/integration/compat_test.py starts it, ends content/forget, whose
// lease and durable this takes, and has put a known, an unknown and a known event into the stream).
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
// After those it needs.
#include <cmocka.h>

#include "base/access.h"
#include "base/seal.h"
#include "bus/topology.h"
#include "inbox/inbox.h"

enum { LEASE_MS = 1000, PATIENCE_MS = 60000 };

static struct settings *settings;
static size_t applied;

static enum nova_status note(struct inbox_batch *batch, struct pg *pg, struct error *err)
{
    (void)pg;
    (void)err;
    applied += batch->count;
    return NOVA_OK;
}

static enum nova_status no_keys(void *context, const char *service, const struct uuid *ids,
                                size_t count, struct seal_key *keys, bool *found, struct error *err)
{
    (void)context;
    (void)service;
    (void)ids;
    (void)keys;
    (void)err;
    memset(found, 0, count * sizeof *found);
    return NOVA_OK;
}

static const struct topology_reader *reader_row(void)
{
    for (size_t i = 0; i < topology_reader_count(); i++)
        if (strcmp(topology_reader_at(i)->consumer, "content/forget") == 0)
            return topology_reader_at(i);
    fail();
    return NULL;
}

// Runs a consumer until it stands still: failing, or with nothing pending behind `least_n`.
static void run_until_it_rests(struct inbox_status *out, const struct inbox_consumer *consumer,
                               int64_t least_n)
{
    struct error err = {0};
    char postgres[ACCESS_URL_BYTES], nats[ACCESS_URL_BYTES], seed[PATH_MAX];
    struct bus_connection *connection = NULL;
    const char *user = reader_row()->user;
    assert_int_equal(access_postgres_url(postgres, settings, "content", "content_consumer", &err),
                     NOVA_OK);
    assert_int_equal(access_nats_url(nats, settings, &err), NOVA_OK);
    assert_int_equal(access_nats_seed_path(seed, settings, user, &err), NOVA_OK);
    assert_int_equal(
        bus_connect(&connection, &(struct bus_options){nats, "test", user, seed, 10000}, &err),
        NOVA_OK);
    struct inbox *inbox =
        inbox_create(&(struct inbox_options){.owner_name = "test",
                                             .worker = {.consumer = consumer,
                                                        .name = consumer->name,
                                                        .postgres_url = postgres,
                                                        .connection = connection,
                                                        .durable = reader_row()->durable,
                                                        .fetch_keys = no_keys,
                                                        .upcasters = upcasters,
                                                        .batch_max = 100,
                                                        .retry_ms_max = 200,
                                                        .lease_ms = LEASE_MS}});
    for (int waited_ms = 0; waited_ms < PATIENCE_MS; waited_ms += 50) {
        assert_int_equal(inbox_tick(inbox, &err), NOVA_OK);
        inbox_status(out, inbox);
        if (out->failing || (out->active && out->sources[0].checkpoint.n >= least_n))
            break;
        nanosleep(&(struct timespec){0, 50000000}, NULL);
    }
    inbox_destroy(&inbox);
    bus_connection_destroy(&connection);
}

static void a_consumer_that_declares_it_stops_before_an_unknown_type(void **state)
{
    (void)state;
    struct inbox_consumer consumer = {
        .name = "content/forget",
        .service = "content",
        .kind = INBOX_REACTOR,
        .sources = {{"identity", {"user.deleted"}, note, INBOX_UNKNOWN_STOP}},
    };
    struct inbox_status status;
    run_until_it_rests(&status, &consumer, INT64_MAX);
    assert_true(status.failing);
    assert_non_null(strstr(status.sources[0].trouble, "user.frozen, which this version does not"));
    assert_int_equal(applied, 1); // what is before it
    int64_t stopped_n = status.sources[0].checkpoint.n;

    consumer.sources[0].on_unknown = INBOX_UNKNOWN_SKIP; // stands for a version that may pass
    run_until_it_rests(&status, &consumer, stopped_n + 2);
    assert_false(status.failing);
    assert_int_equal(status.sources[0].checkpoint.n, stopped_n + 2);
    assert_int_equal(status.sources[0].unknown_events, 1);
    assert_int_equal(applied, 2);
}

int main(void)
{
    struct error err = {0};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_consumer_that_declares_it_stops_before_an_unknown_type)};
    if (settings_load(&settings, &(struct settings_options){0}, &err) != NOVA_OK ||
        seal_start(&err) != NOVA_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    int failed = cmocka_run_group_tests_name("unknown types", tests, NULL, NULL);
    settings_destroy(&settings);
    return failed;
}
