// projection_verify.c - `nova projection verify`: names each row that is not as the log says.
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/command.h"
#include "cli/projection.h"
#include "projections/verify.h"

enum { EXIT_CODE_NOT_KNOWN = 3 };

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

// ---- a difference -------------------------------------------------------------------------------

// ": text, title": the columns that are not the same. Their contents may be personal, so they are
// shown only where they are asked for, by --json.
static void print_columns(const char *one, const char *other)
{
    const char *column;
    json_t *value, *live = json_loads(one, 0, NULL), *log = json_loads(other, 0, NULL);
    const char *before = ": ";
    json_object_foreach(live, column, value)
    {
        if (json_equal(value, json_object_get(log, column)))
            continue;
        printf("%s%s", before, column);
        before = ", ";
    }
    json_decref(live);
    json_decref(log);
}

static void print_difference(void *context, const struct compare_difference *difference)
{
    (void)context;
    static const char *const words[] = {
        [COMPARE_DIFFERS] = "differs",
        [COMPARE_ONLY_ONE] = "is not in the log",
        [COMPARE_ONLY_OTHER] = "is missing",
    };
    projection_bar_end();
    printf("%s %s %s", difference->table, difference->key, words[difference->what]);
    if (difference->what == COMPARE_DIFFERS)
        print_columns(difference->one, difference->other);
    putchar('\n');
}

static json_t *row_json(const char *row)
{
    json_t *json = row != NULL ? json_loads(row, 0, NULL) : NULL;
    return json != NULL ? json : json_null();
}

static void print_json(void *context, const struct compare_difference *difference)
{
    (void)context;
    static const char *const words[] = {
        [COMPARE_DIFFERS] = "differs",
        [COMPARE_ONLY_ONE] = "not in the log",
        [COMPARE_ONLY_OTHER] = "missing",
    };
    json_t *json = json_pack("{ss ss ss so so}", "table", difference->table, "key", difference->key,
                             "what", words[difference->what], "read_model",
                             row_json(difference->one), "log", row_json(difference->other));
    json_dumpf(json, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(json);
}

// ---- the command --------------------------------------------------------------------------------

static void say_vector(char out[512], const struct verify_result *result,
                       const struct inbox_consumer *consumer)
{
    size_t len = 0;
    for (size_t i = 0; i < inbox_source_count(consumer) && len < 512; i++)
        len += (size_t)snprintf(out + len, 512 - len, "%s%s:%" PRId64, i > 0 ? ", " : "",
                                consumer->sources[i].service, result->vector[i]);
}

static int report(const struct verify_result *result, const struct projection *projection)
{
    char vector[512] = "";
    const struct compare_counts *counts = &result->counts;
    say_vector(vector, result, projection->consumer);
    if (result->parked > 0 || result->parked_log > 0)
        command_say("%" PRId64 " events are parked (%" PRId64 " when the log is folded): what they "
                    "hold was not compared",
                    result->parked, result->parked_log);
    if (counts->differences > 0) {
        command_say("%" PRId64 " of %" PRId64 " rows in %" PRId64
                    " tables of %s, generation %" PRId32 ", are not what the log says as of %s",
                    counts->differences, counts->rows, counts->tables, projection->name,
                    result->generation, vector);
        return EXIT_CODE_FAILED;
    }
    command_say("%" PRId64 " rows in %" PRId64 " tables of %s, generation %" PRId32
                ", are what the log says as of %s",
                counts->rows, counts->tables, projection->name, result->generation, vector);
    return EXIT_CODE_OK;
}

int projection_verify(const struct settings *settings, const struct projection_arguments *given)
{
    struct error err = {0};
    struct verify_result result;
    struct projection_bar bar = {.began_applied = -1};
    const struct sigaction action = {.sa_handler = interrupt};
    log_start("verify");
    if (isatty(STDERR_FILENO)) // the progress says it
        log_set_level(LOG_LEVEL_WARN);
    sigaction(SIGINT, &action, NULL); // the shadow goes first
    sigaction(SIGTERM, &action, NULL);
    const struct verify_options options = {
        .fill = {.settings = settings,
                 .projection = given->projection,
                 .progress = projection_bar_show,
                 .context = &bar,
                 .cancelled = &interrupted,
                 .from_outbox = given->from_outbox},
        .differs = given->as_json ? print_json : print_difference,
    };
    enum nova_status status = verify_run(&result, &options, &err);
    projection_bar_end();
    if (status == NOVA_OK)
        return report(&result, given->projection);
    command_failed(&err);
    return EXIT_CODE_NOT_KNOWN;
}
