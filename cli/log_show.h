// log_show.h - the two questions of `nova log show` that go beyond the event itself.
//
// Ownership: JSON belongs to the caller; the connections are borrowed.
// Errors:    PostgreSQL's.
#pragma once
#include <jansson.h>

#include "base/event.h"
#include "base/settings.h"
#include "pg/pg.h"

// Where the event stands: {"outbox": {...}, "stream": {...}, "consumers": [...]}. A bus that does
// not answer is said in "stream", and is no failure.
MUST_CHECK enum nova_status log_stands(json_t **out, const struct settings *settings, struct pg *pg,
                                       const char *service, struct event event, struct error *err);

// What led to it and followed from it: {"command": ID, "events": [{..., "effects": [...]}]}, all
// from the command on at which its chain of causes begins. "cut": there are more than were read.
MUST_CHECK enum nova_status log_tree(json_t **out, const struct settings *settings,
                                     const struct event *event, struct error *err);
