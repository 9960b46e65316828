// template.h - the text of an e-mail, from a file: "Subject: ..." in the first line, an empty line,
// the text. {token} stands for the token, {minutes} for how long it may be used; a text that brings
// none has neither.
//
// Ownership: what is read and made lives in the arena.
// Threads:   safe from any thread on different arenas.
// Errors:    NOT_FOUND names the file; INVALID_ARGUMENT what is wrong with it.
// Bounds:    MAIL_TEMPLATE_BYTES_MAX a file.
#pragma once
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

struct mail_template {
    const char *subject, *text;
};

MUST_CHECK enum nova_status mail_template_read(struct mail_template *out, struct arena *arena,
                                               const char *path, bool brings_token,
                                               struct error *err);
// The text with what stands for the braces.
char *mail_template_fill(struct arena *arena, const char *text, const char *token, int64_t minutes);
