// digest.h - what tells a repeated command from another one under the same id (decision 0011).
//
// The digest lies in the outbox and goes with the event to everybody who may read the log. It is
// keyed with a secret of the service, so that nobody can try guesses of a request on it, and a
// password is not in it at all: who does hold the key must not get round Argon2id.
//
// Ownership: the caller owns the key, a secret: command_digest_key_forget it after use.
// Threads:   safe from any thread once seal_start returned.
#pragma once
#include "base/seal.h"
#include "proto/contract.h"

enum { COMMAND_DIGEST_BYTES = 32 };

struct command_digest_key {
    uint8_t bytes[SEAL_KEY_BYTES];
};

// From the service's master key; the same master key gives the same key.
void command_digest_key_make(struct command_digest_key *out, const struct seal_key *master);
void command_digest_key_forget(struct command_digest_key *key);

// Of the method and of everything in the request but its secret field (proto/contract.h). `wire` is
// the request as it came.
void command_digest(uint8_t out[COMMAND_DIGEST_BYTES], const struct command_digest_key *key,
                    const char *method, const ProtobufCMessage *request, struct bytes wire,
                    struct arena *arena);
