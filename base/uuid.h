// uuid.h - UUIDs: version 7 for new ids, version 5 for ids derived from names (RFC 9562).
//
// Threads:   all functions are safe from any thread; uuid_v7 is monotonic within the process,
//            also when the clock steps back (RFC 9562, 6.2, method 2).
// A UUIDv7 shows its time: never use one as a token or secret.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct uuid {
    uint8_t bytes[16];
};

enum { UUID_TEXT_BYTES = 37 }; // 36 characters and the terminating NUL

// A new id: 48 bits of Unix milliseconds, then a counter and random bits.
struct uuid uuid_v7(void);

// The id of `name` within `space`: SHA-1 based, the same input gives the same id for ever.
struct uuid uuid_v5(const struct uuid *space, const void *name, size_t name_len);

// Parses exactly the 36 characters 8-4-4-4-12, upper or lower case. False: *out is untouched.
bool uuid_parse(struct uuid *out, const char *text);

// Lower case, NUL-terminated.
void uuid_format(char out[UUID_TEXT_BYTES], const struct uuid *id);

bool uuid_equal(const struct uuid *a, const struct uuid *b);
bool uuid_is_nil(const struct uuid *id);
