// fill.h - one generation of a projection, filled from the streams beside the live one: what a
// rebuild, the way back to a kept generation and a verification share.
//
// It has books of its own, as the consumer "<name>@<number>", so that it goes on where it was,
// however it was ended. The operator's roles do it: the operator of PostgreSQL writes the
// generation, the operator of the bus reads the streams, and operator_rpc asks for persons' keys.
//
// Ownership: borrows the options; fill_close releases the rest, also after a failure.
// Threads:   one at a time; of one projection one fill at a time, held by a lock of its session.
// Errors:    PostgreSQL's and NATS's; ABORTED when another one is at work on the projection;
//            CANCELLED when options->cancelled became true.
#pragma once
#include <signal.h>

#include "base/access.h"
#include "base/settings.h"
#include "inbox/inbox.h"
#include "inbox/keys_rpc.h"
#include "projections/generation.h"

struct fill_progress {
    int32_t generation;
    int64_t applied;
    int64_t all; // events of all streams when they were last asked; -1: not known yet
};

struct fill_options {
    const struct settings *settings;
    const struct projection *projection;
    void (*progress)(void *context, const struct fill_progress *progress); // may be NULL
    void *context;
    const volatile sig_atomic_t *cancelled; // NULL: never
    bool from_outbox; // what the live one has applied already is read from the outboxes
};

struct fill {
    const struct fill_options *options;
    const struct inbox_consumer *consumer;
    struct generation before; // as it was when the lock was taken
    struct generation_others others;
    int32_t number;
    char name[128], durable[128], url[ACCESS_URL_BYTES];
    bool is_bounded;
    bool reads_outboxes; // only where each `until` is published
    char outbox_urls[INBOX_SOURCES_MAX][ACCESS_URL_BYTES];
    const char *outboxes[INBOX_SOURCES_MAX]; // the same
    int64_t until[INBOX_SOURCES_MAX];        // the last position of each source that is applied
    struct pg *pg;
    struct bus_connection *streams, *services;
    struct process_token *token;
    struct keys_rpc keys;
    struct inbox *inbox; // NULL: not at work
};

// Connects, takes the projection's lock, and reads which generations there are.
MUST_CHECK enum nova_status fill_open(struct fill *fill, const struct fill_options *options,
                                      struct error *err);
void fill_close(struct fill *fill);

// Which generation is meant from here on.
void fill_choose(struct fill *fill, int32_t number);
// The number that a new one gets: of no other that there is.
int32_t fill_next_number(const struct fill *fill);

// Sets the bounds to where the live consumer is, by that session's eyes.
MUST_CHECK enum nova_status fill_read_vector(struct fill *fill, struct pg *pg, struct error *err);

// Begins to apply the streams to it; with is_bounded, as far as `until` says, and then also from
// the outboxes. fill_pause lets a batch under way end.
MUST_CHECK enum nova_status fill_begin(struct fill *fill, struct error *err);
void fill_pause(struct fill *fill);
// One tick; *caught_up: nothing was pending in any stream a moment ago, or each bound was reached.
MUST_CHECK enum nova_status fill_tick(bool *caught_up, struct fill *fill, struct error *err);
MUST_CHECK enum nova_status fill_catch_up(struct fill *fill, struct error *err);
void fill_sleep_ms(int64_t ms);

// Runs SQL whose %s (two at most) are the consumer's schema, with $1 the fill's name and $2 the
// consumer's.
MUST_CHECK enum nova_status fill_books(struct fill *fill, const char *format, struct error *err);
// Runs the step in a transaction, which is rolled back if it fails.
MUST_CHECK enum nova_status
fill_transact(struct fill *fill, enum nova_status (*step)(struct fill *fill, struct error *err),
              struct error *err);

// Steps for fill_transact: the books of the chosen generation go; it goes whole.
MUST_CHECK enum nova_status fill_forget_books(struct fill *fill, struct error *err);
MUST_CHECK enum nova_status fill_drop(struct fill *fill, struct error *err);
// The streams need not remember a reader that is done.
void fill_forget_durables(struct fill *fill);
