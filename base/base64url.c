// base64url.c - see base64url.h.
#include "base/base64url.h"

#include "base/base64.h"

char *base64url_encode(struct arena *arena, const void *data, size_t len)
{
    return base64_encode(arena, BASE64_URL, data, len);
}

long base64url_decode_any(void *out, size_t cap, const char *text, size_t text_len)
{
    return base64_decode(out, cap, BASE64_URL, text, text_len);
}

bool base64url_decode(void *out, size_t len, const char *text, size_t text_len)
{
    return base64url_decode_any(out, len, text, text_len) == (long)len;
}
