// error.c - see error.h. Texts are cut at the end, so that the newest context stays readable.
#include "base/error.h"

#include <stdio.h>
#include <string.h>

static enum nova_status error_fill(struct error *err, enum nova_status status, bool transient,
                                   const char *format, va_list arguments)
{
    if (err) {
        err->status = status;
        err->transient = transient;
        vsnprintf(err->text, sizeof err->text, format, arguments);
    }
    return status;
}

enum nova_status error_set(struct error *err, enum nova_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    error_fill(err, status, false, format, arguments);
    va_end(arguments);
    return status;
}

enum nova_status error_set_transient(struct error *err, enum nova_status status, const char *format,
                                     ...)
{
    va_list arguments;
    va_start(arguments, format);
    error_fill(err, status, true, format, arguments);
    va_end(arguments);
    return status;
}

enum nova_status error_while(struct error *err, const char *format, ...)
{
    if (!err)
        return NOVA_UNKNOWN;
    char inner[ERROR_TEXT_BYTES_MAX];
    memcpy(inner, err->text, sizeof inner);
    va_list arguments;
    va_start(arguments, format);
    int used = vsnprintf(err->text, sizeof err->text, format, arguments);
    va_end(arguments);
    size_t room =
        used < 0 || (size_t)used >= sizeof err->text ? 0 : sizeof err->text - (size_t)used;
    if (room > 3) { // ": ", one character and the NUL
        char *rest = err->text + used;
        size_t len = strnlen(inner, room - 3);
        memcpy(rest, ": ", 2);
        memcpy(rest + 2, inner, len);
        rest[2 + len] = '\0';
    }
    return err->status;
}

const char *nova_status_name(enum nova_status status)
{
    switch (status) {
#define X(name, number)                                                                            \
    case NOVA_##name:                                                                              \
        return #name;
        NOVA_STATUS_LIST(X)
#undef X
    }
    return "UNKNOWN";
}
