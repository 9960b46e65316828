// books.h - a consumer's own rows: how far it is, who may write, what is parked.
//
// A consumer in a rebuild keeps books of its own under "<name>@<generation>".
//
// Ownership: borrows pg and the names.
// Threads:   one at a time per books; each thread has its own, with a connection of its own.
// Errors:    PostgreSQL's. FAILED_PRECONDITION: the projection was never installed.
// Bounds:    one range of all partitions.
#pragma once
#include "inbox/consumer.h"
#include "inbox/decode.h"

enum { BOOKS_NAME_BYTES = 96 };

// Holds the consumer $1 of the schema %s until the transaction ends: none of its sources writes
// meanwhile. A batch takes it first, and a rebuild before it switches.
#define BOOKS_HOLD_SQL                                                                             \
    "SELECT FROM %s.checkpoint WHERE consumer = $1 ORDER BY source, partition_from FOR UPDATE"

struct books;

struct books_options {
    struct pg *pg;
    const char *service;
    const char *name;       // "communication/message_sender_cache", or with "@2" behind it
    const char *projection; // NULL: a reactor
    int32_t generation;     // of a rebuild; 0: the live one
};

struct books *books_create(const struct books_options *options);
void books_destroy(struct books **books);

// Once a session that writes batches, before any. A stopped process must not hold its row locks for
// ever, or nobody could take over: one that idles in a transaction is ended. And what a batch sends
// without waiting may write only behind a BEGIN that was carried out: outside of books_begin's
// transaction the session can only read. (The lease is another session's.)
MUST_CHECK enum nova_status books_ready_session(struct books *books, int64_t lease_ms,
                                                struct error *err);

// ---- the lease ----------------------------------------------------------------------------------

// Takes the lease if it is free or has run out. *epoch is 0 when it is another's.
MUST_CHECK enum nova_status books_lease_take(int64_t *epoch, struct books *books,
                                             const struct uuid *owner, const char *owner_name,
                                             int64_t lease_ms, struct error *err);
// *held: it is still ours, and was prolonged.
MUST_CHECK enum nova_status books_lease_renew(bool *held, struct books *books,
                                              const struct uuid *owner, int64_t epoch,
                                              int64_t lease_ms, struct error *err);
// Lets the next one begin at once.
MUST_CHECK enum nova_status books_lease_release(struct books *books, const struct uuid *owner,
                                                int64_t epoch, struct error *err);

// ---- the checkpoint -----------------------------------------------------------------------------

// Reads the checkpoint, making it at the first start.
MUST_CHECK enum nova_status books_load(struct inbox_checkpoint *checkpoint, int32_t *generation,
                                       struct books *books, const char *source, struct error *err);

// The aggregates that have dead letters: at most INBOX_PARKED_MAX + 1 of them; *events counts all
// parked events.
MUST_CHECK enum nova_status books_parked(struct uuid parked[INBOX_PARKED_MAX + 1], uint32_t *count,
                                         int64_t *events, struct books *books, const char *source,
                                         struct error *err);

// The transaction of a batch, in one wait: books_begin sends BEGIN, the consumer's lock, and the
// checkpoint's move, and waits for nothing (pg_defer_begin); what follows is deferred too, unless
// it wants rows. Everything behind a move that found no row fails. Only from here on may the read
// model be touched. Always ended by books_end.
void books_begin(struct books *books, const char *source, int32_t generation, int64_t epoch,
                 const struct inbox_checkpoint *from, const struct inbox_checkpoint *up);
// Sends COMMIT and does not wait either: until books_end there is time for something else.
void books_commit(struct books *books);
// Waits for the answers, and rolls back what was not committed. *outcome, INBOX_DONE if
// books_commit was called, then says what became of it: INBOX_MOVED or INBOX_FENCED when the move
// found no row, else INBOX_PERMANENT or INBOX_TRANSIENT when a statement failed: permanent only one
// of the handler's, which are those from handler_from to handler_to (pg_defer_count). *err is that
// statement's failure, and otherwise as it was.
void books_end(enum inbox_outcome *outcome, struct books *books, int64_t epoch, size_t handler_from,
               size_t handler_to, struct error *err);

// Parks an event, in that transaction.
MUST_CHECK enum nova_status books_park(struct books *books, const char *source,
                                       const struct decoded *decoded, const char *why,
                                       int32_t attempts, struct error *err);

// Drops the projection's generations that are neither live nor being built, in that transaction.
// Transient while a session holds one of them.
MUST_CHECK enum nova_status books_forget_former(struct books *books, struct error *err);
