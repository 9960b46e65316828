// email_address.c - see email_address.h.
#include "base/email_address.h"

#include <idn2.h>
#include <string.h>
#include <utf8proc.h>

// What ends or divides an address in a header or a command of SMTP when it is not quoted; quoted
// local parts are taken by hardly any server, and are not taken here.
static const char specials[] = "()<>[]:;@\\,\"";

static bool local_is_valid(const char *local, size_t len)
{
    if (len == 0 || len > EMAIL_LOCAL_BYTES_MAX)
        return false;
    for (size_t at = 0; at < len;) {
        utf8proc_int32_t point;
        utf8proc_ssize_t read = utf8proc_iterate((const utf8proc_uint8_t *)local + at,
                                                 (utf8proc_ssize_t)(len - at), &point);
        if (read <= 0 || (point < 0x80 && strchr(specials, point) != NULL))
            return false;
        switch (utf8proc_category(point)) {
        case UTF8PROC_CATEGORY_CC: // controls, and what breaks lines or cannot be seen
        case UTF8PROC_CATEGORY_CF:
        case UTF8PROC_CATEGORY_CS:
        case UTF8PROC_CATEGORY_CO:
        case UTF8PROC_CATEGORY_CN:
        case UTF8PROC_CATEGORY_ZS:
        case UTF8PROC_CATEGORY_ZL:
        case UTF8PROC_CATEGORY_ZP:
            return false;
        default:
            break;
        }
        at += (size_t)read;
    }
    return true;
}

// Labels of letters, digits and hyphens, 63 bytes at most, no hyphen at an end. The last one is no
// number: that would be an IP address.
static bool ascii_domain_is_valid(const char *domain)
{
    const char *label = domain;
    if (strlen(domain) > EMAIL_DOMAIN_BYTES_MAX)
        return false;
    for (;;) {
        size_t len = strcspn(label, ".");
        if (len == 0 || len > 63 || label[0] == '-' || label[len - 1] == '-' ||
            strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != len)
            return false;
        if (label[len] == '\0')
            return strspn(label, "0123456789") != len;
        label += len + 1;
    }
}

// The domain in ASCII, to be freed by idn2_free; NULL: it is none.
static char *domain_to_ascii(const char *domain)
{
    char *ascii = NULL;
    int flags = IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL;
    if (*domain == '\0' || strlen(domain) > 4 * EMAIL_DOMAIN_BYTES_MAX ||
        idn2_to_ascii_8z(domain, &ascii, flags) != IDN2_OK)
        return NULL;
    for (char *c = ascii; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    if (ascii_domain_is_valid(ascii))
        return ascii;
    idn2_free(ascii);
    return NULL;
}

char *email_address_to_send(struct arena *arena, const char *text)
{
    const char *at = strchr(text, '@');
    if (at == NULL || strlen(text) > EMAIL_ADDRESS_BYTES_MAX ||
        !local_is_valid(text, (size_t)(at - text)))
        return NULL;
    char *domain = domain_to_ascii(at + 1), *out = NULL;
    if (domain != NULL && (size_t)(at - text) + 1 + strlen(domain) <= EMAIL_ADDRESS_BYTES_MAX)
        out = arena_printf(arena, "%.*s@%s", (int)(at - text), text, domain);
    if (domain != NULL)
        idn2_free(domain);
    return out;
}

bool email_address_is_valid(const char *text)
{
    struct arena *arena = arena_create();
    bool valid = email_address_to_send(arena, text) != NULL;
    arena_destroy(&arena);
    return valid;
}
