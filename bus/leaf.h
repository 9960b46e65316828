// leaf.h - leaf bytes, version 1: the one encoding of an event that comparisons and proofs use.
//
// "Outbox equals stream" means equal leaf bytes, and the log's Merkle tree hashes them. The
// encoding is fixed for ever: a version byte 0x01, then these fields in this order, each as a
// length of four bytes (big-endian) and that many bytes:
//
//   n, position, log id, event id, type, aggregate type, aggregate id, version, actor, command id,
//   correlation id, causation id, occurred at, recorded at, payload
//
// Integers and times (Unix microseconds) are eight bytes, big-endian, two's complement; ids are
// sixteen bytes; texts are UTF-8 without a NUL; the payload is what the outbox stores.
// Golden vectors: test/vectors/leaf_v1.json, from a second implementation, test/unit/leaf_v1.py.
//
// Ownership: the caller owns all buffers.
// Threads:   all functions are safe from any thread.
// Errors:    none; text pointers must not be NULL.
#pragma once
#include "base/event.h"

enum { LEAF_HASH_BYTES = 32 };

// Returns how many bytes the leaf has, and writes them if out_cap is enough; a buffer that is too
// small is left untouched (out may then be NULL).
size_t leaf_bytes_v1(uint8_t *out, size_t out_cap, const struct event *event);

// SHA-256(0x00 || leaf bytes): the leaf hash of RFC 6962, 2.1. `leaf` is what leaf_bytes_v1 wrote.
void leaf_hash_v1(uint8_t out[LEAF_HASH_BYTES], struct bytes leaf);
