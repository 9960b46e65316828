// restored.h - what a restore leaves for the next `up`: two files in the home.
//
//     <home>/restoring   a restore began and has not ended: nothing is started here
//     <home>/restored    PostgreSQL's data is of a backup: before any service starts, each outbox
//     is
//                        marked so that nobody appends until its relay has compared it
//                        (docs/decisions/0009)
//
// Whoever restores PostgreSQL by other means makes the second one by hand.
#pragma once
#include "base/error.h"
#include "base/settings.h"

#define RESTORING_FILE "restoring"
#define RESTORED_FILE "restored"

// Before anything is started: FAILED_PRECONDITION when a restore has not ended.
MUST_CHECK enum nova_status restored_check(const struct settings *settings, struct error *err);

// Behind the migrations, before any process: marks the outboxes, then forgets that they must be.
// *count: of outboxes marked.
MUST_CHECK enum nova_status restored_mark(size_t *count, const struct settings *settings,
                                          struct error *err);
