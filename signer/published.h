// published.h - the checkpoints that left the house: the stream NOVA_AUDIT, a subject for each
// service.
//
// It is the memory of what was shown to others. A database that is restored forgets what it signed;
// this stream does not, so the signer asks it before it signs.
//
// Ownership: borrows the connection's JetStream. What is read lives in the arena given.
// Threads:   one at a time.
// Errors:    transient ones, and DATA_LOSS: the last message is no checkpoint of this log's key.
//            ABORTED (transient): somebody else published meanwhile; ask for the last one again.
#pragma once
#include <nats/nats.h>

#include "audit/checkpoint.h"

struct published {
    uint64_t sequence; // of the last message; 0: none was ever published
    const char *note;
    struct checkpoint_opened opened;
};

// Makes the stream if it is not there.
MUST_CHECK enum nova_status published_make(jsCtx *js, struct error *err);

// The last one of a service, whatever its log id.
MUST_CHECK enum nova_status published_last(struct published *out, jsCtx *js, const char *service,
                                           const struct checkpoint_policy *policy,
                                           struct arena *arena, struct error *err);

// The same for who may not ask as the signer may (an auditor): by a direct get.
MUST_CHECK enum nova_status published_look(struct published *out, jsCtx *js, const char *service,
                                           const struct checkpoint_policy *policy,
                                           struct arena *arena, struct error *err);

// Publishes one behind message *sequence of its subject, and moves that on once it is stored.
MUST_CHECK enum nova_status published_add(uint64_t *sequence, jsCtx *js, const char *service,
                                          const char *note, struct error *err);
