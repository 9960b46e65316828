// metrics.c - see metrics.h.
#include "base/metrics.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind { KIND_COUNTER, KIND_GAUGE };

static const struct row {
    const char *name;
    enum kind kind;
    const char *unit;
    const char *help;
} table[] = {
#define METRIC(id, kind, name, unit, help) [METRIC_##id] = {name, KIND_##kind, unit, help},
#include "base/metrics.def"
#undef METRIC
};

static struct {
    atomic_llong value;
    atomic_bool touched;
} metrics[METRIC_COUNT];

void metrics_add(enum metric metric, int64_t by)
{
    assert(metric < METRIC_COUNT);
    assert(table[metric].kind == KIND_GAUGE || by >= 0);
    atomic_fetch_add_explicit(&metrics[metric].value, by, memory_order_relaxed);
    atomic_store_explicit(&metrics[metric].touched, true, memory_order_relaxed);
}

void metrics_set(enum metric metric, int64_t to)
{
    assert(metric < METRIC_COUNT);
    assert(table[metric].kind == KIND_GAUGE);
    atomic_store_explicit(&metrics[metric].value, to, memory_order_relaxed);
    atomic_store_explicit(&metrics[metric].touched, true, memory_order_relaxed);
}

int64_t metrics_get(enum metric metric)
{
    assert(metric < METRIC_COUNT);
    return atomic_load_explicit(&metrics[metric].value, memory_order_relaxed);
}

static void print_label(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            fputs("\\n", out);
        else if (*text == '"' || *text == '\\')
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

void metrics_print(FILE *out, const char *process)
{
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        if (!atomic_load_explicit(&metrics[i].touched, memory_order_relaxed))
            continue;
        const struct row *row = &table[i];
        fprintf(out, "# HELP %s %s (%s)\n# TYPE %s %s\n%s{process=\"", row->name, row->help,
                row->unit, row->name, row->kind == KIND_COUNTER ? "counter" : "gauge", row->name);
        print_label(out, process);
        fprintf(out, "\"} %lld\n", (long long)metrics_get((enum metric)i));
    }
}

void metrics_save(const char *home, const char *kind, const char *name)
{
    char folder[PATH_MAX], path[PATH_MAX], next[PATH_MAX], process[128];
    snprintf(process, sizeof process, "%s/%s", kind, name);
    if (snprintf(folder, sizeof folder, "%s/run/metrics", home) >= PATH_MAX - 200)
        return;
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return;
    int at = snprintf(path, sizeof path, "%s/%s.prom", folder, process);
    for (char *slash = path + strlen(folder) + 1; *slash; slash++)
        *slash = *slash == '/' ? '.' : *slash;
    snprintf(next, sizeof next, "%.*s.%d", at, path, (int)getpid());
    FILE *file = fopen(next, "we");
    if (file == NULL)
        return;
    metrics_print(file, process);
    bool whole = ferror(file) == 0;
    whole = fclose(file) == 0 && whole;
    if (!whole || rename(next, path) != 0)
        unlink(next);
}
