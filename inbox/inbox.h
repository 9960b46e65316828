// inbox.h - one consumer at work: the lease that makes it the only one, and a thread for each of
// its sources.
//
//   STANDBY --lease taken--> ACTIVE --lease lost, or a thread found itself fenced--> STANDBY
//
// A process that was stopped and woken finds its lease taken; until it notices, every transaction
// of its threads names an epoch that is no longer the lease's, and changes nothing.
//
// Ownership: copies its options; borrows what they point to.
// Threads:   inbox_tick and inbox_status on one thread; the sources' threads are the inbox's own.
// Errors:    inbox_tick fails for good only when a source carries another log than the checkpoint
//            (FAILED_PRECONDITION). PostgreSQL or NATS being away is waited for.
// Bounds:    those of worker.h.
#pragma once
#include "inbox/worker.h"

struct inbox_options {
    struct worker_options worker; // without source, epoch and stop, which the inbox sets
    const char *owner_name;       // "host:pid", for people
};

struct inbox_status {
    bool active;
    int64_t epoch;
    size_t source_count;
    struct worker_status sources[INBOX_SOURCES_MAX];
    int64_t pending; // of all sources; -1: not known
    bool failing;
    bool is_alive;       // every thread did something not long ago
    const char *trouble; // the first source's that has any; "": none
};

struct inbox;

struct inbox *inbox_create(const struct inbox_options *options);
// Lets batches under way end, and gives the lease back.
void inbox_destroy(struct inbox **inbox);

// Call several times in lease_ms: takes, renews, notices the loss of the lease.
MUST_CHECK enum nova_status inbox_tick(struct inbox *inbox, struct error *err);
void inbox_status(struct inbox_status *out, struct inbox *inbox);
