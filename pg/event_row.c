// event_row.c - see event_row.h.
#include "pg/event_row.h"

// In the order of EVENT_ROW_COLUMNS and EVENT_ROW_EXTRA.
enum column {
    POSITION,
    LOG_ID,
    EVENT_ID,
    TYPE,
    AGGREGATE_TYPE,
    AGGREGATE_ID,
    VERSION,
    ACTOR,
    COMMAND_ID,
    CORRELATION_ID,
    CAUSATION_ID,
    OCCURRED_AT,
    RECORDED_AT,
    TRACEPARENT,
    PAYLOAD,
    COMMAND_INDEX,
    COMMAND_DIGEST
};

struct event event_row_of(const struct pg_result *rows, size_t row)
{
    return (struct event){
        .position = pg_get_int8(rows, row, POSITION),
        .log_id = pg_get_uuid(rows, row, LOG_ID),
        .event_id = pg_get_uuid(rows, row, EVENT_ID),
        .type = pg_get_text(rows, row, TYPE),
        .aggregate_type = pg_get_text(rows, row, AGGREGATE_TYPE),
        .aggregate_id = pg_get_uuid(rows, row, AGGREGATE_ID),
        .version = pg_get_int8(rows, row, VERSION),
        .actor = pg_get_text(rows, row, ACTOR),
        .command_id = pg_get_uuid(rows, row, COMMAND_ID),
        .correlation_id = pg_get_uuid(rows, row, CORRELATION_ID),
        .causation_id = pg_get_uuid(rows, row, CAUSATION_ID),
        .occurred_at_us = pg_get_time_us(rows, row, OCCURRED_AT),
        .recorded_at_us = pg_get_time_us(rows, row, RECORDED_AT),
        .payload = pg_get_bytea(rows, row, PAYLOAD),
    };
}

const char *event_row_traceparent(const struct pg_result *rows, size_t row)
{
    return pg_get_text(rows, row, TRACEPARENT);
}

int32_t event_row_command_index(const struct pg_result *rows, size_t row)
{
    return pg_get_int4(rows, row, COMMAND_INDEX);
}

struct bytes event_row_command_digest(const struct pg_result *rows, size_t row)
{
    return pg_get_bytea(rows, row, COMMAND_DIGEST);
}
