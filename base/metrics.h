// metrics.h - counters and gauges of this process: one table, metrics.def.
//
// Threads:   safe from any thread; a reader may see one metric newer than another.
// Errors:    none.
#pragma once
#include <stdint.h>
#include <stdio.h>

enum metric {
#define METRIC(name, ...) METRIC_##name,
#include "base/metrics.def"
#undef METRIC
    METRIC_COUNT,
};

void metrics_add(enum metric metric, int64_t by); // a counter takes no negative number
void metrics_set(enum metric metric, int64_t to); // gauges only
int64_t metrics_get(enum metric metric);

// Prometheus text format 0.0.4, with the label process="...". Only what this process ever touched:
// a relay says nothing of an inbox.
void metrics_print(FILE *out, const char *process);

// The same into <home>/run/metrics/<kind>.<name>.prom, replaced as a whole, with the label
// process="<kind>/<name>". A home without a folder run/ (a process that runs alone) gets none. What
// cannot be written is left out: no process ends for want of a figure.
void metrics_save(const char *home, const char *kind, const char *name);
