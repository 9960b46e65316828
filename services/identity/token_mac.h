// token_mac.h - what makes a token ours: HMAC-SHA-256 (RFC 2104) under a context of its own kind,
// so that one kind of token is never taken for another, even under one key.
//
// Threads: pure; safe from any thread.
#pragma once
#include <stddef.h>

#include "base/seal.h"

enum { TOKEN_MAC_BYTES = 32 };

// Of the context, with its zero, and the data behind it.
void token_mac(uint8_t out[TOKEN_MAC_BYTES], const struct seal_key *key, const char *context,
               const void *data, size_t len);
