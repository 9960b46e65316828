// log_messages.h - a stream's messages in order, as who may only ask for one at a time (an
// auditor).
//
// LOG_WINDOW_MAX questions are on their way, so that the way costs once and not for each message.
//
// Ownership: borrows the connection. A message lives until the next call.
// Threads:   one at a time.
// Errors:    UNAVAILABLE (transient): the server does not answer.
#pragma once
#include "base/event.h"
#include "bus/connection.h"

struct log_messages;

// Waits up to wait_ms until the stream has `wanted` messages; *last is what it has then.
MUST_CHECK enum nova_status log_messages_open(struct log_messages **out,
                                              struct bus_connection *connection, const char *stream,
                                              uint64_t wanted, int64_t wait_ms, uint64_t *last,
                                              struct error *err);
void log_messages_close(struct log_messages **messages);

// The next one's body, from the first message on, up to the last of those that were wanted; data
// NULL: the server has none of that number.
MUST_CHECK enum nova_status log_messages_next(struct bytes *out, struct log_messages *messages,
                                              struct error *err);
