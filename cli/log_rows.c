// log_rows.c - see log_rows.h.
#include "cli/log_rows.h"

#include "cli/client.h"

enum nova_status log_connect(struct pg **out, const struct settings *settings, const char *service,
                             struct error *err)
{
    return client_postgres(out, settings, service, "auditor", "nova log", err);
}

struct event log_row_event(const struct pg_result *rows, size_t row)
{
    return event_row_of(rows, row);
}

const char *log_row_traceparent(const struct pg_result *rows, size_t row)
{
    return event_row_traceparent(rows, row);
}
