// path.c - see path.h.
#include "cli/path.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

void path_print(char out[PATH_MAX], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(out, PATH_MAX, format, arguments);
    va_end(arguments);
    assert(len >= 0 && len < PATH_MAX);
}
