// seal.h - personal data sealed per person: erasing the person's key erases the data everywhere.
//
// Two layers. A person key (one per person and service) seals what events hold of that person,
// with XChaCha20-Poly1305 (libsodium; draft-irtf-cfrg-xchacha). The service's master key wraps
// person keys the same way, so that a copy of the table alone opens nothing.
//
// Ownership: the caller owns every buffer. Keys are secrets: seal_key_forget them after use.
// Threads:   all functions are safe from any thread once seal_start returned.
// Errors:    NOVA_DATA_LOSS when a sealed text does not open: wrong key, or changed bytes. The two
//            cannot be told apart, and nothing of the text is released.
#pragma once
#include "base/error.h"
#include "base/event.h"

enum {
    SEAL_KEY_BYTES = 32,
    SEAL_NONCE_BYTES = 24,
    SEAL_TAG_BYTES = 16,
    SEAL_WRAPPED_BYTES = SEAL_NONCE_BYTES + SEAL_KEY_BYTES + SEAL_TAG_BYTES,
};

struct seal_key {
    uint8_t bytes[SEAL_KEY_BYTES];
};

// Readies libsodium; call once before anything else here.
MUST_CHECK enum nova_status seal_start(struct error *err);

// A new random key.
void seal_key_generate(struct seal_key *out);

// Overwrites the key, in a way the compiler may not leave out.
void seal_key_forget(struct seal_key *key);

// Seals `plain` into out (plain.len + SEAL_TAG_BYTES bytes) under a new random nonce. `bound` is
// what the text belongs to (event id and type): it is not stored, and opening needs the same.
void seal_text(uint8_t *out, uint8_t nonce[SEAL_NONCE_BYTES], const struct seal_key *key,
               struct bytes plain, struct bytes bound);

// Opens what seal_text made into out (sealed.len - SEAL_TAG_BYTES bytes).
MUST_CHECK enum nova_status seal_open(uint8_t *out, const uint8_t nonce[SEAL_NONCE_BYTES],
                                      const struct seal_key *key, struct bytes sealed,
                                      struct bytes bound, struct error *err);

// Wraps a person key for the table person_key, bound to its key id.
void seal_key_wrap(uint8_t out[SEAL_WRAPPED_BYTES], const struct seal_key *master,
                   const struct seal_key *key, const struct uuid *key_id);

MUST_CHECK enum nova_status seal_key_unwrap(struct seal_key *out, const struct seal_key *master,
                                            struct bytes wrapped, const struct uuid *key_id,
                                            struct error *err);
