// path.h - paths within a home, put together. They always fit: settings.h refuses a home that comes
// near PATH_MAX, and what is added here is short; else it is our bug, an assert.
#pragma once
#include <limits.h>

void path_print(char out[PATH_MAX], const char *format, ...) __attribute__((format(printf, 2, 3)));
