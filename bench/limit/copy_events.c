// copy_events.c - the limit of appends of many events: the same rows into the same table by COPY,
// one transaction for as many events as a command has, or as many commands as go together.
//
//   --writers W --commands N --events K --size B [--spread yes]
//
// --spread yes: each event is a post of its own by a command of its own, as where commands go
// together. The rows are made and sealed before the clock starts; the role is the service's.
#include <pthread.h>
#include <stdlib.h>

#include "base/access.h"
#include "bench/rows.h"

enum { WRITERS_MANY = 100 };

static pthread_barrier_t start;

struct writer {
    pthread_t thread;
    PGconn *connection;
    struct rows *transactions;
    int64_t count;
};

static void *write_all(void *context)
{
    struct writer *writer = context;
    pthread_barrier_wait(&start);
    for (int64_t i = 0; i < writer->count; i++) {
        tool_sql(writer->connection,
                 "COPY content.outbox (" ROWS_EVENT_COLUMNS ") FROM STDIN (FORMAT binary)");
        tool_copy_in(writer->connection, writer->transactions[i].bytes,
                     writer->transactions[i].len);
    }
    return NULL;
}

// One command's, or each one of another.
static void add_events(struct rows *rows, int64_t events, const struct person *author, size_t size,
                       struct arena *arena)
{
    bool is_spread = tool_text("--spread") != NULL;
    struct uuid post_id = rows_random_id(), command_id = rows_random_id();
    for (int64_t event = 0; event < events; event++) {
        int64_t place = is_spread ? 0 : event;
        rows_add_post(rows, &post_id, place + 1, &command_id, (int32_t)place, author, size, arena);
        if (is_spread) {
            post_id = rows_random_id();
            command_id = rows_random_id();
        }
    }
}

static void writer_open(struct writer *writer, int64_t transactions, int64_t events, size_t size)
{
    struct person author;
    struct arena *arena = arena_create();
    rows_person(&author);
    writer->count = transactions;
    writer->connection = tool_libpq("content", "content_service");
    writer->transactions = calloc((size_t)transactions, sizeof *writer->transactions);
    for (int64_t i = 0; i < transactions; i++) {
        rows_begin(&writer->transactions[i]);
        add_events(&writer->transactions[i], events, &author, size, arena);
        rows_end(&writer->transactions[i]);
        arena_reset(arena);
    }
    arena_destroy(&arena);
    if (pthread_create(&writer->thread, NULL, write_all, writer) != 0)
        tool_fail("no thread");
}

static void writer_close(struct writer *writer)
{
    for (int64_t i = 0; i < writer->count; i++)
        rows_free(&writer->transactions[i]);
    free(writer->transactions);
    PQfinish(writer->connection);
}

int main(int argc, char **argv)
{
    tool_start(argc, argv);
    int64_t count = tool_int("--writers", 1), commands = tool_int("--commands", 100);
    if (count < 1 || count > WRITERS_MANY || commands < count)
        tool_fail("1 to %d writers, and no fewer commands", WRITERS_MANY);
    struct writer *writers = calloc((size_t)count, sizeof *writers);
    pthread_barrier_init(&start, NULL, (unsigned)count + 1);
    for (int64_t i = 0; i < count; i++)
        writer_open(&writers[i], commands / count, tool_int("--events", 100),
                    (size_t)tool_int("--size", 200));
    pthread_barrier_wait(&start);
    double began_s = tool_now_s();
    for (int64_t i = 0; i < count; i++)
        pthread_join(writers[i].thread, NULL);
    printf("{\"commands\": %lld, \"seconds\": %.6f}\n", (long long)(commands / count * count),
           tool_now_s() - began_s);
    for (int64_t i = 0; i < count; i++)
        writer_close(&writers[i]);
    free(writers);
    pthread_barrier_destroy(&start);
    tool_end();
    return 0;
}
