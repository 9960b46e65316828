// page.c - see page.h. A token: list, score, numbers, id, in base64url. Nothing secret is in it,
// and whoever makes one up only chooses where a list of theirs begins.
#include "projections/page.h"

#include <endian.h>
#include <string.h>

#include "base/base64url.h"

enum { TOKEN_BYTES = 1 + 8 + 8 + 8 + 16 };

static void token_put(uint8_t *out, uint64_t value)
{
    value = htobe64(value);
    memcpy(out, &value, sizeof value);
}

static uint64_t token_get(const uint8_t *in)
{
    uint64_t value;
    memcpy(&value, in, sizeof value);
    return be64toh(value);
}

char *page_token(struct arena *arena, enum page_list list, const struct page_key *last)
{
    uint8_t bytes[TOKEN_BYTES] = {(uint8_t)list};
    uint64_t score;
    memcpy(&score, &last->score, sizeof score);
    token_put(bytes + 1, score);
    token_put(bytes + 9, (uint64_t)last->first);
    token_put(bytes + 17, (uint64_t)last->second);
    memcpy(bytes + 25, last->id.bytes, sizeof last->id.bytes);
    return base64url_encode(arena, bytes, sizeof bytes);
}

enum nova_status page_open(struct page *out, enum page_list list,
                           const Nova__Common__V1__Page *wanted, struct error *err)
{
    uint8_t bytes[TOKEN_BYTES];
    *out = (struct page){.size = wanted && wanted->size > 0 ? wanted->size : PAGE_SIZE};
    if (out->size > PAGE_SIZE_MAX)
        return error_set(err, NOVA_INVALID_ARGUMENT, "a page has at most %d items, not %u",
                         PAGE_SIZE_MAX, out->size);
    if (!wanted || wanted->token[0] == '\0')
        return NOVA_OK;
    if (!base64url_decode(bytes, sizeof bytes, wanted->token, strlen(wanted->token)) ||
        bytes[0] != (uint8_t)list)
        return error_set(err, NOVA_INVALID_ARGUMENT,
                         "the page's token is none of this list: begin without one");
    uint64_t score = token_get(bytes + 1);
    memcpy(&out->after.score, &score, sizeof score);
    out->after.first = (int64_t)token_get(bytes + 9);
    out->after.second = (int64_t)token_get(bytes + 17);
    memcpy(out->after.id.bytes, bytes + 25, sizeof out->after.id.bytes);
    out->continues = true;
    return NOVA_OK;
}
