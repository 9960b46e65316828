// latency.c - from COMMIT to visible in the read model, at a steady rate.
//
//   --commands N --rate R --size B
//
// Writers append posts, each command at its time, and ring the relay's doorbell as a service does;
// a watcher asks again and again how far content/post_view's checkpoint is, which moves with the
// rows. Relay, consumer and services are running already.
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/access.h"
#include "bench/writer.h"

enum { WRITERS = 8, WARM_UP = 5, VOID_POSITIONS = 1000, LOOK_EVERY_US = 100, PATIENCE_S = 60 };

static struct {
    int64_t commands, size;
    double every_s, began_s;
    struct seal_key master;
    natsConnection *nats;
    pthread_barrier_t ready, start;
    int64_t base, room;           // positions are base + 1 .. base + room
    double *committed_s, *seen_s; // by position - base
    _Atomic int64_t last;         // the highest position that was committed
    atomic_bool written;
} run;

static void sleep_until(double until_s)
{
    const struct timespec until = {(time_t)until_s,
                                   (long)(1e9 * (until_s - (double)(time_t)until_s))};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static void note_commit(int64_t position)
{
    double now_s = tool_now_s();
    if (position - run.base >= run.room)
        tool_fail("more positions than there should be");
    run.committed_s[position - run.base] = now_s;
    int64_t last = atomic_load(&run.last);
    while (last < position && !atomic_compare_exchange_weak(&run.last, &last, position)) {
    }
}

static void *write_in_time(void *context)
{
    int64_t number = *(const int64_t *)context;
    struct writer writer;
    writer_open(&writer, &content_rules[0], run.size, &run.master);
    for (int i = 0; i < WARM_UP; i++)
        writer_execute(&writer);
    pthread_barrier_wait(&run.ready);
    pthread_barrier_wait(&run.start);
    for (int64_t i = number; i < run.commands; i += WRITERS) {
        sleep_until(run.began_s + (double)i * run.every_s);
        note_commit(writer_execute(&writer));
        natsConnection_Publish(run.nats, "nova.bell.content", NULL, 0);
    }
    writer_close(&writer);
    return NULL;
}

// ---- the watcher --------------------------------------------------------------------------------

static int64_t number_of(PGconn *connection, const char *sql)
{
    PGresult *row = tool_rows(PQexec(connection, sql));
    int64_t number = PQntuples(row) == 1 ? strtoll(PQgetvalue(row, 0, 0), NULL, 10) : 0;
    PQclear(row);
    return number;
}

static int64_t checkpoint(PGconn *connection)
{
    return number_of(connection, "SELECT position FROM content.checkpoint WHERE source = 'content'"
                                 " AND consumer = 'content/post_view'");
}

static void *watch(void *context)
{
    PGconn *connection = context;
    int64_t seen = run.base;
    while (!atomic_load(&run.written) || seen < atomic_load(&run.last)) {
        int64_t now = checkpoint(connection);
        double now_s = tool_now_s();
        while (seen < now && seen - run.base + 1 < run.room)
            run.seen_s[++seen - run.base] = now_s;
        if (now_s > run.began_s + (double)run.commands * run.every_s + PATIENCE_S)
            tool_fail("the read model is not there after %d s", PATIENCE_S);
        sleep_until(now_s + LOOK_EVERY_US / 1e6);
    }
    return NULL;
}

// The read model has taken in what was before, and its consumer is at work.
static void begin_watching(PGconn *connection)
{
    run.base = number_of(connection, "SELECT coalesce(max(position), 0) FROM content.outbox");
    atomic_store(&run.last, run.base);
    for (double end_s = tool_now_s() + PATIENCE_S; checkpoint(connection) < run.base;) {
        if (tool_now_s() > end_s)
            tool_fail("the read model does not begin");
        sleep_until(tool_now_s() + 0.01);
    }
}

static void report(double seconds)
{
    double *took_s = tool_doubles(run.room);
    size_t count = 0;
    for (int64_t i = 0; i < run.room; i++)
        if (run.committed_s[i] > 0) {
            double took = run.seen_s[i] - run.committed_s[i];
            took_s[count++] = took > 0 ? took : 0; // seen before the writer was told
        }
    printf("{\"commands\": %zu, \"rate\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n", count,
           (double)count / seconds, 1e6 * tool_percentile(took_s, count, 0.5),
           1e6 * tool_percentile(took_s, count, 0.99));
    free(took_s);
}

static void write_and_watch(PGconn *connection)
{
    pthread_t threads[WRITERS], watcher;
    int64_t numbers[WRITERS];
    pthread_barrier_init(&run.ready, NULL, WRITERS + 1);
    pthread_barrier_init(&run.start, NULL, WRITERS + 1);
    for (int64_t i = 0; i < WRITERS; i++) {
        numbers[i] = i;
        if (pthread_create(&threads[i], NULL, write_in_time, &numbers[i]) != 0)
            tool_fail("no thread");
    }
    pthread_barrier_wait(&run.ready);
    begin_watching(connection);
    run.began_s = tool_now_s() + 0.01;
    if (pthread_create(&watcher, NULL, watch, connection) != 0)
        tool_fail("no thread");
    pthread_barrier_wait(&run.start);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    double seconds = tool_now_s() - run.began_s;
    atomic_store(&run.written, true);
    pthread_join(watcher, NULL);
    report(seconds);
    pthread_barrier_destroy(&run.ready);
    pthread_barrier_destroy(&run.start);
}

int main(int argc, char **argv)
{
    struct error err = {0};
    tool_start(argc, argv);
    run.commands = tool_int("--commands", 1000);
    run.every_s = 1.0 / (double)tool_int("--rate", 1000);
    run.size = tool_int("--size", 200);
    run.room = run.commands + VOID_POSITIONS;
    run.committed_s = tool_doubles(run.room);
    run.seen_s = tool_doubles(run.room);
    tool_must(access_master_key(&run.master, tool_settings(), "content", &err), &err);
    run.nats = tool_nats("content_service", true);
    PGconn *connection = tool_libpq("content", ACCESS_SUPERUSER);
    write_and_watch(connection);
    PQfinish(connection);
    natsConnection_Destroy(run.nats);
    seal_key_forget(&run.master);
    free(run.committed_s);
    free(run.seen_s);
    tool_end();
    return 0;
}
