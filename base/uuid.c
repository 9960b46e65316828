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

static int uuid_parse_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool uuid_dash_at(int i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

bool uuid_parse(struct uuid *out, const char *text)
{
    struct uuid id = {{0}};
    int digits = 0;
    for (int i = 0; i < UUID_TEXT_BYTES - 1; i++) {
        if (uuid_dash_at(i)) {
            if (text[i] != '-')
                return false;
            continue;
        }
        int digit = uuid_parse_digit(text[i]); // -1 for NUL: never reads past the end
        if (digit < 0)
            return false;
        id.bytes[digits / 2] = (uint8_t)(id.bytes[digits / 2] << 4 | digit);
        digits++;
    }
    if (text[UUID_TEXT_BYTES - 1] != '\0')
        return false;
    *out = id;
    return true;
}

void uuid_format(char out[UUID_TEXT_BYTES], const struct uuid *id)
{
    static const char digits[] = "0123456789abcdef";
    int next = 0;
    for (int i = 0; i < UUID_TEXT_BYTES - 1; i++) {
        if (uuid_dash_at(i)) {
            out[i] = '-';
            continue;
        }
        uint8_t byte = id->bytes[next / 2];
        out[i] = digits[next % 2 == 0 ? byte >> 4 : byte & 0x0f];
        next++;
    }
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
