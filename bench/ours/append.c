// append.c - commands through aggregates/runtime by some writers at once (writer.h).
//
//   --writers W --commands N --size B [--events K]   events a command: 1 is CreatePost itself
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/access.h"
#include "bench/writer.h"
#include "nova/content/v2/content.pb-c.h"

enum { WRITERS_MANY = 100, WARM_UP = 10, EVENTS_MANY = 1000 };

static pthread_barrier_t start;
static int64_t events_a_command;

struct thread {
    pthread_t id;
    struct writer writer;
    int64_t commands;
    double *took_s;
};

// ---- a command of many events -------------------------------------------------------------------

static void emit_update(struct decision *decision, const struct uuid *author)
{
    const Nova__Content__V2__CreatePostRequest *request = (const void *)decision->request;
    Nova__Content__V2__PostUpdated *payload =
        message_new(decision->arena, &nova__content__v2__post_updated__descriptor);
    Nova__Content__V2__PostUpdatedPersonal *personal =
        message_new(decision->arena, &nova__content__v2__post_updated_personal__descriptor);
    personal->text = request->text;
    decision_emit(decision, &decision->aggregates[0], "post.updated", &payload->base,
                  &personal->base, author);
}

// CreatePost as it is, and behind it updates of the same post.
static const struct rejection *decide_many(struct decision *decision)
{
    const struct rejection *rejection = content_rules[0].decide(decision);
    for (int64_t i = 1; i < events_a_command && rejection == NULL; i++)
        emit_update(decision, &decision->caller->user_id);
    return rejection;
}

// ---- threads ------------------------------------------------------------------------------------

static void *write_all(void *context)
{
    struct thread *thread = context;
    for (int i = 0; i < WARM_UP; i++)
        writer_execute(&thread->writer);
    pthread_barrier_wait(&start);
    for (int64_t i = 0; i < thread->commands; i++) {
        double began_s = tool_now_s();
        writer_execute(&thread->writer);
        thread->took_s[i] = tool_now_s() - began_s;
    }
    return NULL;
}

static void report(struct thread *threads, int64_t count, int64_t commands, double seconds)
{
    size_t all = 0;
    double *took_s = tool_doubles(count * commands);
    for (int64_t i = 0; i < count; i++) {
        memcpy(took_s + all, threads[i].took_s, (size_t)threads[i].commands * sizeof *took_s);
        all += (size_t)threads[i].commands;
    }
    printf("{\"commands\": %zu, \"seconds\": %.6f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n", all,
           seconds, 1e6 * tool_percentile(took_s, all, 0.5),
           1e6 * tool_percentile(took_s, all, 0.99));
    free(took_s);
}

static void run(const struct command_rule *rule, int64_t count, int64_t commands, int64_t size)
{
    struct error err = {0};
    struct seal_key master;
    struct thread *threads = calloc((size_t)count, sizeof *threads);
    tool_must(access_master_key(&master, tool_settings(), "content", &err), &err);
    pthread_barrier_init(&start, NULL, (unsigned)count + 1);
    for (int64_t i = 0; i < count; i++) {
        threads[i].commands = commands;
        threads[i].took_s = tool_doubles(commands);
        writer_open(&threads[i].writer, rule, size, &master);
        if (pthread_create(&threads[i].id, NULL, write_all, &threads[i]) != 0)
            tool_fail("no thread");
    }
    pthread_barrier_wait(&start);
    double began_s = tool_now_s();
    for (int64_t i = 0; i < count; i++)
        pthread_join(threads[i].id, NULL);
    report(threads, count, commands, tool_now_s() - began_s);
    for (int64_t i = 0; i < count; i++) {
        writer_close(&threads[i].writer);
        free(threads[i].took_s);
    }
    free(threads);
    pthread_barrier_destroy(&start);
    seal_key_forget(&master);
}

int main(int argc, char **argv)
{
    tool_start(argc, argv);
    int64_t count = tool_int("--writers", 1), commands = tool_int("--commands", 1000);
    events_a_command = tool_int("--events", 1);
    if (count < 1 || count > WRITERS_MANY || commands < count || events_a_command < 1 ||
        events_a_command > EVENTS_MANY)
        tool_fail("1 to %d writers, no fewer commands, 1 to %d events a command", WRITERS_MANY,
                  EVENTS_MANY);
    const struct command_rule many = {"CreatePost", content_rules[0].target, decide_many,
                                      content_rules[0].reply};
    run(events_a_command == 1 ? &content_rules[0] : &many, count, commands / count,
        tool_int("--size", 200));
    tool_end();
    return 0;
}
