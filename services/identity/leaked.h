// leaked.h - the passwords that everybody knows: a Bloom filter over a list of them.
//
// A password of the list is always found; another is found as well once in `one_in`, the rate the
// filter was built with (stated in it, 1 in 1,000,000 unless its maker said otherwise): its owner
// chooses another. The filter holds no password, and 29 bits for each at that rate.
//
// A file, all numbers little-endian: LEAKED_HEADER_BYTES of header (magic, probes, one_in, bits,
// entries, BLAKE2b-256 of the file with these 32 bytes left out), then the bits. Probe i of a
// password is bit floor(mix(a + i*b mod 2^64) * bits / 2^64), with a and b the first two 64-bit
// numbers of the SHA-256 of the normalised password, b made odd, and mix SplitMix64's. (Without it
// the probes are one arithmetic progression, which a step near 0 or 1/2 turns into one or two bits:
// the rate would be some millionths worse than it says.)
//
// Ownership: a filter borrows the bytes of leaked_borrow; one of leaked_open holds its file mapped.
// Threads:   reading is safe from any thread; building one at a time.
// Errors:    INVALID_ARGUMENT with what is wrong with a file or list and what to do.
// Source:    Bloom 1970; Kirsch, Mitzenmacher 2006 (double hashing); Steele, Lea, Flood 2014 (mix).
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

enum {
    LEAKED_HEADER_BYTES = 64,
    LEAKED_ONE_IN_MIN = 2,
    LEAKED_ONE_IN_MAX = 1000000000,
    LEAKED_ONE_IN = 1000000,
};

struct leaked;

// The filter of a file. It is read whole once, to see that it is as it was written.
MUST_CHECK enum nova_status leaked_open(struct leaked **out, const char *path, struct error *err);
// The same of bytes in memory; `name` is what errors call them.
MUST_CHECK enum nova_status leaked_borrow(struct leaked **out, const char *name,
                                          const uint8_t *bytes, size_t size, struct error *err);
void leaked_destroy(struct leaked **leaked);

// Whether a password, as password_normalise gives it, is one of the list.
bool leaked_has(const struct leaked *leaked, const char *normalised);

struct leaked_built {
    uint64_t taken;
    uint64_t skipped; // not UTF-8, or of no length that a password may have
    uint64_t bytes;   // of the filter
};
// Writes a filter of `list`, one password a line, to `out`. Reads the list twice: it is a file. The
// same lines in any order give the same bytes. Needs memory for the filter.
MUST_CHECK enum nova_status leaked_build(struct leaked_built *built, FILE *out, FILE *list,
                                         int64_t one_in, struct error *err);

// The filter that ships: made at build time of services/leaked/passwords.txt.
extern const uint8_t leaked_shipped[];
extern const size_t leaked_shipped_bytes;
