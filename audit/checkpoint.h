// checkpoint.h - a log's head: size and root at one moment, as a signed note (C2SP
// tlog-checkpoint).
//
//   <origin>       which log: "<key name>/<log id>", one for each log id a service has had
//   <size>         events, decimal
//   <root>         base64 of the Merkle root
//
// Who checks knows the log's key and its witnesses' keys beforehand, from elsewhere (a policy), and
// believes nothing of a note that this log's key has not signed.
//
// Ownership: plain memory; texts lie in the arena given.
// Threads:   pure; safe from any thread.
// Errors:    INVALID_ARGUMENT: no checkpoint. UNAUTHENTICATED: not this log's. note.h's.
#pragma once
#include "audit/merkle.h"
#include "audit/note.h"
#include "base/uuid.h"

enum {
    CHECKPOINT_ORIGIN_BYTES = NOTE_NAME_BYTES + 1 + UUID_TEXT_BYTES,
    CHECKPOINT_WITNESSES_MAX = 16
};

struct checkpoint {
    char origin[CHECKPOINT_ORIGIN_BYTES];
    uint64_t size;
    struct merkle_hash root;
};

struct checkpoint_policy {
    struct note_key log;
    struct note_key witnesses[CHECKPOINT_WITNESSES_MAX];
    size_t witness_count;
    size_t required; // cosignatures of different witnesses
};

struct checkpoint_opened {
    struct checkpoint head;
    struct uuid log_id; // of the origin
    size_t cosigned;    // by how many of the policy's witnesses
    bool witnessed;     // cosigned >= required; with none required: nobody watches, so false
};

// The note's text, unsigned.
char *checkpoint_text(struct arena *arena, const struct checkpoint *checkpoint);
// Text and the log's own signature: a whole note.
char *checkpoint_sign(struct arena *arena, const struct checkpoint *checkpoint,
                      const struct note_signer *signer);
// "<key name>/<log id>" into out->origin.
void checkpoint_origin(struct checkpoint *out, const char *key_name, const struct uuid *log_id);

// Any bytes. A wrong cosignature of a witness of the policy refuses the note; those of others are
// not looked at.
MUST_CHECK enum nova_status checkpoint_open(struct checkpoint_opened *out, struct arena *arena,
                                            const char *note, size_t len,
                                            const struct checkpoint_policy *policy,
                                            struct error *err);
// The same note with this witness's cosignature behind its signatures.
MUST_CHECK enum nova_status checkpoint_cosign(char **out, struct arena *arena, const char *note,
                                              size_t len, const struct note_signer *witness,
                                              uint64_t time_s, struct error *err);
