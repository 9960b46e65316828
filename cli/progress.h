// progress.h - how much of a long command is done, for people who watch: one line of a terminal
// that is written again and again. Where stderr is no terminal, nothing is.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROGRESS_BAR_BYTES = 64, PROGRESS_EVERY_MS = 100 };

bool progress_is_shown(void);

// "[########................] 33%" of a share from 0 to 1.
void progress_bar(char out[PROGRESS_BAR_BYTES], double share);

struct progress {
    const char *label;
    int64_t total, began_ms, told_ms;
};

void progress_begin(struct progress *out, const char *label, int64_t total);
void progress_tell(struct progress *progress, int64_t done);
// Clears the line: what follows is the result.
void progress_end(const struct progress *progress);
