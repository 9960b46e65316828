// log_rows.h - rows of an outbox as events, for whoever reads them as the auditor.
//
// Ownership: an event borrows the result it was taken from.
// Errors:    PostgreSQL's, with the service's name.
#pragma once
#include "base/settings.h"
#include "pg/event_row.h"

#define LOG_COLUMNS EVENT_ROW_COLUMNS

MUST_CHECK enum nova_status log_connect(struct pg **out, const struct settings *settings,
                                        const char *service, struct error *err);

// Of a row that begins with LOG_COLUMNS. n is not among them: 0.
struct event log_row_event(const struct pg_result *rows, size_t row);
const char *log_row_traceparent(const struct pg_result *rows, size_t row); // NULL: none
