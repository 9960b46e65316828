// event_row.h - a row of an outbox as an event: one place that knows the columns.
//
// Ownership: an event borrows the result that it was taken from.
// Errors:    none; a column of another type is our bug and aborts (pg.h).
#pragma once
#include "base/event.h"
#include "pg/pg.h"

#define EVENT_ROW_COLUMNS                                                                          \
    "position, log_id, event_id, type, aggregate_type, aggregate_id, version, actor, command_id,"  \
    " correlation_id, causation_id, occurred_at, recorded_at, traceparent, payload"
// What a message of the stream holds beside them.
#define EVENT_ROW_EXTRA "command_index, command_digest"

// Of a row that begins with EVENT_ROW_COLUMNS. n is not among them: 0.
struct event event_row_of(const struct pg_result *rows, size_t row);
const char *event_row_traceparent(const struct pg_result *rows, size_t row); // NULL: none
// Of a row where EVENT_ROW_EXTRA follows.
int32_t event_row_command_index(const struct pg_result *rows, size_t row);
struct bytes event_row_command_digest(const struct pg_result *rows, size_t row);
