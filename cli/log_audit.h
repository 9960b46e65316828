// log_audit.h - one service's log as an auditor has it before them: the outbox and its tree in
// PostgreSQL, and whom they believe.
//
// Ownership: log_audit_close frees what was opened, also after a failure.
// Errors:    PostgreSQL's; those of key files.
#pragma once
#include "audit/checkpoint.h"
#include "base/settings.h"
#include "signer/tree.h"

struct log_audit {
    const char *service;
    struct pg *pg;
    struct tree tree;
    struct checkpoint_policy policy;
    struct arena *arena;
    struct checkpoint_opened opened; // the checkpoint that was read last
};

// `key`: the file with the log's key; NULL: the home's own, credentials/log/<service>.pub.
MUST_CHECK enum nova_status log_audit_open(struct log_audit *out, const struct settings *settings,
                                           const char *service, const char *key, struct error *err);
void log_audit_close(struct log_audit *audit);

// The tree once more, if it was smaller when it was opened: the signer goes on meanwhile.
MUST_CHECK enum nova_status log_audit_reach(struct log_audit *audit, uint64_t size,
                                            struct error *err);

// A checkpoint's file, of this log as it is now.
MUST_CHECK enum nova_status log_audit_read(struct tree_checkpoint *out, struct log_audit *audit,
                                           const char *path, struct error *err);
// One that is stored, after its signature was checked; FAILED_PRECONDITION says that there is none.
MUST_CHECK enum nova_status log_audit_last(struct tree_checkpoint *out, struct log_audit *audit,
                                           struct error *err);
MUST_CHECK enum nova_status log_audit_from(struct tree_checkpoint *out, struct log_audit *audit,
                                           uint64_t size, struct arena *arena, struct error *err);

// The last one that was published on the bus; size 0: none, or of another log id.
MUST_CHECK enum nova_status log_audit_published(struct tree_checkpoint *out,
                                                struct log_audit *audit,
                                                const struct settings *settings, struct error *err);

// To the file, whole, or to stdout (NULL).
MUST_CHECK enum nova_status log_write_out(const char *path, const char *text, struct error *err);
