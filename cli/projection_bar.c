// projection_bar.c - how far a generation is filled, for people.
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/projection.h"
#include "cli/projection_state.h"
#include "cli/up.h"
#include "projections/fill.h"

enum { BAR_WIDTH = 24, EVERY_MS = 100, LINE_EVERY_MS = 10000 };

static void print_left(int64_t left, double rate)
{
    int64_t s = rate > 0 ? (int64_t)((double)left / rate) : 0;
    if (rate > 0 && left > 0)
        fprintf(stderr, ", %" PRId64 ":%02" PRId64 ":%02" PRId64 " left", s / 3600, s / 60 % 60,
                s % 60);
}

void projection_bar_show(void *context, const struct fill_progress *progress)
{
    struct projection_bar *bar = context;
    bool terminal = isatty(STDERR_FILENO);
    int64_t now_ms = up_clock_ms();
    if (bar->began_applied < 0 && progress->all >= 0) {
        bar->began_applied = progress->applied; // of a resumed one
        bar->began_ms = now_ms;
    }
    if (bar->shown_ms == 0 && !terminal)
        bar->shown_ms = now_ms; // what is done soon needs no line
    if (now_ms - bar->shown_ms < (terminal ? EVERY_MS : LINE_EVERY_MS))
        return;
    bar->shown_ms = now_ms;
    fprintf(stderr, "%s  generation %" PRId32 ": ", terminal ? "\r\033[K" : "",
            progress->generation);
    if (progress->all < 0) {
        fprintf(stderr, "starting%s", terminal ? "" : "\n");
        fflush(stderr);
        return;
    }
    double rate = projection_rate(bar->began_applied, progress->applied, now_ms - bar->began_ms);
    int full = progress->all > 0 ? (int)(progress->applied * BAR_WIDTH / progress->all) : 0;
    if (terminal)
        fprintf(stderr, "[%.*s%.*s] ", full, "========================", BAR_WIDTH - full,
                "                        ");
    fprintf(stderr, "%" PRId64 " of %" PRId64 " events", progress->applied, progress->all);
    if (rate > 0)
        fprintf(stderr, ", %.0f/s", rate);
    print_left(progress->all - progress->applied, rate);
    fprintf(stderr, "%s", terminal ? "" : "\n");
    fflush(stderr);
}

void projection_bar_end(void)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
}
