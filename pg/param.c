// param.c - parameters in PostgreSQL's binary formats (src/backend/utils/adt: *recv functions).
#include <assert.h>
#include <string.h>

#include "pg/internal.h"
#include "pg/pg.h"

enum { ARRAY_HEADER_BYTES = 20 }; // dimensions, flags, element type, count, lower bound

struct pg_param pg_null(void)
{
    return (struct pg_param){0}; // type 0: PostgreSQL decides
}

// data is never NULL, also when len is 0.
static struct pg_param param_of(uint32_t type, const void *data, size_t len)
{
    assert(len <= PG_PARAM_BYTES_MAX);
    return (struct pg_param){.type = type, .data = data, .len = (int)len};
}

struct pg_param pg_text(const char *text)
{
    if (!text)
        return (struct pg_param){.type = PG_OID_TEXT};
    return param_of(PG_OID_TEXT, text, strlen(text));
}

struct pg_param pg_int4(int32_t value)
{
    struct pg_param param = {.type = PG_OID_INT4, .len = 4};
    pg_put_be32(param.inline_bytes, (uint32_t)value);
    return param;
}

static struct pg_param param_be64(uint32_t type, uint64_t value)
{
    struct pg_param param = {.type = type, .len = 8};
    pg_put_be64(param.inline_bytes, value);
    return param;
}

struct pg_param pg_int8(int64_t value)
{
    return param_be64(PG_OID_INT8, (uint64_t)value);
}

struct pg_param pg_bool(bool value)
{
    return (struct pg_param){.type = PG_OID_BOOL, .len = 1, .inline_bytes = {value}};
}

struct pg_param pg_float8(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return param_be64(PG_OID_FLOAT8, bits);
}

struct pg_param pg_uuid(const struct uuid *id)
{
    struct pg_param param = {.type = PG_OID_UUID};
    if (id) {
        param.len = sizeof id->bytes;
        memcpy(param.inline_bytes, id->bytes, sizeof id->bytes);
    }
    return param;
}

struct pg_param pg_bytea(struct bytes bytes)
{
    if (!bytes.data)
        return (struct pg_param){.type = PG_OID_BYTEA};
    return param_of(PG_OID_BYTEA, bytes.data, bytes.len);
}

// Times that PostgreSQL cannot hold stay such, and it refuses them (22008); the two outermost
// numbers would mean infinity to it.
static uint64_t time_to_pg(int64_t unix_us)
{
    if (unix_us <= INT64_MIN + PG_EPOCH_US)
        return (uint64_t)(INT64_MIN + 1);
    return (uint64_t)(unix_us - PG_EPOCH_US);
}

struct pg_param pg_time_us(int64_t unix_us)
{
    return param_be64(PG_OID_TIMESTAMPTZ, time_to_pg(unix_us));
}

// An array under construction: the header is written, elements follow one by one.
struct array {
    uint8_t *bytes;
    size_t used;
    size_t size;
};

static struct array array_begin(struct arena *arena, uint32_t element, size_t count, size_t data)
{
    assert(count <= PG_PARAM_BYTES_MAX / 4 && data <= PG_PARAM_BYTES_MAX);
    size_t size = ARRAY_HEADER_BYTES + 4 * count + data;
    assert(size <= PG_PARAM_BYTES_MAX);
    struct array array = {.bytes = arena_alloc(arena, size), .used = ARRAY_HEADER_BYTES};
    array.size = size;
    pg_put_be32(array.bytes, count > 0); // an empty array has no dimension
    pg_put_be32(array.bytes + 8, element);
    pg_put_be32(array.bytes + 12, (uint32_t)count);
    pg_put_be32(array.bytes + 16, 1);
    return array;
}

// Returns where the element's bytes belong.
static uint8_t *array_add(struct array *array, size_t len)
{
    uint8_t *at = array->bytes + array->used;
    array->used += 4 + len;
    assert(array->used <= array->size);
    pg_put_be32(at, (uint32_t)len);
    return at + 4;
}

static void array_add_null(struct array *array)
{
    pg_put_be32(array->bytes + 4, 1); // the array holds NULLs
    pg_put_be32(array->bytes + array->used, UINT32_MAX);
    array->used += 4;
    assert(array->used <= array->size);
}

static struct pg_param array_end(const struct array *array, uint32_t type, size_t count)
{
    assert(array->used == array->size);
    return param_of(type, array->bytes, count > 0 ? array->used : 12);
}

struct pg_param pg_int4_array(struct arena *arena, const int32_t *values, size_t count)
{
    struct array array = array_begin(arena, PG_OID_INT4, count, 4 * count);
    for (size_t i = 0; i < count; i++)
        pg_put_be32(array_add(&array, 4), (uint32_t)values[i]);
    return array_end(&array, PG_OID_INT4_ARRAY, count);
}

struct pg_param pg_int8_array(struct arena *arena, const int64_t *values, size_t count)
{
    struct array array = array_begin(arena, PG_OID_INT8, count, 8 * count);
    for (size_t i = 0; i < count; i++)
        pg_put_be64(array_add(&array, 8), (uint64_t)values[i]);
    return array_end(&array, PG_OID_INT8_ARRAY, count);
}

struct pg_param pg_bool_array(struct arena *arena, const bool *values, size_t count)
{
    struct array array = array_begin(arena, PG_OID_BOOL, count, count);
    for (size_t i = 0; i < count; i++)
        *array_add(&array, 1) = values[i];
    return array_end(&array, PG_OID_BOOL_ARRAY, count);
}

struct pg_param pg_uuid_array(struct arena *arena, const struct uuid *ids, size_t count)
{
    struct array array = array_begin(arena, PG_OID_UUID, count, 16 * count);
    for (size_t i = 0; i < count; i++)
        memcpy(array_add(&array, 16), ids[i].bytes, 16);
    return array_end(&array, PG_OID_UUID_ARRAY, count);
}

struct pg_param pg_text_array(struct arena *arena, const char *const *texts, size_t count)
{
    size_t data = 0;
    for (size_t i = 0; i < count; i++)
        data += texts[i] ? strlen(texts[i]) : 0;
    struct array array = array_begin(arena, PG_OID_TEXT, count, data);
    for (size_t i = 0; i < count; i++) {
        if (!texts[i]) {
            array_add_null(&array);
            continue;
        }
        size_t len = strlen(texts[i]);
        memcpy(array_add(&array, len), texts[i], len);
    }
    return array_end(&array, PG_OID_TEXT_ARRAY, count);
}

struct pg_param pg_bytea_array(struct arena *arena, const struct bytes *bytes, size_t count)
{
    size_t data = 0;
    for (size_t i = 0; i < count; i++)
        data += bytes[i].data ? bytes[i].len : 0;
    struct array array = array_begin(arena, PG_OID_BYTEA, count, data);
    for (size_t i = 0; i < count; i++) {
        if (!bytes[i].data)
            array_add_null(&array);
        else
            memcpy(array_add(&array, bytes[i].len), bytes[i].data, bytes[i].len);
    }
    return array_end(&array, PG_OID_BYTEA_ARRAY, count);
}

struct pg_param pg_time_us_array(struct arena *arena, const int64_t *unix_us, size_t count)
{
    struct array array = array_begin(arena, PG_OID_TIMESTAMPTZ, count, 8 * count);
    for (size_t i = 0; i < count; i++)
        pg_put_be64(array_add(&array, 8), time_to_pg(unix_us[i]));
    return array_end(&array, PG_OID_TIMESTAMPTZ_ARRAY, count);
}
