// leaf.c - see leaf.h. One list of fields serves the length and the bytes, so they cannot differ.
#include "bus/leaf.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

enum { LEAF_VERSION = 1, LEAF_FIELDS = 15, LEAF_NUMBERS = 5 };

static struct bytes leaf_text(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static struct bytes leaf_id(const struct uuid *id)
{
    return (struct bytes){id->bytes, sizeof id->bytes};
}

static void leaf_put_big_endian(uint8_t *out, uint64_t number, int bytes)
{
    for (int i = 0; i < bytes; i++)
        out[i] = (uint8_t)(number >> (8 * (bytes - 1 - i)));
}

// The fields in their fixed order; `numbers` is room for those that are integers.
static void leaf_fields(struct bytes out[LEAF_FIELDS], uint8_t numbers[LEAF_NUMBERS][8],
                        const struct event *event)
{
    const int64_t values[LEAF_NUMBERS] = {event->n, event->position, event->version,
                                          event->occurred_at_us, event->recorded_at_us};
    for (int i = 0; i < LEAF_NUMBERS; i++)
        leaf_put_big_endian(numbers[i], (uint64_t)values[i], 8);
    const struct bytes fields[LEAF_FIELDS] = {
        {numbers[0], 8},
        {numbers[1], 8},
        leaf_id(&event->log_id),
        leaf_id(&event->event_id),
        leaf_text(event->type),
        leaf_text(event->aggregate_type),
        leaf_id(&event->aggregate_id),
        {numbers[2], 8},
        leaf_text(event->actor),
        leaf_id(&event->command_id),
        leaf_id(&event->correlation_id),
        leaf_id(&event->causation_id),
        {numbers[3], 8},
        {numbers[4], 8},
        event->payload,
    };
    memcpy(out, fields, sizeof fields);
}

size_t leaf_bytes_v1(uint8_t *out, size_t out_cap, const struct event *event)
{
    struct bytes fields[LEAF_FIELDS];
    uint8_t numbers[LEAF_NUMBERS][8];
    leaf_fields(fields, numbers, event);

    size_t needed = 1;
    for (int i = 0; i < LEAF_FIELDS; i++) {
        assert(fields[i].len <= UINT32_MAX);
        needed += 4 + fields[i].len;
    }
    if (needed > out_cap)
        return needed;
    *out++ = LEAF_VERSION;
    for (int i = 0; i < LEAF_FIELDS; i++) {
        leaf_put_big_endian(out, fields[i].len, 4);
        if (fields[i].len > 0)
            memcpy(out + 4, fields[i].data, fields[i].len);
        out += 4 + fields[i].len;
    }
    return needed;
}

void leaf_hash_v1(uint8_t out[LEAF_HASH_BYTES], struct bytes leaf)
{
    static const uint8_t prefix = 0x00; // keeps a leaf from passing as an inner node
    crypto_hash_sha256_state sha256;
    crypto_hash_sha256_init(&sha256);
    crypto_hash_sha256_update(&sha256, &prefix, 1);
    crypto_hash_sha256_update(&sha256, leaf.data, leaf.len);
    crypto_hash_sha256_final(&sha256, out);
}
