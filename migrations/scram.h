// scram.h - what PostgreSQL stores of a password (RFC 5802, RFC 7677): made here, so that no
// password ever stands in a statement or a server's log.
//
// Errors:    INVALID_ARGUMENT: the password is empty, too long, or not printable ASCII (others
// would
//            need the preparation of RFC 4013; ours are generated).
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { SCRAM_SALT_BYTES = 16, SCRAM_VERIFIER_BYTES = 160, SCRAM_PASSWORD_BYTES_MAX = 128 };

// "SCRAM-SHA-256$4096:<salt>$<stored key>:<server key>"
MUST_CHECK enum nova_status scram_verifier(char out[SCRAM_VERIFIER_BYTES], const char *password,
                                           const uint8_t salt[SCRAM_SALT_BYTES], struct error *err);

// The same with a random salt.
MUST_CHECK enum nova_status scram_verifier_new(char out[SCRAM_VERIFIER_BYTES], const char *password,
                                               struct error *err);

// Whether a verifier as stored is of that password. False for one in another form.
bool scram_matches(const char *verifier, const char *password);
