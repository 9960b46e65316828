// recover.h - brings an outbox and a stream together again after a restore, by an operator's word.
//
// A relay that finds its stream to know more than its outbox stops (relay_state.h). Here the
// stream's extra events are taken back (import), or kept in a file while the outbox goes on under a
// new log id (fork); recover_plan.h says which may be done, docs/recovery.md how it is used.
//
// Each step is one transaction or can be done again, and the relay is held meanwhile: a recovery
// that is killed is run again and completes.
//
// Ownership: borrows settings and the service's name.
// Threads:   one at a time.
// Errors:    of PostgreSQL and NATS; FAILED_PRECONDITION: refused, with the reason; ABORTED:
// another
//            recovery is at work; DEADLINE_EXCEEDED: no relay gave way, or none came.
// Bounds:    RECOVER_CHUNK messages in memory, of which each is at most the server's max_payload.
#pragma once
#include <limits.h>

#include "base/settings.h"
#include "outbox-relay/recover_plan.h"
#include "outbox-relay/stream.h"
#include "pg/pg.h"

enum { RECOVER_CHUNK = 256, RECOVER_NAMES_MAX = 20 };

struct recover;

// Connects as the superuser of the service's PostgreSQL and as the service's relay on the bus, and
// keeps any other recovery of this service out.
MUST_CHECK enum nova_status recover_open(struct recover **out, const struct settings *settings,
                                         const char *service, struct error *err);
void recover_close(struct recover **recover);

// The connection, for what a service keeps beside its outbox.
struct pg *recover_pg(struct recover *recover);

// Pauses the relay under the name of this recovery and waits until none is at work.
MUST_CHECK enum nova_status recover_hold(struct recover *recover, const char *way,
                                         struct error *err);
// Lets it work again, unless an operator had paused it. `ended`: the recovery is over.
MUST_CHECK enum nova_status recover_release(struct recover *recover, bool ended, struct error *err);

// Somebody to be told of each event that the outbox lacks, in the order of the stream, inside the
// transaction. Both may be NULL.
struct recover_visitor {
    enum nova_status (*visit)(void *context, struct pg *pg, const struct stream_message *message,
                              struct arena *arena, struct error *err);
    void *context;
};

// Compares all of the stream with all of the outbox; changes nothing.
MUST_CHECK enum nova_status recover_look(struct recover_state *out, struct recover *recover,
                                         const struct recover_visitor *visitor, struct error *err);

// Keys of persons that sealed events which were taken back, and that are nowhere any more.
struct recover_lost_keys {
    int64_t count;
    size_t named; // of those, at most RECOVER_NAMES_MAX
    struct {
        struct uuid key_id, aggregate_id;
        char aggregate_type[64];
    } at[RECOVER_NAMES_MAX];
};

// Takes the extra events back, with everything that follows from them, in one transaction, which
// also lets the relay and the service go on. `dry_run`: takes all of it back in the end.
MUST_CHECK enum nova_status recover_import(struct recover_state *out,
                                           struct recover_lost_keys *lost, struct recover *recover,
                                           const struct recover_visitor *visitor, bool dry_run,
                                           struct error *err);

// Writes the extra events into a file of the folder, one JSON object a line with the whole
// CloudEvent in base64; again, it writes the same.
MUST_CHECK enum nova_status recover_keep(char path[PATH_MAX], struct recover *recover,
                                         const struct recover_state *state, const char *folder,
                                         struct error *err);
// Begins a new log id, which every event of the outbox then carries.
MUST_CHECK enum nova_status recover_relog(struct uuid *log_id, struct recover *recover,
                                          const struct recover_state *state, struct error *err);
// Deletes the stream and makes an empty one, for the relay to fill.
MUST_CHECK enum nova_status recover_empty_stream(struct recover *recover, struct error *err);

// Waits until the relay follows and the stream holds what the outbox holds.
MUST_CHECK enum nova_status recover_wait_filled(struct recover *recover, struct error *err);
