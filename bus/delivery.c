// delivery.c - see delivery.h.
#include "bus/delivery.h"

#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 16, PARTS_SHORT = 9, PARTS_LONG = 11 };

bool delivery_parse(struct delivery *out, const char *reply)
{
    const char *parts[PARTS_MAX];
    size_t count = 0;
    if (reply == NULL || strncmp(reply, "$JS.ACK.", 8) != 0)
        return false;
    for (const char *at = reply; at != NULL && count < PARTS_MAX; at = strchr(at, '.')) {
        at += count > 0; // behind the dot
        parts[count++] = at;
    }
    if (count < PARTS_SHORT)
        return false;
    const char **consumer = &parts[count < PARTS_LONG ? 3 : 5], **numbers = consumer + 2;
    *out = (struct delivery){
        .consumer = consumer[0],
        .consumer_len = (size_t)(consumer[1] - consumer[0] - 1),
        .n = strtoll(numbers[0], NULL, 10),
        .delivery = strtoll(numbers[1], NULL, 10),
        .behind = strtoll(numbers[3], NULL, 10),
    };
    return out->n > 0 && out->delivery > 0 && out->behind >= 0;
}
