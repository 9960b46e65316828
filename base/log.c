// log.c - see log.h. A line is built on the stack: no allocation, no lock, no stdio.
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static struct {
    char process[64];
    enum log_form form;
    atomic_int level;
} logger = {.form = LOG_FORM_JSON, .level = LOG_LEVEL_INFO};

void log_start(const char *process)
{
    snprintf(logger.process, sizeof logger.process, "%s", process);
    logger.form = isatty(STDERR_FILENO) ? LOG_FORM_HUMAN : LOG_FORM_JSON;
}

void log_set_level(enum log_level level)
{
    atomic_store(&logger.level, level);
}

void log_set_form(enum log_form form)
{
    logger.form = form;
}

bool log_level_parse(enum log_level *out, const char *text)
{
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++)
        if (strcmp(level_names[i], text) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    return false;
}

const char *log_level_name(enum log_level level)
{
    assert((size_t)level < sizeof level_names / sizeof *level_names);
    return level_names[level];
}

// The tail that every line keeps room for.
#define JSON_TAIL ",\"cut\":true}\n"
#define HUMAN_TAIL "  cut=true\n"

struct line {
    size_t len;
    bool full; // what was put last did not fit
    char bytes[LOG_LINE_BYTES_MAX];
};

static void line_put(struct line *line, const char *data, size_t len)
{
    size_t room = sizeof line->bytes - sizeof JSON_TAIL - line->len;
    if (len > room)
        line->full = true;
    if (line->full)
        return;
    memcpy(line->bytes + line->len, data, len);
    line->len += len;
}

static void line_put_text(struct line *line, const char *text)
{
    line_put(line, text, strlen(text));
}

// The length of the valid UTF-8 sequence at `text`, 0 when there is none (RFC 3629).
static size_t utf8_sequence(const unsigned char *text, size_t room)
{
    size_t len = text[0] < 0x80                      ? 1
                 : text[0] >= 0xC2 && text[0] < 0xE0 ? 2
                 : text[0] >= 0xE0 && text[0] < 0xF0 ? 3
                 : text[0] >= 0xF0 && text[0] < 0xF5 ? 4
                                                     : 0;
    if (len == 0 || len > room)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    bool overlong = (text[0] == 0xE0 && text[1] < 0xA0) || (text[0] == 0xF0 && text[1] < 0x90);
    bool surrogate = text[0] == 0xED && text[1] >= 0xA0;
    bool beyond = text[0] == 0xF4 && text[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : len;
}

// Text between quotes, whatever its bytes are: the line stays one line, and valid JSON.
static void line_put_quoted(struct line *line, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t left = strnlen(text, LOG_TEXT_BYTES_MAX - 1);
    line_put(line, "\"", 1);
    while (left > 0) {
        char escape[8];
        size_t step = utf8_sequence(at, left);
        if (step == 0) { // not UTF-8, or cut in the middle of a character
            line_put_text(line, "\\ufffd");
            step = 1;
        } else if (*at == '"' || *at == '\\') {
            escape[0] = '\\';
            escape[1] = (char)*at;
            line_put(line, escape, 2);
        } else if (*at < 0x20 || *at == 0x7F) {
            snprintf(escape, sizeof escape, "\\u%04x", *at);
            line_put_text(line, escape);
        } else {
            line_put(line, (const char *)at, step);
        }
        at += step;
        left -= step;
    }
    line_put(line, "\"", 1);
}

// A human reads a plain word without quotes.
static bool is_plain(const char *text)
{
    size_t len = strnlen(text, LOG_TEXT_BYTES_MAX);
    if (len == 0 || len == LOG_TEXT_BYTES_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7F || text[i] == '"' ||
            text[i] == '\\' || text[i] == '=')
            return false;
    return true;
}

static void line_put_value(struct line *line, const struct log_field *field)
{
    char text[UUID_TEXT_BYTES];
    switch (field->kind) {
    case LOG_KIND_TEXT:
        if (!field->as.text)
            line_put_text(line, "null");
        else if (logger.form == LOG_FORM_HUMAN && is_plain(field->as.text))
            line_put_text(line, field->as.text);
        else
            line_put_quoted(line, field->as.text);
        return;
    case LOG_KIND_INT:
        snprintf(text, sizeof text, "%lld", (long long)field->as.integer);
        line_put_text(line, text);
        return;
    case LOG_KIND_BOOL:
        line_put_text(line, field->as.integer ? "true" : "false");
        return;
    case LOG_KIND_UUID:
        if (!field->as.uuid) {
            line_put_text(line, "null");
            return;
        }
        uuid_format(text, field->as.uuid);
        if (logger.form == LOG_FORM_JSON)
            line_put_quoted(line, text);
        else
            line_put_text(line, text);
        return;
    case LOG_KIND_END:
        break;
    }
    assert(!"a field of no known kind");
}

static void line_put_fields(struct line *line, const struct log_field *fields)
{
    bool json = logger.form == LOG_FORM_JSON, cut = false;
    for (const struct log_field *field = fields; field->kind != LOG_KIND_END; field++) {
        size_t before = line->len;
        line_put_text(line, json ? ",\"" : field == fields ? "  " : " ");
        line_put_text(line, field->key);
        line_put_text(line, json ? "\":" : "=");
        line_put_value(line, field);
        if (line->full) { // a field is there whole or not at all
            line->len = before;
            line->full = false;
            cut = true;
        }
    }
    const char *tail = json ? (cut ? JSON_TAIL : "}\n") : (cut ? HUMAN_TAIL : "\n");
    memcpy(line->bytes + line->len, tail, strlen(tail));
    line->len += strlen(tail);
}

static void line_put_head(struct line *line, enum log_level level, const char *sentence)
{
    struct timespec now;
    struct tm parts;
    char text[64];
    bool json = logger.form == LOG_FORM_JSON;
    clock_gettime(CLOCK_REALTIME, &now);
    if (json)
        gmtime_r(&now.tv_sec, &parts);
    else
        localtime_r(&now.tv_sec, &parts);
    size_t len = strftime(text, sizeof text, json ? "%Y-%m-%dT%H:%M:%S" : "%H:%M:%S", &parts);
    snprintf(text + len, sizeof text - len, ".%03ld", now.tv_nsec / 1000000);
    if (!json) {
        line_put_text(line, text);
        snprintf(text, sizeof text, " %-5s ", level_names[level]);
        line_put_text(line, text);
        line_put_text(line, sentence);
        return;
    }
    line_put_text(line, "{\"ts\":\"");
    line_put_text(line, text);
    line_put_text(line, "Z\",\"level\":\"");
    line_put_text(line, level_names[level]);
    line_put_text(line, "\",\"process\":");
    line_put_quoted(line, logger.process);
    line_put_text(line, ",\"msg\":");
    line_put_quoted(line, sentence);
}

void log_write(enum log_level level, const char *sentence, const struct log_field *fields)
{
    if ((int)level < atomic_load_explicit(&logger.level, memory_order_relaxed))
        return;
    int saved = errno; // a log line between a failed call and its errno changes nothing
    struct line line = {.len = 0};
    line_put_head(&line, level, sentence);
    line_put_fields(&line, fields);
    const char *at = line.bytes;
    while (line.len > 0) {
        ssize_t wrote = write(STDERR_FILENO, at, line.len);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            break;
        at += wrote;
        line.len -= (size_t)wrote;
    }
    errno = saved;
}
