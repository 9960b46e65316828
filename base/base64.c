// base64.c - see base64.h. By libsodium.
#include "base/base64.h"

#include <sodium.h>

static const int variants[] = {[BASE64_STANDARD] = sodium_base64_VARIANT_ORIGINAL,
                               [BASE64_STANDARD_UNPADDED] =
                                   sodium_base64_VARIANT_ORIGINAL_NO_PADDING,
                               [BASE64_URL] = sodium_base64_VARIANT_URLSAFE_NO_PADDING,
                               [BASE64_URL_PADDED] = sodium_base64_VARIANT_URLSAFE};

char *base64_encode(struct arena *arena, enum base64_alphabet alphabet, const void *data,
                    size_t len)
{
    size_t cap = sodium_base64_encoded_len(len, variants[alphabet]);
    char *text = arena_alloc(arena, cap);
    return sodium_bin2base64(text, cap, data, len, variants[alphabet]);
}

static bool is_ascii(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] > 127)
            return false;
    return true;
}

long base64_decode(void *out, size_t cap, enum base64_alphabet alphabet, const char *text,
                   size_t text_len)
{
    size_t len = 0;
    const char *end = NULL;
    if (!is_ascii(text, text_len) ||
        sodium_base642bin(out, cap, text, text_len, NULL, &len, &end, variants[alphabet]) != 0 ||
        end != text + text_len)
        return -1;
    return (long)len;
}
