// base64url.h - base64url without padding (RFC 4648, 5), and one text for each value.
//
// libsodium 1.0.18 takes bytes above 127 for letters of the alphabet: a token that it reads would
// have several texts, and what is kept of one, or compared with it, would not be of the other.
//
// Threads:   pure; safe from any thread.
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

// NUL-terminated, in the arena.
char *base64url_encode(struct arena *arena, const void *data, size_t len);

// Exactly `len` bytes out of a text of `text_len`; false: the text is not of that many, or no
// base64url, or not the one that base64url_encode gives for them.
bool base64url_decode(void *out, size_t len, const char *text, size_t text_len);

// The same of any length: at most `cap` bytes; -1: as false above, or more than that.
long base64url_decode_any(void *out, size_t cap, const char *text, size_t text_len);
