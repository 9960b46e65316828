// outbox.h - reads one service's outbox for its relay: preconditions, rows, lock holders, lease.
//
// Rows first, lock holders last, on one connection: settle.h says why.
//
// Ownership: borrows pg. A batch lives in the arena given.
// Threads:   one at a time.
// Errors:    as of pg.h; FAILED_PRECONDITION names what of the outbox breaks the gap rule.
#pragma once
#include "base/arena.h"
#include "bus/cloudevents.h"
#include "outbox-relay/relay_state.h"
#include "pg/pg.h"

struct outbox {
    const char *service;
    struct pg *pg;
    struct arena *sql; // the statements below live here
    const char *sql_rows, *sql_rows_to, *sql_holders, *sql_identities, *sql_count, *sql_head,
        *sql_lease, *sql_writers, *sql_end, *sql_admit;
};

struct outbox_row {
    struct event event; // n is not set
    struct cloudevents_extra extra;
};

struct outbox_batch {
    struct outbox_row *rows;
    size_t count;
};

// What tells an event of the stream from another one.
struct outbox_event {
    int64_t n, position;
    struct uuid event_id, log_id;
    bool same;
};

void outbox_open(struct outbox *out, const char *service, struct pg *pg);
void outbox_close(struct outbox *outbox);

// Everything that settlement relies on, each refused by its name.
MUST_CHECK enum nova_status outbox_check(struct outbox *outbox, struct error *err);

// Takes one look from the machine's cursor on: the rows that may be published now. Rows past what
// is settled are not in the batch. The machine moves.
MUST_CHECK enum nova_status outbox_look_at(struct outbox_batch *out, struct outbox *outbox,
                                           struct settle *settle, int32_t limit,
                                           struct arena *arena, struct error *err);

// Which of `events`, which the stream holds, the outbox holds as well: fills in `same` of each. One
// question for all of them.
MUST_CHECK enum nova_status outbox_compare(struct outbox_event *events, size_t count,
                                           struct outbox *outbox, struct arena *arena,
                                           struct error *err);

// How many events there are up to a position.
MUST_CHECK enum nova_status outbox_count(int64_t *count, struct outbox *outbox, int64_t position,
                                         struct error *err);

// The highest visible position; 0: there is none.
MUST_CHECK enum nova_status outbox_head(int64_t *position, struct outbox *outbox,
                                        struct error *err);

// Who takes the lease, for how long, and what it is doing, for people.
struct outbox_leaser {
    const struct uuid *owner;
    const char *owner_name;
    int64_t lease_ms;
    const char *phase, *why; // why may be NULL
    int64_t n, position;
};

struct outbox_leased {
    bool held;     // false: another relay has it, and nothing else is known
    bool paused;   // by an operator
    bool restored; // from a backup, and not compared with the stream yet: nobody may append
    int64_t epoch; // grows whenever the lease changes hands
};

// Takes or renews the lease, and tells what holds the relay.
MUST_CHECK enum nova_status outbox_lease(struct outbox_leased *out, struct outbox *outbox,
                                         const struct outbox_leaser *leaser, struct error *err);

// Lets the service of a restored outbox append again.
MUST_CHECK enum nova_status outbox_admit(struct outbox *outbox, struct error *err);

// Ends writers whose transaction is older than limit_ms; says so in the log. Returns how many.
MUST_CHECK enum nova_status outbox_end_stuck(int *ended, struct outbox *outbox, int64_t limit_ms,
                                             struct error *err);
