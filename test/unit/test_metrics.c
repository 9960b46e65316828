// test_metrics.c - what a process counted comes out as Prometheus reads it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/metrics.h"

static char *printed(const char *process)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    metrics_print(out, process);
    fclose(out);
    return text;
}

static void what_was_never_touched_is_not_printed(void **state)
{
    (void)state;
    char *text = printed("relay/identity");
    assert_string_equal(text, "");
    free(text);
}

static void counters_and_gauges_print_as_prometheus_text(void **state)
{
    (void)state;
    metrics_set(METRIC_RELAY_LAG, 12);
    metrics_add(METRIC_RELAY_LAG, -5);
    metrics_add(METRIC_RELAY_HEALS, 1);
    char *text = printed("relay/\"a\\b\n");
    assert_string_equal(
        text, "# HELP nova_relay_heals_total How often a damaged stream was made again from the "
              "outbox. (times)\n"
              "# TYPE nova_relay_heals_total counter\n"
              "nova_relay_heals_total{process=\"relay/\\\"a\\\\b\\n\"} 1\n"
              "# HELP nova_relay_lag_events Events in the outbox that are not yet in the stream. "
              "(events)\n"
              "# TYPE nova_relay_lag_events gauge\n"
              "nova_relay_lag_events{process=\"relay/\\\"a\\\\b\\n\"} 7\n");
    free(text);
}

static void a_home_gets_them_as_a_file(void **state)
{
    (void)state;
    char home[] = "/tmp/nova-metrics.XXXXXX", path[128], text[512] = "";
    assert_non_null(mkdtemp(home));
    metrics_add(METRIC_RELAY_HEALS, 1);
    metrics_save(home, "relay", "content"); // no folder run/: nothing happens
    snprintf(path, sizeof path, "%s/run", home);
    assert_int_equal(0, mkdir(path, 0700));
    metrics_save(home, "consumer", "search/search_index");
    metrics_save(home, "consumer", "search/search_index"); // replaced as a whole
    snprintf(path, sizeof path, "%s/run/metrics/consumer.search.search_index.prom", home);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    assert_non_null(strstr(text, "{process=\"consumer/search/search_index\"} "));
    assert_int_equal(0, unlink(path));
    snprintf(path, sizeof path, "%s/run/metrics", home);
    assert_int_equal(0, rmdir(path)); // and no other file is left
    snprintf(path, sizeof path, "%s/run", home);
    assert_int_equal(0, rmdir(path));
    assert_int_equal(0, rmdir(home));
}

static void *count(void *unused)
{
    for (int i = 0; i < 20000; i++)
        metrics_add(METRIC_INBOX_EVENTS, 1);
    return unused;
}

static void threads_lose_no_count(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, count, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(metrics_get(METRIC_INBOX_EVENTS), 80000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_never_touched_is_not_printed),
        cmocka_unit_test(counters_and_gauges_print_as_prometheus_text),
        cmocka_unit_test(a_home_gets_them_as_a_file),
        cmocka_unit_test(threads_lose_no_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
