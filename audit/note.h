// note.h - signed notes with Ed25519 (C2SP signed-note and tlog-cosignature), and their keys.
//
//   text, ending in a line feed
//                                          <- an empty line, the last one of the note
//   — <key name> base64(key id, signature)  <- one or more
//
// A key id is SHA-256(name, LF, type, public key) cut to four bytes. A verifier key is written
// "<name>+<id in hex>+base64(type, public key)"; a signing key has "PRIVATE+KEY+" before it and the
// seed instead of the public key, as golang.org/x/mod/sumdb/note writes them.
//
// Ownership: a parsed note borrows its text; what is made lies in the arena given.
// Threads:   pure but for randomness in note_signer_make; safe from any thread.
// Errors:    INVALID_ARGUMENT: it is no note, or no key. note_verify: UNAUTHENTICATED.
// Bounds:    NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX: more is refused.
#pragma once
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

enum {
    NOTE_BYTES_MAX = 256 * 1024, // some post-quantum signatures of others, which are not looked at
    NOTE_SIGNATURES_MAX = 64,
    NOTE_NAME_BYTES = 128, // with its NUL
    NOTE_KEY_BYTES = 32,
    NOTE_SECRET_BYTES = 64, // as libsodium keeps it: seed and public key
    NOTE_SIGNATURE_BYTES = 64,
    NOTE_COSIGNATURE_BYTES = 8 + NOTE_SIGNATURE_BYTES,
};

enum note_key_type {
    NOTE_KEY_LOG = 0x01,     // signs the text
    NOTE_KEY_WITNESS = 0x04, // signs the text and when: cosignature/v1
};

struct note_key {
    char name[NOTE_NAME_BYTES]; // printable ASCII without blank and plus
    enum note_key_type type;
    uint8_t public_key[NOTE_KEY_BYTES];
    uint32_t id;
};

struct note_signer {
    struct note_key key;
    uint8_t secret[NOTE_SECRET_BYTES];
};

struct note_signature {
    const char *name; // not terminated
    size_t name_len;
    uint32_t key_id;
    const uint8_t *bytes; // after the id
    size_t len;
};

struct note {
    const char *text; // with its last line feed, not terminated
    size_t text_len;
    struct note_signature signatures[NOTE_SIGNATURES_MAX];
    size_t count;
};

MUST_CHECK enum nova_status note_key_make(struct note_key *out, const char *name,
                                          enum note_key_type type,
                                          const uint8_t public_key[NOTE_KEY_BYTES],
                                          struct error *err);
MUST_CHECK enum nova_status note_key_parse(struct note_key *out, const char *text,
                                           struct error *err);
char *note_key_text(struct arena *arena, const struct note_key *key);

// A new key pair. Whoever holds a signer wipes it: note_signer_wipe.
MUST_CHECK enum nova_status note_signer_make(struct note_signer *out, const char *name,
                                             enum note_key_type type, struct error *err);
MUST_CHECK enum nova_status note_signer_parse(struct note_signer *out, const char *text,
                                              struct error *err);
char *note_signer_text(struct arena *arena, const struct note_signer *signer); // a secret
void note_signer_wipe(struct note_signer *signer);

// A signature line with its line feed. `time_s` (Unix seconds) counts for a witness's key only.
char *note_sign(struct arena *arena, const struct note_signer *signer, const char *text,
                size_t text_len, uint64_t time_s);

// `note` is any bytes.
MUST_CHECK enum nova_status note_parse(struct note *out, struct arena *arena, const char *note,
                                       size_t len, struct error *err);

// Has this key signed? UNAUTHENTICATED: it has not, or one of its signatures is wrong (then nothing
// of the note is to be believed). *time_s (may be NULL): the latest that a witness's key says.
MUST_CHECK enum nova_status note_verify(uint64_t *time_s, const struct note *note,
                                        const struct note_key *key, struct error *err);
