// log.h - one service's log before its signer: connection, settlement, tree, and what was signed.
//
// Ownership: borrows settings and JetStream; log_close frees the rest.
// Threads:   one at a time.
// Errors:    of log_step transient ones are to be tried again; DATA_LOSS: the tree is not one that
//            may be signed, which *trouble says to people; others are wrong rights or settings.
#pragma once
#include "audit/sign.h"
#include "base/settings.h"
#include "outbox-relay/outbox.h"
#include "outbox-relay/settle.h"
#include "signer/published.h"
#include "signer/tree.h"

struct signer_log {
    const char *service;
    const struct settings *settings;
    struct checkpoint_policy policy; // this log's key alone
    struct note_signer key;
    struct pg *pg;
    struct outbox outbox;
    struct settle settle;
    struct arena *arena;      // of one step
    struct arena *kept_arena; // of what was read when the tree was opened
    struct tree tree;
    bool is_locked, is_open, may_sign;
    bool at_end; // the tree holds all that is settled
    struct published published;
    struct tree_checkpoint kept; // the last one that is stored
    char trouble[ERROR_TEXT_BYTES_MAX];
};

MUST_CHECK enum nova_status signer_log_read_key(struct signer_log *log,
                                                const struct settings *settings,
                                                const char *service, struct error *err);
// Connects, or connects again.
MUST_CHECK enum nova_status signer_log_connect(struct signer_log *log, struct error *err);
void signer_log_close(struct signer_log *log);

// What was seen on an old connection proves nothing: everything is read again.
void signer_log_forget(struct signer_log *log);

// Adds what is settled, and signs and publishes when something is new. *busy: there is more.
MUST_CHECK enum nova_status signer_log_step(struct signer_log *log, jsCtx *js, bool *busy,
                                            struct error *err);
