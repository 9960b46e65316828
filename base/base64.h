// base64.h - base64 (RFC 4648) in two alphabets, and one text for each value.
//
// libsodium 1.0.18 takes bytes above 127 for letters of the alphabet: a text that it reads would
// have several forms, and what is kept of one, or compared with it, would not be of the other.
//
// Threads: pure; safe from any thread.
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

enum base64_alphabet {
    BASE64_STANDARD,          // section 4, padded: signed notes, proofs, JSON that is written
    BASE64_STANDARD_UNPADDED, // JSON that is read, as the next but one
    BASE64_URL,               // section 5, without padding: tokens (base64url.h)
    BASE64_URL_PADDED,
};

// NUL-terminated, in the arena.
char *base64_encode(struct arena *arena, enum base64_alphabet alphabet, const void *data,
                    size_t len);

// At most `cap` bytes; -1: the text is not base64 in that alphabet, or not the one that
// base64_encode gives for its bytes, or holds more than that.
long base64_decode(void *out, size_t cap, enum base64_alphabet alphabet, const char *text,
                   size_t text_len);
