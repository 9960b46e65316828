// nkey.h - NATS nkeys of users: Ed25519 keys in base32 with a checksum.
//
// Source: the nkeys specification (github.com/nats-io/nkeys): prefix bytes, CRC-16/XMODEM, RFC 4648
// base32 without padding.
// Ownership: the caller owns all buffers; seeds are secrets.
// Threads:   safe from any thread.
// Errors:    INVALID_ARGUMENT for what is no nkey of that kind; the text never holds the seed.
#pragma once
#include <stdint.h>

#include "base/error.h"

enum {
    NKEY_SEED_TEXT_BYTES = 59,   // 58 characters and the NUL
    NKEY_PUBLIC_TEXT_BYTES = 57, // 56 characters and the NUL
    NKEY_PUBLIC_BYTES = 32,
    NKEY_SECRET_BYTES = 64, // libsodium's secret key: seed and public key
};

// A new user: "SU..." and "U...".
void nkey_generate(char seed[NKEY_SEED_TEXT_BYTES], char public_key[NKEY_PUBLIC_TEXT_BYTES]);

MUST_CHECK enum nova_status nkey_decode_public(uint8_t out[NKEY_PUBLIC_BYTES], const char *text,
                                               struct error *err);
// The secret key of a seed, for signing with libsodium, and its public text.
MUST_CHECK enum nova_status nkey_decode_seed(uint8_t secret[NKEY_SECRET_BYTES],
                                             char public_key[NKEY_PUBLIC_TEXT_BYTES],
                                             const char *seed, struct error *err);
// The same of a seed in a file.
MUST_CHECK enum nova_status nkey_read_seed(uint8_t secret[NKEY_SECRET_BYTES],
                                           char public_key[NKEY_PUBLIC_TEXT_BYTES],
                                           const char *path, struct error *err);
