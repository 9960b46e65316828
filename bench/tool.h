// tool.h - what every program of bench/ needs: arguments, connections, a clock, one line of result.
//
// A program is started by bench.py with the home in its environment, does one thing, prints one
// JSON object and ends. Whatever goes wrong ends it with a line on stderr: a figure is there or it
// is not.
//
// Ownership: connections belong to the caller.
// Threads:   connections may be made by any thread after tool_start.
// Errors:    end the program with exit code 1.
#pragma once
#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>
#include <nats/nats.h>

#include "base/settings.h"
#include "bus/connection.h"
#include "pg/pg.h"

// Reads arguments and settings. Every argument is "--name value".
void tool_start(int argc, char **argv);
void tool_end(void);

int64_t tool_int(const char *name, int64_t otherwise); // "--events"
const char *tool_text(const char *name);               // NULL: not given
const struct settings *tool_settings(void);

_Noreturn void tool_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Ends the program unless the status is good.
void tool_must(enum nova_status status, const struct error *err);
void tool_must_nats(natsStatus status, const char *what);

// As one of the service's roles ("content_service"), or as the superuser (ACCESS_SUPERUSER).
PGconn *tool_libpq(const char *service, const char *role);
struct pg *tool_pg(const char *service, const char *role);
// A statement whose rows do not matter; and one with rows.
void tool_sql(PGconn *connection, const char *sql);
PGresult *tool_rows(PGresult *result);
// Writes all bytes into a COPY that was begun, and ends it.
void tool_copy_in(PGconn *connection, const char *bytes, size_t len);

// nats.c as it comes, without Nova's layer above it. `asap`: a message is written at once, which
// one that somebody waits for wants and bulk does not.
natsConnection *tool_nats(const char *user, bool asap);
struct bus_connection *tool_bus(const char *user);

double tool_now_s(void); // monotonic
// Room for as many measurements, all 0; to be freed.
double *tool_doubles(int64_t count);
// Sorts; p in 0..1. 0 of none.
double tool_percentile(double *values, size_t count, double p);
