// log_event.h - an event of the log as people and programs read it: JSON with its payload decoded.
//
// What is sealed in a payload is opened for whoever has the service's role and master key at hand
// (the operator on the machine); else it reads "<sealed>", and "<erased>" once its key is gone.
//
// Ownership: json_t belongs to the caller. A log_keys borrows the settings.
// Threads:   one at a time per struct log_keys.
// Bounds:    LOG_EVENTS_MAX events at once.
#pragma once
#include <jansson.h>

#include "base/arena.h"
#include "base/event.h"
#include "base/settings.h"

struct log_keys;

// `open` false: everything stays sealed.
struct log_keys *log_keys_create(const struct settings *settings, bool open);
void log_keys_destroy(struct log_keys **keys);

// Events of one service, as one JSON object each in out[0..count).
MUST_CHECK enum nova_status log_events_json(json_t **out, struct log_keys *keys,
                                            const char *service, const struct event *events,
                                            const char *const *traceparents, size_t count,
                                            struct error *err);

// How events are printed: `format` of one process does not change.
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON, LOG_FORMAT_CSV };
void log_print_header(enum log_format format);
void log_print(const json_t *event, enum log_format format);
