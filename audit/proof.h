// proof.h - a proof as a file that is checked without database or bus: JSON,
// docs/verifiable-log.md.
//
//   inclusion    {"format": "nova-log-proof/v1", "kind": "inclusion", "leaf": base64,
//                 "hashes": [base64, ...], "checkpoint": note}
//   consistency  {"format": "nova-log-proof/v1", "kind": "consistency", "old_checkpoint": note,
//                 "hashes": [...], "checkpoint": note}
//
// Which leaf it is stands in the leaf (n), in which log in the checkpoint: nothing is said twice,
// so nothing can disagree. The log's key comes from whoever checks, never from the file.
//
// Ownership: results lie in the arena given.
// Threads:   pure; safe from any thread.
// Errors:    INVALID_ARGUMENT: no such file. UNAUTHENTICATED: a checkpoint is not this log's.
//            DATA_LOSS: it does not prove what it says.
// Bounds:    PROOF_BYTES_MAX.
#pragma once
#include "audit/checkpoint.h"
#include "audit/leaf_read.h"

enum { PROOF_BYTES_MAX = 4 * 1024 * 1024 }; // one event of at most 1 MB, in base64, and two notes

enum proof_kind { PROOF_INCLUSION, PROOF_CONSISTENCY };

struct proof_checked {
    enum proof_kind kind;
    struct checkpoint_opened checkpoint;
    struct checkpoint_opened old; // of a consistency proof
    struct leaf_v1 leaf;          // of an inclusion proof
};

// The files' texts. `note` and `old_note` are NUL-terminated.
char *proof_inclusion_text(struct arena *arena, struct bytes leaf, const struct merkle_proof *proof,
                           const char *note);
char *proof_consistency_text(struct arena *arena, const char *old_note,
                             const struct merkle_proof *proof, const char *note);

// Any bytes.
MUST_CHECK enum nova_status proof_check(struct proof_checked *out, struct arena *arena,
                                        const char *text, size_t len,
                                        const struct checkpoint_policy *policy, struct error *err);

// The hashes of a proof's file alone, unchecked: for who has the checkpoints from elsewhere.
MUST_CHECK enum nova_status proof_hashes(struct merkle_proof *out, const char *text, size_t len,
                                         struct error *err);
