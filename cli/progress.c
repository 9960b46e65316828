// progress.c - see progress.h.
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR_WIDTH = 24 };

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool progress_is_shown(void)
{
    return isatty(STDERR_FILENO);
}

void progress_bar(char out[PROGRESS_BAR_BYTES], double share)
{
    char bar[BAR_WIDTH + 1];
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', (size_t)(share * BAR_WIDTH));
    bar[BAR_WIDTH] = '\0';
    snprintf(out, PROGRESS_BAR_BYTES, "[%s] %d%%", bar, (int)(share * 100));
}

void progress_begin(struct progress *out, const char *label, int64_t total)
{
    *out = (struct progress){.label = label, .total = total, .began_ms = now_ms()};
}

void progress_tell(struct progress *progress, int64_t done)
{
    char bar[PROGRESS_BAR_BYTES];
    if (!progress_is_shown() || done > progress->total)
        return;
    int64_t now = now_ms(), took_ms = now - progress->began_ms;
    if (now - progress->told_ms < PROGRESS_EVERY_MS)
        return;
    progress->told_ms = now;
    progress_bar(bar, (double)done / (double)progress->total);
    int64_t rate = took_ms > 0 ? done * 1000 / took_ms : 0;
    fprintf(stderr, "\r\033[K  %s %s, %" PRId64 " events, %" PRId64 "/s, %" PRId64 " s left",
            progress->label, bar, done, rate, rate > 0 ? (progress->total - done) / rate : 0);
    fflush(stderr);
}

void progress_end(const struct progress *progress)
{
    if (progress_is_shown() && progress->told_ms > 0)
        fprintf(stderr, "\r\033[K");
}
