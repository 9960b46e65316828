// template.c - see template.h.
#include "services/mail/template.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

static bool is_utf8(const char *text)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    utf8proc_int32_t point;
    while (*at != '\0') {
        utf8proc_ssize_t len = utf8proc_iterate(at, -1, &point);
        if (len < 0)
            return false;
        at += len;
    }
    return true;
}

// Each { begins a name that is known.
static bool names_are_known(const char *text)
{
    for (const char *at = text; (at = strchr(at, '{')) != NULL; at++)
        if (strncmp(at, "{token}", 7) != 0 && strncmp(at, "{minutes}", 9) != 0)
            return false;
    return true;
}

static const char *template_wrong(const char *text, bool brings_token)
{
    if (!is_utf8(text))
        return "is not UTF-8";
    if (strchr(text, '\r') != NULL)
        return "has carriage returns";
    if (strncmp(text, "Subject: ", 9) != 0 || strstr(text, "\n\n") != strchr(text, '\n'))
        return "wants \"Subject: ...\" in its first line, and an empty line behind it";
    if (!brings_token)
        return strchr(text, '{') == NULL ? NULL : "knows no name in braces: it brings no token";
    if (strstr(text, "{token}") == NULL || strstr(text, "{token}") < strchr(text, '\n'))
        return "wants {token} in its text: without it the e-mail is of no use";
    return names_are_known(text) ? NULL
                                 : "knows {token} and {minutes}, and no other name in braces";
}

enum nova_status mail_template_read(struct mail_template *out, struct arena *arena,
                                    const char *path, bool brings_token, struct error *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_set(err, NOVA_NOT_FOUND,
                         "the e-mail's text %s cannot be read; mail.templates says where they are",
                         path);
    char *text = arena_alloc(arena, MAIL_TEMPLATE_BYTES_MAX + 1);
    size_t len = fread(text, 1, MAIL_TEMPLATE_BYTES_MAX + 1, file);
    fclose(file);
    if (len > MAIL_TEMPLATE_BYTES_MAX || memchr(text, '\0', len) != NULL)
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s wants text of at most %d bytes", path,
                         MAIL_TEMPLATE_BYTES_MAX);
    text[len] = '\0';
    const char *wrong = template_wrong(text, brings_token);
    if (wrong != NULL)
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s %s", path, wrong);
    char *line_end = strchr(text, '\n');
    *line_end = '\0';
    out->subject = text + 9;
    out->text = line_end + 2;
    return NOVA_OK;
}

char *mail_template_fill(struct arena *arena, const char *text, const char *token, int64_t minutes)
{
    char *out = arena_strdup(arena, "");
    for (const char *at = text; *at != '\0';) {
        size_t plain = strcspn(at, "{");
        out = arena_printf(arena, "%s%.*s", out, (int)plain, at);
        at += plain;
        if (strncmp(at, "{token}", 7) == 0) {
            out = arena_printf(arena, "%s%s", out, token);
            at += 7;
        } else if (*at != '\0') { // names_are_known: the other one
            out = arena_printf(arena, "%s%" PRId64, out, minutes);
            at += 9;
        }
    }
    return out;
}
