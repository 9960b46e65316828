// uuid.c - see uuid.h. Version 7 keeps a 12-bit counter behind the millisecond (RFC 9562, 6.2).
#include "base/uuid.h"

#include <assert.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

static pthread_mutex_t uuid_v7_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t uuid_v7_last; // milliseconds in the upper 52 bits, counter in the lower 12

// The next value of clock and counter: always larger than the last one, whatever the clock does.
static uint64_t uuid_v7_tick(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t tick = ((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000) << 12;
    pthread_mutex_lock(&uuid_v7_lock);
    if (tick <= uuid_v7_last)
        tick = uuid_v7_last + 1; // a full counter runs into the next millisecond, which is allowed
    uuid_v7_last = tick;
    pthread_mutex_unlock(&uuid_v7_lock);
    return tick;
}

struct uuid uuid_v7(void)
{
    struct uuid id;
    uint64_t tick = uuid_v7_tick();
    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(tick >> (52 - 8 * i));
    randombytes_buf(id.bytes + 8, 8);
    id.bytes[6] = (uint8_t)(0x70 | ((tick >> 8) & 0x0f));
    id.bytes[7] = (uint8_t)tick;
    id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3f));
    return id;
}

struct uuid uuid_v5(const struct uuid *space, const void *name, size_t name_len)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *sha1 = EVP_MD_CTX_new();
    assert(sha1);
    int ok = EVP_DigestInit_ex(sha1, EVP_sha1(), NULL) &&
             EVP_DigestUpdate(sha1, space->bytes, sizeof space->bytes) &&
             EVP_DigestUpdate(sha1, name, name_len) && EVP_DigestFinal_ex(sha1, digest, NULL);
    assert(ok);
    EVP_MD_CTX_free(sha1);
    struct uuid id;
    memcpy(id.bytes, digest, sizeof id.bytes);
    id.bytes[6] = (uint8_t)(0x50 | (id.bytes[6] & 0x0f));
    id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3f));
    return id;
}

// Where the two digits of each byte stand in the text; between them are the dashes.
static const uint8_t uuid_digits_at[16] = {0,  2,  4,  6,  9,  11, 14, 16,
                                           19, 21, 24, 26, 28, 30, 32, 34};
static const uint8_t uuid_dash_at[4] = {8, 13, 18, 23};

// A digit's value with a bit that says that it is one. Every event has several ids: a table,
// because comparing took a seventh of a consumer's own time.
enum { DIGIT = 0x10 };
static const uint8_t uuid_digit[256] = {
    ['0'] = DIGIT | 0,  ['1'] = DIGIT | 1,  ['2'] = DIGIT | 2,  ['3'] = DIGIT | 3,
    ['4'] = DIGIT | 4,  ['5'] = DIGIT | 5,  ['6'] = DIGIT | 6,  ['7'] = DIGIT | 7,
    ['8'] = DIGIT | 8,  ['9'] = DIGIT | 9,  ['a'] = DIGIT | 10, ['b'] = DIGIT | 11,
    ['c'] = DIGIT | 12, ['d'] = DIGIT | 13, ['e'] = DIGIT | 14, ['f'] = DIGIT | 15,
    ['A'] = DIGIT | 10, ['B'] = DIGIT | 11, ['C'] = DIGIT | 12, ['D'] = DIGIT | 13,
    ['E'] = DIGIT | 14, ['F'] = DIGIT | 15,
};

bool uuid_parse(struct uuid *out, const char *text)
{
    struct uuid id;
    if (strnlen(text, UUID_TEXT_BYTES) != UUID_TEXT_BYTES - 1)
        return false;
    for (size_t i = 0; i < sizeof uuid_dash_at; i++)
        if (text[uuid_dash_at[i]] != '-')
            return false;
    uint8_t all = DIGIT;
    for (size_t i = 0; i < sizeof id.bytes; i++) {
        uint8_t high = uuid_digit[(uint8_t)text[uuid_digits_at[i]]];
        uint8_t low = uuid_digit[(uint8_t)text[uuid_digits_at[i] + 1]];
        id.bytes[i] = (uint8_t)(high << 4 | (low & 0x0f));
        all &= high & low;
    }
    if (!(all & DIGIT))
        return false;
    *out = id;
    return true;
}

void uuid_format(char out[UUID_TEXT_BYTES], const struct uuid *id)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof id->bytes; i++) {
        out[uuid_digits_at[i]] = digits[id->bytes[i] >> 4];
        out[uuid_digits_at[i] + 1] = digits[id->bytes[i] & 0x0f];
    }
    for (size_t i = 0; i < sizeof uuid_dash_at; i++)
        out[uuid_dash_at[i]] = '-';
    out[UUID_TEXT_BYTES - 1] = '\0';
}

bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

bool uuid_is_nil(const struct uuid *id)
{
    static const struct uuid nil;
    return uuid_equal(id, &nil);
}
