// nkey.c - see nkey.h.
#include "bus/nkey.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { PREFIX_SEED = 18 << 3, PREFIX_USER = 20 << 3 };
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static uint16_t nkey_crc(const uint8_t *data, size_t len)
{
    uint16_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= (uint16_t)(data[i] << 8);
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1);
    }
    return crc;
}

static void nkey_base32(char *out, const uint8_t *data, size_t len)
{
    uint32_t buffer = 0;
    int bits = 0;
    for (size_t i = 0; i < len; i++) {
        buffer = buffer << 8 | data[i];
        for (bits += 8; bits >= 5; bits -= 5)
            *out++ = alphabet[buffer >> (bits - 5) & 31];
    }
    if (bits > 0)
        *out++ = alphabet[buffer << (5 - bits) & 31];
    *out = '\0';
}

// Decodes exactly len bytes; false: another length or another letter.
static bool nkey_unbase32(uint8_t *out, size_t len, const char *text)
{
    uint32_t buffer = 0;
    int bits = 0;
    size_t used = 0;
    for (; *text != '\0'; text++) {
        const char *place = strchr(alphabet, *text);
        if (place == NULL)
            return false;
        buffer = buffer << 5 | (uint32_t)(place - alphabet);
        if ((bits += 5) >= 8) {
            if (used == len)
                return false;
            out[used++] = (uint8_t)(buffer >> (bits -= 8));
        }
    }
    return used == len && (buffer & ((1u << bits) - 1)) == 0;
}

// Appends the checksum (little-endian) and writes the text.
static void nkey_text(char *out, uint8_t *raw, size_t len)
{
    uint16_t crc = nkey_crc(raw, len);
    raw[len] = (uint8_t)crc;
    raw[len + 1] = (uint8_t)(crc >> 8);
    nkey_base32(out, raw, len + 2);
}

static bool nkey_checked(uint8_t *raw, size_t len, const char *text)
{
    return nkey_unbase32(raw, len + 2, text) &&
           nkey_crc(raw, len) == (raw[len] | raw[len + 1] << 8);
}

static void nkey_public_text(char out[NKEY_PUBLIC_TEXT_BYTES],
                             const uint8_t public_key[NKEY_PUBLIC_BYTES])
{
    uint8_t raw[1 + 32 + 2] = {PREFIX_USER};
    memcpy(raw + 1, public_key, 32);
    nkey_text(out, raw, 33);
}

void nkey_generate(char seed[NKEY_SEED_TEXT_BYTES], char public_key[NKEY_PUBLIC_TEXT_BYTES])
{
    uint8_t raw[2 + 32 + 2], secret[NKEY_SECRET_BYTES], public_raw[NKEY_PUBLIC_BYTES];
    // The seed's prefix holds the kind's as well: five bits of one and eight of the other.
    raw[0] = PREFIX_SEED | PREFIX_USER >> 5;
    raw[1] = (uint8_t)((PREFIX_USER & 31) << 3);
    randombytes_buf(raw + 2, 32);
    crypto_sign_seed_keypair(public_raw, secret, raw + 2);
    nkey_text(seed, raw, 34);
    nkey_public_text(public_key, public_raw);
    sodium_memzero(raw, sizeof raw);
    sodium_memzero(secret, sizeof secret);
}

enum nova_status nkey_decode_public(uint8_t out[NKEY_PUBLIC_BYTES], const char *text,
                                    struct error *err)
{
    uint8_t raw[1 + 32 + 2];
    if (!nkey_checked(raw, 33, text) || raw[0] != PREFIX_USER)
        return error_set(err, NOVA_INVALID_ARGUMENT, "'%.60s' is no public nkey of a user", text);
    memcpy(out, raw + 1, NKEY_PUBLIC_BYTES);
    return NOVA_OK;
}

enum nova_status nkey_decode_seed(uint8_t secret[NKEY_SECRET_BYTES],
                                  char public_key[NKEY_PUBLIC_TEXT_BYTES], const char *seed,
                                  struct error *err)
{
    uint8_t raw[2 + 32 + 2], public_raw[NKEY_PUBLIC_BYTES];
    if (!nkey_checked(raw, 34, seed) || raw[0] != (PREFIX_SEED | PREFIX_USER >> 5) ||
        raw[1] != (uint8_t)((PREFIX_USER & 31) << 3))
        return error_set(err, NOVA_INVALID_ARGUMENT, "this is no nkey seed of a user");
    crypto_sign_seed_keypair(public_raw, secret, raw + 2);
    nkey_public_text(public_key, public_raw);
    sodium_memzero(raw, sizeof raw);
    return NOVA_OK;
}

enum nova_status nkey_read_seed(uint8_t secret[NKEY_SECRET_BYTES],
                                char public_key[NKEY_PUBLIC_TEXT_BYTES], const char *path,
                                struct error *err)
{
    char seed[NKEY_SEED_TEXT_BYTES + 2] = "";
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return error_set(err, NOVA_NOT_FOUND, "%s: %s; run ./nova up to make it", path,
                         strerror(errno));
    bool read = fgets(seed, sizeof seed, file) != NULL;
    fclose(file);
    seed[strcspn(seed, "\r\n")] = '\0';
    enum nova_status status = read ? nkey_decode_seed(secret, public_key, seed, err)
                                   : error_set(err, NOVA_INVALID_ARGUMENT, "the file is empty");
    sodium_memzero(seed, sizeof seed);
    if (status != NOVA_OK)
        error_while(err, "%s", path);
    return status;
}
