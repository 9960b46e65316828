// leaf_read.c - see leaf_read.h. The fields in the order of bus/leaf.h.
#include "audit/leaf_read.h"

#include <string.h>

#include "audit/note_internal.h"

enum { LEAF_VERSION = 1, LENGTH_BYTES = 4 };

struct cursor {
    struct bytes rest;
    bool good;
};

static struct bytes take(struct cursor *cursor)
{
    struct bytes *rest = &cursor->rest, field = {(const uint8_t *)"", 0};
    if (rest->len < LENGTH_BYTES)
        cursor->good = false;
    if (!cursor->good)
        return field;
    size_t len = (size_t)note_get_big_endian(rest->data, LENGTH_BYTES);
    if (len > rest->len - LENGTH_BYTES) {
        cursor->good = false;
        return field;
    }
    field = (struct bytes){rest->data + LENGTH_BYTES, len};
    *rest = (struct bytes){field.data + len, rest->len - LENGTH_BYTES - len};
    return field;
}

static void take_number(int64_t *out, struct cursor *cursor)
{
    struct bytes field = take(cursor);
    cursor->good &= field.len == 8;
    *out = cursor->good ? (int64_t)note_get_big_endian(field.data, 8) : 0;
}

static void take_id(struct uuid *out, struct cursor *cursor)
{
    struct bytes field = take(cursor);
    cursor->good &= field.len == sizeof out->bytes;
    memset(out, 0, sizeof *out);
    if (cursor->good)
        memcpy(out->bytes, field.data, sizeof out->bytes);
}

static void take_text(struct leaf_text *out, struct cursor *cursor)
{
    struct bytes field = take(cursor);
    *out = (struct leaf_text){(const char *)field.data, field.len};
    cursor->good &= memchr(field.data, '\0', field.len) == NULL;
}

enum nova_status leaf_read_v1(struct leaf_v1 *out, struct bytes leaf, struct error *err)
{
    if (leaf.len == 0 || leaf.data[0] != LEAF_VERSION)
        return error_set(err, NOVA_INVALID_ARGUMENT, "the leaf is not of version %d", LEAF_VERSION);
    struct cursor cursor = {{leaf.data + 1, leaf.len - 1}, true};
    take_number(&out->n, &cursor);
    take_number(&out->position, &cursor);
    take_id(&out->log_id, &cursor);
    take_id(&out->event_id, &cursor);
    take_text(&out->type, &cursor);
    take_text(&out->aggregate_type, &cursor);
    take_id(&out->aggregate_id, &cursor);
    take_number(&out->version, &cursor);
    take_text(&out->actor, &cursor);
    take_id(&out->command_id, &cursor);
    take_id(&out->correlation_id, &cursor);
    take_id(&out->causation_id, &cursor);
    take_number(&out->occurred_at_us, &cursor);
    take_number(&out->recorded_at_us, &cursor);
    out->payload = take(&cursor);
    if (!cursor.good || cursor.rest.len != 0)
        return error_set(err, NOVA_INVALID_ARGUMENT, "the leaf is cut or has too much");
    return NOVA_OK;
}
