// reserved.c - handles that nobody may register: they look like a part of Nova, or like somebody
// who speaks for it.
//
// A handle is ASCII (user.c), so what can be taken for another is a short list: the letters and
// digits of ASCII that Unicode calls confusable (UTS #39, confusables.txt), digits that stand for
// letters, and the signs between words, which one reads over.
#include <ctype.h>
#include <string.h>

#include "aggregates/identity/identity.h"

static const char *const reserved[] = {
#include "aggregates/identity/reserved.inc"
};

// What else may stand where a letter of a reserved name does; its capital always may.
static const struct {
    char letter;
    const char *also;
} lookalikes[] = {
    {'a', "4"},  {'b', "8"}, {'e', "3"}, {'g', "9"}, {'i', "1l"}, // "lnfo" is read as "Info"
    {'l', "1I"}, {'o', "0"}, {'s', "5"}, {'t', "7"}, {'z', "2"},
};

// Two letters that are read as one, either way round.
static const struct {
    char one;
    const char *two;
} pairs[] = {{'m', "rn"}, {'w', "vv"}};

// The digits from 2 to 9 stand for letters within a name; the last one counts: "member5" is no
// plural.
static bool stands_for(char sign, char letter, bool is_last)
{
    if (tolower((unsigned char)sign) == letter)
        return true;
    if (is_last && sign >= '2' && sign <= '9')
        return false;
    for (size_t i = 0; i < sizeof lookalikes / sizeof *lookalikes; i++)
        if (lookalikes[i].letter == letter)
            return strchr(lookalikes[i].also, sign) != NULL;
    return false;
}

// Moves both behind what is read as the same; false: nothing there is.
static bool read_alike(const char **handle, const char **name)
{
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const char *two = pairs[i].two;
        if (**name == pairs[i].one && tolower((unsigned char)(*handle)[0]) == two[0] &&
            tolower((unsigned char)(*handle)[1]) == two[1]) {
            *handle += 2;
            *name += 1;
            return true;
        }
        if (tolower((unsigned char)**handle) == pairs[i].one && strncmp(*name, two, 2) == 0) {
            *handle += 1;
            *name += 2;
            return true;
        }
    }
    if (**handle == '\0')
        return false;
    const char *rest = *handle + 1;
    if (!stands_for(**handle, **name, rest[strspn(rest, "_.-")] == '\0'))
        return false;
    *handle += 1;
    *name += 1;
    return true;
}

static bool looks_like(const char *handle, const char *name)
{
    handle += strspn(handle, "_.-");
    while (*name != '\0') {
        if (!read_alike(&handle, &name))
            return false;
        handle += strspn(handle, "_.-");
    }
    return *handle == '\0';
}

bool handle_is_reserved(const char *handle)
{
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (looks_like(handle, reserved[i]))
            return true;
    return false;
}
