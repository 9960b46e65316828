// base64url.c - see base64url.h. By libsodium.
#include "base/base64url.h"

#include <sodium.h>
#include <string.h>

static const int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;

char *base64url_encode(struct arena *arena, const void *data, size_t len)
{
    size_t cap = sodium_base64_encoded_len(len, variant);
    char *text = arena_alloc(arena, cap);
    return sodium_bin2base64(text, cap, data, len, variant);
}

static bool is_ascii(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] > 127)
            return false;
    return true;
}

long base64url_decode_any(void *out, size_t cap, const char *text, size_t text_len)
{
    size_t len = 0;
    const char *end = NULL;
    if (!is_ascii(text, text_len) ||
        sodium_base642bin(out, cap, text, text_len, NULL, &len, &end, variant) != 0 ||
        end != text + text_len)
        return -1;
    return (long)len;
}

bool base64url_decode(void *out, size_t len, const char *text, size_t text_len)
{
    return base64url_decode_any(out, len, text, text_len) == (long)len;
}
