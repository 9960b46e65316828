// rederive.h - identity's inline tables from events that a recovery takes back: accounts, their
// names, sessions, the erasure of who was deleted, and the security audit log of what was an event.
//
// What the log does not hold stays lost: password hashes always, and e-mail address and handle
// where the person's key is gone, so that the sealed part does not open.
//
// Ownership: borrows settings' master key; copies nothing.
// Threads:   one at a time.
// Errors:    PostgreSQL's.
#pragma once
#include "base/event.h"
#include "base/seal.h"
#include "pg/pg.h"

enum { REDERIVE_NAMES_MAX = 20 };

struct rederived_list {
    int64_t count;
    struct uuid named[REDERIVE_NAMES_MAX]; // the first ones
};

struct rederive {
    const struct seal_key *master;
    int64_t reuse_days;                     // identity.name_reuse_days
    struct rederived_list without_password; // accounts that are back, but not their password
    struct rederived_list without_account;  // whose names do not open: nobody can log in as them
    struct rederived_list renamed_unknown;  // whose newer names do not open: the older ones stay
    int64_t renamed, deleted, sessions;
};

// One event, in the order of the log, in the caller's transaction.
MUST_CHECK enum nova_status rederive_event(struct rederive *rederive, struct pg *pg,
                                           const struct event *event, struct arena *arena,
                                           struct error *err);
