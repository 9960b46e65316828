// result.c - rows in PostgreSQL's binary formats (src/backend/utils/adt: *send functions). Every
// getter asserts place, type and that the value is there: a statement and its reader stand in one
// file, so a mismatch is our own bug.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "pg/internal.h"
#include "pg/pg.h"

struct pg_result {
    PGresult *rows;
};

struct pg_result *pg_result_create(PGresult *rows)
{
    struct pg_result *result = malloc(sizeof *result);
    if (!result)
        abort();
    result->rows = rows;
    return result;
}

const PGresult *pg_result_rows(const struct pg_result *result)
{
    return result->rows;
}

void pg_result_destroy(struct pg_result **result)
{
    if (!result || !*result)
        return;
    PQclear((*result)->rows);
    free(*result);
    *result = NULL;
}

size_t pg_rows(const struct pg_result *result)
{
    return result ? (size_t)PQntuples(result->rows) : 0;
}

int64_t pg_affected(const struct pg_result *result)
{
    return result ? strtoll(PQcmdTuples(result->rows), NULL, 10) : 0; // "" for other commands
}

bool pg_is_null(const struct pg_result *result, size_t row, int column)
{
    assert(row < pg_rows(result));
    assert(column >= 0 && column < PQnfields(result->rows));
    return PQgetisnull(result->rows, (int)row, column);
}

struct value {
    uint32_t type;
    const char *data; // NULL: SQL NULL
    size_t len;
};

static struct value value_of(const struct pg_result *result, size_t row, int column)
{
    struct value value = {0};
    bool null = pg_is_null(result, row, column);
    value.type = PQftype(result->rows, column);
    if (!null) {
        value.data = PQgetvalue(result->rows, (int)row, column);
        value.len = (size_t)PQgetlength(result->rows, (int)row, column);
    }
    return value;
}

int32_t pg_get_int4(const struct pg_result *result, size_t row, int column)
{
    struct value value = value_of(result, row, column);
    assert(value.type == PG_OID_INT4 && value.len == 4);
    return (int32_t)pg_be32(value.data);
}

int64_t pg_get_int8(const struct pg_result *result, size_t row, int column)
{
    struct value value = value_of(result, row, column);
    if (value.type == PG_OID_INT4)
        return pg_get_int4(result, row, column);
    assert(value.type == PG_OID_INT8 && value.len == 8);
    return (int64_t)pg_be64(value.data);
}

double pg_get_float8(const struct pg_result *result, size_t row, int column)
{
    struct value value = value_of(result, row, column);
    if (value.type == PG_OID_FLOAT4) {
        assert(value.len == 4);
        uint32_t bits = pg_be32(value.data);
        float single;
        memcpy(&single, &bits, sizeof single);
        return (double)single;
    }
    assert(value.type == PG_OID_FLOAT8 && value.len == 8);
    uint64_t bits = pg_be64(value.data);
    double out;
    memcpy(&out, &bits, sizeof out);
    return out;
}

bool pg_get_bool(const struct pg_result *result, size_t row, int column)
{
    struct value value = value_of(result, row, column);
    assert(value.type == PG_OID_BOOL && value.len == 1);
    return *value.data != 0;
}

struct uuid pg_get_uuid(const struct pg_result *result, size_t row, int column)
{
    struct value value = value_of(result, row, column);
    assert(value.type == PG_OID_UUID && value.len == 16);
    struct uuid id;
    memcpy(id.bytes, value.data, sizeof id.bytes);
    return id;
}

struct bytes pg_get_bytea(const struct pg_result *result, size_t row, int column)
{
    struct value value = value_of(result, row, column);
    assert(value.type == PG_OID_BYTEA);
    return (struct bytes){.data = (const uint8_t *)value.data, .len = value.len};
}

static bool is_text(uint32_t type)
{
    return type == PG_OID_TEXT || type == PG_OID_VARCHAR || type == PG_OID_NAME ||
           type == PG_OID_BPCHAR || type == PG_OID_JSON;
}

const char *pg_get_text(const struct pg_result *result, size_t row, int column)
{
    struct value value = value_of(result, row, column);
    assert(is_text(value.type));
    return value.data; // libpq ends every value with a NUL
}

int64_t pg_get_time_us(const struct pg_result *result, size_t row, int column)
{
    struct value value = value_of(result, row, column);
    assert(value.type == PG_OID_TIMESTAMPTZ && value.len == 8);
    int64_t time = (int64_t)pg_be64(value.data);
    return time > INT64_MAX - PG_EPOCH_US ? INT64_MAX : time + PG_EPOCH_US; // infinity stays so
}

// The elements of a one-dimensional array: count, then one call of next for each.
struct elements {
    const char *at;
    const char *end;
    uint32_t type;
    size_t count;
};

static struct elements elements_of(struct value value)
{
    assert(value.data && value.len >= 12);
    struct elements elements = {.at = value.data + 12, .end = value.data + value.len};
    uint32_t dimensions = pg_be32(value.data);
    elements.type = pg_be32(value.data + 8);
    assert(dimensions <= 1);
    if (dimensions == 1) {
        assert(value.len >= 20);
        elements.count = pg_be32(value.data + 12);
        elements.at = value.data + 20;
    }
    return elements;
}

static struct value elements_next(struct elements *elements)
{
    assert(elements->end - elements->at >= 4);
    uint32_t len = pg_be32(elements->at);
    struct value value = {.type = elements->type};
    elements->at += 4;
    if (len == UINT32_MAX)
        return value;
    assert(len <= (size_t)(elements->end - elements->at));
    value.data = elements->at;
    value.len = len;
    elements->at += len;
    return value;
}

size_t pg_get_text_array(const char *const **out, struct arena *arena,
                         const struct pg_result *result, size_t row, int column)
{
    struct elements elements = elements_of(value_of(result, row, column));
    assert(is_text(elements.type));
    const char **texts = arena_alloc(arena, elements.count * sizeof *texts);
    for (size_t i = 0; i < elements.count; i++) {
        struct value value = elements_next(&elements);
        if (!value.data)
            continue; // zeroed by the arena: NULL
        char *text = arena_alloc(arena, value.len + 1);
        memcpy(text, value.data, value.len);
        texts[i] = text;
    }
    *out = texts;
    return elements.count;
}

size_t pg_get_uuid_array(const struct uuid **out, struct arena *arena,
                         const struct pg_result *result, size_t row, int column)
{
    struct elements elements = elements_of(value_of(result, row, column));
    assert(elements.type == PG_OID_UUID);
    struct uuid *ids = arena_alloc(arena, elements.count * sizeof *ids);
    for (size_t i = 0; i < elements.count; i++) {
        struct value value = elements_next(&elements);
        assert(value.len == sizeof ids[i].bytes); // a NULL has no place among ids
        memcpy(ids[i].bytes, value.data, sizeof ids[i].bytes);
    }
    *out = ids;
    return elements.count;
}
