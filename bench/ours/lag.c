// lag.c - from COMMIT to a subscriber, at a steady rate: the relay's own lag.
//
//   --service S --events N --rate R --size B
//
// One writer inserts rows as the service's role, each in its transaction and at its time, and rings
// the doorbell as a service does. A subscriber hears them in the same order, because positions of
// one writer have no holes and the relay keeps their order; so the n-th heard is the n-th written.
// The relay runs already, and publishes whatever payload the rows have.
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/event.h"
#include "base/limits.h"
#include "bench/tool.h"

enum { PATIENCE_S = 60, LOOK_EVERY_US = 1000 };

static struct {
    int64_t events;
    double *committed_s, *heard_s;
    _Atomic int64_t heard; // of them
} run;

static void sleep_until(double until_s)
{
    const struct timespec until = {(time_t)until_s,
                                   (long)(1e9 * (until_s - (double)(time_t)until_s))};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static void on_event(natsConnection *connection, natsSubscription *sub, natsMsg *msg, void *none)
{
    (void)connection;
    (void)sub;
    (void)none;
    int64_t number = atomic_load(&run.heard);
    if (number < run.events)
        run.heard_s[number] = tool_now_s();
    atomic_store(&run.heard, number + 1);
    natsMsg_Destroy(msg);
}

static PGconn *prepare_insert(const char *service)
{
    char role[64], sql[640];
    snprintf(role, sizeof role, "%s_service", service);
    snprintf(sql, sizeof sql,
             "INSERT INTO %s.outbox (event_id, type, aggregate_type, aggregate_id, version, actor,"
             " command_id, command_index, command_digest, correlation_id, causation_id,"
             " occurred_at, traceparent, payload)"
             " VALUES (gen_random_uuid(), 'post.created', 'post', gen_random_uuid(), 1, 'operator',"
             " gen_random_uuid(), 0, $1, gen_random_uuid(), gen_random_uuid(), clock_timestamp(),"
             " NULL, $2)",
             service);
    PGconn *connection = tool_libpq(service, role);
    PQclear(tool_rows(PQprepare(connection, "insert", sql, 0, NULL)));
    return connection;
}

static void write_in_time(PGconn *connection, natsConnection *bell, const char *service,
                          int64_t rate, size_t size)
{
    char subject[64];
    uint8_t digest[EVENT_DIGEST_BYTES], *payload = malloc(size);
    if (payload == NULL)
        tool_fail("no memory");
    randombytes_buf(digest, sizeof digest);
    randombytes_buf(payload, size);
    const char *values[] = {(const char *)digest, (const char *)payload};
    const int lengths[] = {sizeof digest, (int)size}, formats[] = {1, 1};
    snprintf(subject, sizeof subject, "nova.bell.%s", service);
    double began_s = tool_now_s();
    for (int64_t i = 0; i < run.events; i++) {
        sleep_until(began_s + (double)i / (double)rate);
        PQclear(tool_rows(PQexecPrepared(connection, "insert", 2, values, lengths, formats, 1)));
        run.committed_s[i] = tool_now_s();
        tool_must_nats(natsConnection_Publish(bell, subject, NULL, 0), "ringing");
    }
    free(payload);
}

static void wait_for_all(void)
{
    for (double end_s = tool_now_s() + PATIENCE_S; atomic_load(&run.heard) < run.events;) {
        if (tool_now_s() > end_s)
            tool_fail("%lld of %lld events were heard after %d s",
                      (long long)atomic_load(&run.heard), (long long)run.events, PATIENCE_S);
        sleep_until(tool_now_s() + LOOK_EVERY_US / 1e6);
    }
}

static void report(void)
{
    double *took_s = tool_doubles(run.events);
    for (int64_t i = 0; i < run.events; i++) {
        double took = run.heard_s[i] - run.committed_s[i];
        took_s[i] = took > 0 ? took : 0; // heard before the writer was told
    }
    printf("{\"events\": %lld, \"p50_us\": %.1f, \"p99_us\": %.1f}\n", (long long)run.events,
           1e6 * tool_percentile(took_s, (size_t)run.events, 0.5),
           1e6 * tool_percentile(took_s, (size_t)run.events, 0.99));
    free(took_s);
}

int main(int argc, char **argv)
{
    natsSubscription *sub = NULL;
    char user[64], subject[64];
    tool_start(argc, argv);
    const char *service = tool_text("--service");
    int64_t rate = tool_int("--rate", 500), size = tool_int("--size", 200);
    run.events = tool_int("--events", 1000);
    if (service == NULL || rate < 1 || size < 1 || size > EVENT_PAYLOAD_BYTES_MAX)
        tool_fail("--service wants a service, --rate and --size numbers above 0");
    run.committed_s = tool_doubles(run.events);
    run.heard_s = tool_doubles(run.events);
    snprintf(user, sizeof user, "%s_service", service);
    snprintf(subject, sizeof subject, "nova.evt.%s.>", service);
    natsConnection *bell = tool_nats(user, true), *hears = tool_nats("subscriber", true);
    tool_must_nats(natsConnection_Subscribe(&sub, hears, subject, on_event, NULL), "subscribing");
    tool_must_nats(natsConnection_Flush(hears), "subscribing");
    PGconn *connection = prepare_insert(service);
    write_in_time(connection, bell, service, rate, (size_t)size);
    wait_for_all();
    report();
    PQfinish(connection);
    natsSubscription_Destroy(sub);
    natsConnection_Destroy(hears);
    natsConnection_Destroy(bell);
    free(run.committed_s);
    free(run.heard_s);
    tool_end();
    return 0;
}
