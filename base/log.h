// log.h - structured logs: a constant sentence and key=value fields, one line each, on stderr.
//
//     log_info("relay: stream is whole", LOG_TEXT("stream", "NOVA_IDENTITY"), LOG_INT("events",
//     n));
//
// JSON lines where stderr is a file or a pipe, text for people where it is a terminal. Sentences
// are constant, so that they can be searched for; ids go into fields; payloads, secrets and
// personal data go nowhere.
//
// Ownership: fields borrow what they point to until the call returns.
// Threads:   safe from any thread; a line is one write(2), so lines never mix. log_start and
//            log_set_* belong before the first thread.
// Errors:    none: a line that cannot be written is lost, and the process goes on.
// Bounds:    a line has at most LOG_LINE_BYTES_MAX bytes; what does not fit is left out, and
//            cut=true says so. A text of LOG_TEXT_BYTES_MAX bytes or more is cut.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/uuid.h"

enum { LOG_TEXT_BYTES_MAX = 1024 };

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_form { LOG_FORM_JSON, LOG_FORM_HUMAN };

enum log_kind { LOG_KIND_END, LOG_KIND_TEXT, LOG_KIND_INT, LOG_KIND_BOOL, LOG_KIND_UUID };

struct log_field {
    const char *key; // a constant of letters, digits and _
    enum log_kind kind;
    union {
        const char *text;
        int64_t integer;
        const struct uuid *uuid;
    } as;
};

// A NULL text or uuid is written as null.
#define LOG_TEXT(name, value) ((struct log_field){(name), LOG_KIND_TEXT, {.text = (value)}})
#define LOG_INT(name, value)                                                                       \
    ((struct log_field){(name), LOG_KIND_INT, {.integer = (int64_t)(value)}})
#define LOG_BOOL(name, value) ((struct log_field){(name), LOG_KIND_BOOL, {.integer = (value) != 0}})
#define LOG_UUID(name, value) ((struct log_field){(name), LOG_KIND_UUID, {.uuid = (value)}})
// The text of a struct error, under the key "err".
#define LOG_ERROR(error) LOG_TEXT("err", (error)->text)
// May end a list of fields; need not.
#define LOG_END ((struct log_field){NULL, LOG_KIND_END, {.text = NULL}})

#define LOG_FIELDS(...) ((const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ) LOG_END})
#define log_debug(sentence, ...) log_write(LOG_LEVEL_DEBUG, "" sentence, LOG_FIELDS(__VA_ARGS__))
#define log_info(sentence, ...) log_write(LOG_LEVEL_INFO, "" sentence, LOG_FIELDS(__VA_ARGS__))
#define log_warn(sentence, ...) log_write(LOG_LEVEL_WARN, "" sentence, LOG_FIELDS(__VA_ARGS__))
#define log_error(sentence, ...) log_write(LOG_LEVEL_ERROR, "" sentence, LOG_FIELDS(__VA_ARGS__))

// Who speaks: "relay/identity". Chooses the form by what stderr is.
void log_start(const char *process);
void log_set_level(enum log_level level); // lines below it are not written; at first INFO
void log_set_form(enum log_form form);

// "debug", "info", "warn" or "error". False: *out is untouched.
bool log_level_parse(enum log_level *out, const char *text);
const char *log_level_name(enum log_level level);

// What the macros call. `fields` ends with LOG_END.
void log_write(enum log_level level, const char *sentence, const struct log_field *fields);
