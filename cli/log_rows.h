// log_rows.h - rows of an outbox as events, for whoever reads them as the auditor.
//
// Ownership: an event borrows the result it was taken from.
// Errors:    PostgreSQL's, with the service's name.
#pragma once
#include "base/event.h"
#include "base/settings.h"
#include "pg/pg.h"

#define LOG_COLUMNS                                                                                \
    "position, log_id, event_id, type, aggregate_type, aggregate_id, version, actor, command_id,"  \
    " correlation_id, causation_id, occurred_at, recorded_at, traceparent, payload"

MUST_CHECK enum nova_status log_connect(struct pg **out, const struct settings *settings,
                                        const char *service, struct error *err);

// Of a row that begins with LOG_COLUMNS. n is not among them: 0.
struct event log_row_event(const struct pg_result *rows, size_t row);
const char *log_row_traceparent(const struct pg_result *rows, size_t row); // NULL: none
