// member.c - see member.h.
#include "bus/member.h"

#include <stddef.h>

#include "bus/topology.h"

// Digits that begin with no zero; NULL: none, or a number above all that a group may have.
static const char *take_number(uint32_t *out, const char *text)
{
    *out = 0;
    if (*text == '0')
        return NULL;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && *out <= TOPOLOGY_PARTITIONS; at++)
        *out = *out * 10 + (uint32_t)(*at - '0');
    return at > text && *out <= TOPOLOGY_PARTITIONS ? at : NULL;
}

bool member_parse(struct member *out, const char *text)
{
    const char *at = take_number(&out->number, text);
    if (at == NULL || *at != '/')
        return false;
    at = take_number(&out->size, at + 1);
    return at != NULL && *at == '\0' && out->number <= out->size;
}

bool member_has(const struct member *member, const struct uuid *aggregate_id)
{
    return member->size == 0 ||
           topology_partition(aggregate_id) % member->size + 1 == member->number;
}
