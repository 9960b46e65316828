// timestamp.h - Unix microseconds as text and back: RFC 3339, always UTC on the way out.
//
// Threads: safe from any thread.
// Source:  RFC 3339 (a profile of ISO 8601).
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { TIMESTAMP_BYTES = 32 };

// "2026-01-02T03:04:05.678901Z"; the fraction is left out when it is zero.
void timestamp_format(char out[TIMESTAMP_BYTES], int64_t unix_us);

// A date and time ("T" or a space between them) with an optional fraction and Z, +hh:mm or no zone
// (UTC), or a date alone (its beginning). Years 0001 to 9999. False: it is none.
bool timestamp_parse(int64_t *unix_us, const char *text);
