// internal.h - what the files of pg/ share: type numbers of PostgreSQL's catalogue, byte order,
// and how a result is made.
//
// Errors: none; reading and writing here cannot fail.
#pragma once
#include <endian.h>
#include <libpq-fe.h>
#include <stdint.h>
#include <string.h>

// From pg_type.dat; a built-in type's number never changes.
enum {
    PG_OID_BOOL = 16,
    PG_OID_BYTEA = 17,
    PG_OID_NAME = 19,
    PG_OID_INT8 = 20,
    PG_OID_INT2 = 21,
    PG_OID_INT4 = 23,
    PG_OID_TEXT = 25,
    PG_OID_OID = 26,
    PG_OID_JSON = 114,
    PG_OID_FLOAT4 = 700,
    PG_OID_FLOAT8 = 701,
    PG_OID_BOOL_ARRAY = 1000,
    PG_OID_BYTEA_ARRAY = 1001,
    PG_OID_INT4_ARRAY = 1007,
    PG_OID_TEXT_ARRAY = 1009,
    PG_OID_INT8_ARRAY = 1016,
    PG_OID_BPCHAR = 1042,
    PG_OID_VARCHAR = 1043,
    PG_OID_TIMESTAMPTZ = 1184,
    PG_OID_TIMESTAMPTZ_ARRAY = 1185,
    PG_OID_UUID = 2950,
    PG_OID_UUID_ARRAY = 2951,
};

// PostgreSQL counts microseconds from 2000-01-01, Unix from 1970-01-01.
#define PG_EPOCH_US INT64_C(946684800000000)

static inline void pg_put_be32(void *out, uint32_t value)
{
    value = htobe32(value);
    memcpy(out, &value, sizeof value);
}

static inline void pg_put_be64(void *out, uint64_t value)
{
    value = htobe64(value);
    memcpy(out, &value, sizeof value);
}

static inline uint32_t pg_be32(const void *in)
{
    uint32_t value;
    memcpy(&value, in, sizeof value);
    return be32toh(value);
}

static inline uint64_t pg_be64(const void *in)
{
    uint64_t value;
    memcpy(&value, in, sizeof value);
    return be64toh(value);
}

// Takes the PGresult over.
struct pg_result *pg_result_create(PGresult *rows);
// Borrowed.
const PGresult *pg_result_rows(const struct pg_result *result);
