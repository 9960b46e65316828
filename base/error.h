// error.h - the one error type: what failed, where, and what kind of failure it is.
//
// Ownership: a struct error is plain memory of the caller; nothing in it is allocated.
// Threads:   one at a time per struct error.
// Errors:    a status is one of the gRPC numbers (grpc/status.h), so that one code space serves
//            the bus, gRPC and exit texts. Only what data, network or people cause is returned;
//            what only our own bug can cause is an assert, which stays in release builds.
// Bounds:    texts longer than ERROR_TEXT_BYTES_MAX are cut, never overrun.
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))

// name, gRPC number
#define NOVA_STATUS_LIST(X)                                                                        \
    X(OK, 0)                                                                                       \
    X(CANCELLED, 1)                                                                                \
    X(UNKNOWN, 2)                                                                                  \
    X(INVALID_ARGUMENT, 3)                                                                         \
    X(DEADLINE_EXCEEDED, 4)                                                                        \
    X(NOT_FOUND, 5)                                                                                \
    X(ALREADY_EXISTS, 6)                                                                           \
    X(PERMISSION_DENIED, 7)                                                                        \
    X(RESOURCE_EXHAUSTED, 8)                                                                       \
    X(FAILED_PRECONDITION, 9)                                                                      \
    X(ABORTED, 10)                                                                                 \
    X(OUT_OF_RANGE, 11)                                                                            \
    X(UNIMPLEMENTED, 12)                                                                           \
    X(INTERNAL, 13)                                                                                \
    X(UNAVAILABLE, 14)                                                                             \
    X(DATA_LOSS, 15)                                                                               \
    X(UNAUTHENTICATED, 16)

enum nova_status {
#define X(name, number) NOVA_##name = number,
    NOVA_STATUS_LIST(X)
#undef X
};

enum { ERROR_TEXT_BYTES_MAX = 1024 };

struct error {
    enum nova_status status;
    bool transient; // true: the same attempt may succeed later (connection, disk full, deadlock)
    char text[ERROR_TEXT_BYTES_MAX]; // "publishing to NOVA_IDENTITY: no answer within 5 s"
};

// Fills *err (NULL: only the status is returned) and returns status, so that
// `return error_set(err, NOVA_NOT_FOUND, "no user %s", id);` is one line.
enum nova_status error_set(struct error *err, enum nova_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// The same for a failure that may pass by itself: sets err->transient.
enum nova_status error_set_transient(struct error *err, enum nova_status status, const char *format,
                                     ...) __attribute__((format(printf, 3, 4)));

// Puts "what: " before the text of *err and returns its status. Each level says what it was doing.
enum nova_status error_while(struct error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// "NOT_FOUND" for NOVA_NOT_FOUND; "UNKNOWN" for a number outside the list. Static memory.
const char *nova_status_name(enum nova_status status);
