// pg.h - PostgreSQL as Nova uses it: binary, prepared once per connection, pipelined.
//
// A statement is named by its SQL text: the first use on a connection prepares it, later ones only
// send parameters. Results are binary; getters assert the column's type, since a wrong one is our
// bug. Times are Unix microseconds (UTC).
//
// Ownership: results belong to the caller (pg_result_destroy); what getters return lives as long as
//            the result. Parameters borrow what they point to until the call returns.
// Threads:   one at a time per struct pg.
// Errors:    SQLSTATE decides. Transient (err->transient): classes 08, 40, 53, 57, 58, 55P03, 25006
//            (read-only) and a lost connection, as UNAVAILABLE, or ABORTED for class 40; a prepared
//            statement whose plan PostgreSQL dropped, too. 23505 is ALREADY_EXISTS,
//            other class 23 FAILED_PRECONDITION, 42501 PERMISSION_DENIED, class 22
//            INVALID_ARGUMENT, else INTERNAL. The text holds PostgreSQL's message, never a
//            parameter. pg_failed_* tell the details of the last failure. After a lost connection
//            every call fails as transient until pg_reconnect succeeds.
//            COMMIT of a transaction that had failed is ABORTED, not the success PostgreSQL says.
// Bounds:    PG_PARAMS_MAX parameters a statement, PG_PARAM_BYTES_MAX each, PG_PIPELINE_MAX
//            statements a pipeline, PG_STATEMENTS_MAX prepared per connection; what is beyond
//            those runs unprepared.
#pragma once
#include "base/arena.h"
#include "base/error.h"
#include "base/event.h"
#include "base/limits.h"

enum {
    PG_PARAMS_MAX = 32,
    PG_PARAM_BYTES_MAX = ARENA_ALLOC_BYTES_MAX, // a batch's array; far below PostgreSQL's 1 GiB
};

struct pg;
struct pg_result;

// Connects to `url` (a libpq URL or key=value text) as application_name `application`, with
// client_encoding UTF8, TimeZone UTC, and keepalives; gives up after connect_timeout (5 s unless
// the URL says).
MUST_CHECK enum nova_status pg_connect(struct pg **out, const char *url, const char *application,
                                       struct error *err);
void pg_destroy(struct pg **pg);
MUST_CHECK enum nova_status pg_reconnect(struct pg *pg, struct error *err);
bool pg_is_connected(const struct pg *pg);
// Before work begins: connects again when the connection is lost, also when the server ended it
// since the last call (it was restarted, it ended the session). Asks nothing of the server.
MUST_CHECK enum nova_status pg_ensure_connected(struct pg *pg, struct error *err);
// The connection's socket, to wait on beside others; -1 when not connected.
int pg_socket(const struct pg *pg);

// SQLSTATE ("23505") and constraint name ("outbox_command_id") of the last failed call; "" if none.
const char *pg_failed_state(const struct pg *pg);
const char *pg_failed_constraint(const struct pg *pg);

// One parameter. The type goes with it, so that the server need not guess.
struct pg_param {
    uint32_t type;    // an OID of PostgreSQL's catalogue
    const void *data; // NULL: SQL NULL
    int len;
    uint8_t inline_bytes[16]; // holds small values, data then is NULL and len > 0
};
struct pg_param pg_null(void);
struct pg_param pg_text(const char *text); // NULL: SQL NULL
struct pg_param pg_int4(int32_t value);
struct pg_param pg_int8(int64_t value);
struct pg_param pg_bool(bool value);
struct pg_param pg_float8(double value);
struct pg_param pg_uuid(const struct uuid *id); // NULL: SQL NULL
struct pg_param pg_bytea(struct bytes bytes);   // data NULL: SQL NULL; of no bytes: data not NULL
struct pg_param pg_time_us(int64_t unix_us);
// Arrays for unnest() and = ANY(): built in the arena, which must outlive the call.
struct pg_param pg_int4_array(struct arena *arena, const int32_t *values, size_t count);
struct pg_param pg_int8_array(struct arena *arena, const int64_t *values, size_t count);
struct pg_param pg_bool_array(struct arena *arena, const bool *values, size_t count);
struct pg_param pg_uuid_array(struct arena *arena, const struct uuid *ids, size_t count);
struct pg_param pg_text_array(struct arena *arena, const char *const *texts,
                              size_t count); // NULL elements: SQL NULL
struct pg_param pg_bytea_array(struct arena *arena, const struct bytes *bytes,
                               size_t count); // data NULL: SQL NULL
struct pg_param pg_time_us_array(struct arena *arena, const int64_t *unix_us, size_t count);

// Runs SQL without parameters, several statements allowed (simple protocol; migrations, BEGIN).
MUST_CHECK enum nova_status pg_exec(struct pg *pg, const char *sql, struct error *err);

// Runs one prepared statement. out may be NULL when the rows do not matter; after a failure *out
// is NULL.
MUST_CHECK enum nova_status pg_query(struct pg_result **out, struct pg *pg, const char *sql,
                                     const struct pg_param *params, size_t param_count,
                                     struct error *err);

// A pipeline: statements are queued and sent together, results come in order. If one fails, those
// behind it up to the sync are not carried out, and pg_pipeline_end reports the first failure.
//   pg_pipeline_begin(pg); pg_pipeline_add(...); pg_pipeline_add(...); pg_pipeline_end(results, n,
//   pg, err);
// Errors in add (too many parameters: an assert; connection lost) are kept and reported by end.
void pg_pipeline_begin(struct pg *pg);
void pg_pipeline_add(struct pg *pg, const char *sql, const struct pg_param *params,
                     size_t param_count);
// Sends, waits for all, fills results[0..n) (n = the statements added, at least one; each to be
// destroyed; NULL where that statement did not run). *failed_at (may be NULL) is the index of the
// first failure. Transactions inside a pipeline are explicit statements: "BEGIN", ..., "COMMIT";
// after a failure the transaction is rolled back before the function returns (pg_query leaves that
// to the caller).
MUST_CHECK enum nova_status pg_pipeline_end(struct pg_result **results, size_t n, size_t *failed_at,
                                            struct pg *pg, struct error *err);

// Statements whose rows do not matter need not be waited for one by one. From pg_defer_begin on a
// pg_query without rows (out NULL) sends its statement and answers NOVA_OK at once. Each is still
// followed by its own sync, so that the server sees what it sees without deferring: its time-outs
// between statements hold, and a statement runs although one before it failed. So defer only what
// does nothing outside the transaction that it expects. A pg_query with rows and pg_exec wait for
// all that is on its way first, and run nothing when one of it had failed. No pipeline meanwhile.
void pg_defer_begin(struct pg *pg);
// How many statements were deferred since then, those with rows included.
size_t pg_defer_count(const struct pg *pg);
// Waits for all and ends deferring: the first failure since pg_defer_begin, also one that a call
// with rows has reported before. *failed_at (may be NULL) counts from 0. A failed transaction is
// left to pg_rollback.
MUST_CHECK enum nova_status pg_defer_end(size_t *failed_at, struct pg *pg, struct error *err);

// Rolls back an open transaction, if any. Safe on a lost connection.
void pg_rollback(struct pg *pg);

// Getters assert that the value is there, but for text and bytea: NULL then (pg_get_time_us gives
// INT64_MAX for infinity).
void pg_result_destroy(struct pg_result **result);   // takes NULL, sets NULL
size_t pg_rows(const struct pg_result *result);      // 0 for NULL
int64_t pg_affected(const struct pg_result *result); // rows of INSERT, UPDATE, DELETE
bool pg_is_null(const struct pg_result *result, size_t row, int column);
int32_t pg_get_int4(const struct pg_result *result, size_t row, int column);
int64_t pg_get_int8(const struct pg_result *result, size_t row, int column);  // int4 too
double pg_get_float8(const struct pg_result *result, size_t row, int column); // float4 too
bool pg_get_bool(const struct pg_result *result, size_t row, int column);
struct uuid pg_get_uuid(const struct pg_result *result, size_t row, int column);
struct bytes pg_get_bytea(const struct pg_result *result, size_t row, int column);
const char *pg_get_text(const struct pg_result *result, size_t row,
                        int column); // text, varchar, name
int64_t pg_get_time_us(const struct pg_result *result, size_t row, int column); // timestamptz
// text[] and uuid[]: element count and elements, allocated in the arena.
size_t pg_get_text_array(const char *const **out, struct arena *arena,
                         const struct pg_result *result, size_t row, int column);
size_t pg_get_uuid_array(const struct uuid **out, struct arena *arena,
                         const struct pg_result *result, size_t row, int column);
