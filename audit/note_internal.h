// note_internal.h - what note.c and note_key.c share.
#pragma once
#include <stddef.h>
#include <stdint.h>

static inline void note_put_big_endian(uint8_t *out, uint64_t number, int bytes)
{
    for (int i = 0; i < bytes; i++)
        out[i] = (uint8_t)(number >> (8 * (bytes - 1 - i)));
}

static inline uint64_t note_get_big_endian(const uint8_t *bytes, int count)
{
    uint64_t number = 0;
    for (int i = 0; i < count; i++)
        number = number << 8 | bytes[i];
    return number;
}
