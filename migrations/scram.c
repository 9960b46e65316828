// scram.c - see scram.h. The iteration count is PostgreSQL 15's.
#include "migrations/scram.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { ITERATIONS = 4096, KEY_BYTES = SHA256_DIGEST_LENGTH, BASE64_BYTES = 48 };

static void hmac(uint8_t out[KEY_BYTES], const uint8_t key[KEY_BYTES], const char *text)
{
    unsigned int len = KEY_BYTES;
    uint8_t *done =
        HMAC(EVP_sha256(), key, KEY_BYTES, (const uint8_t *)text, strlen(text), out, &len);
    assert(done && len == KEY_BYTES);
}

static enum nova_status check_password(const char *password, struct error *err)
{
    size_t len = strlen(password);
    bool plain = len > 0 && len <= SCRAM_PASSWORD_BYTES_MAX;
    for (size_t i = 0; i < len; i++)
        plain &= password[i] > ' ' && password[i] < 127;
    if (!plain)
        return error_set(err, NOVA_INVALID_ARGUMENT,
                         "a role's password must be 1 to %d printable ASCII characters",
                         SCRAM_PASSWORD_BYTES_MAX);
    return NOVA_OK;
}

enum nova_status scram_verifier(char out[SCRAM_VERIFIER_BYTES], const char *password,
                                const uint8_t salt[SCRAM_SALT_BYTES], struct error *err)
{
    enum nova_status status = check_password(password, err);
    if (status != NOVA_OK)
        return status;
    uint8_t salted[KEY_BYTES], client[KEY_BYTES], stored[KEY_BYTES], server[KEY_BYTES];
    int done = PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt, SCRAM_SALT_BYTES,
                                 ITERATIONS, EVP_sha256(), KEY_BYTES, salted);
    assert(done == 1);
    hmac(client, salted, "Client Key");
    SHA256(client, KEY_BYTES, stored);
    hmac(server, salted, "Server Key");
    sodium_memzero(salted, sizeof salted);
    sodium_memzero(client, sizeof client);

    char salt64[BASE64_BYTES], stored64[BASE64_BYTES], server64[BASE64_BYTES];
    const int variant = sodium_base64_VARIANT_ORIGINAL;
    sodium_bin2base64(salt64, sizeof salt64, salt, SCRAM_SALT_BYTES, variant);
    sodium_bin2base64(stored64, sizeof stored64, stored, KEY_BYTES, variant);
    sodium_bin2base64(server64, sizeof server64, server, KEY_BYTES, variant);
    int len = snprintf(out, SCRAM_VERIFIER_BYTES, "SCRAM-SHA-256$%d:%s$%s:%s", ITERATIONS, salt64,
                       stored64, server64);
    assert(len > 0 && len < SCRAM_VERIFIER_BYTES);
    return NOVA_OK;
}

enum nova_status scram_verifier_new(char out[SCRAM_VERIFIER_BYTES], const char *password,
                                    struct error *err)
{
    uint8_t salt[SCRAM_SALT_BYTES];
    randombytes_buf(salt, sizeof salt);
    return scram_verifier(out, password, salt, err);
}

bool scram_matches(const char *verifier, const char *password)
{
    char prefix[32], again[SCRAM_VERIFIER_BYTES];
    uint8_t salt[SCRAM_SALT_BYTES];
    size_t salt_len = 0;
    int prefix_len = snprintf(prefix, sizeof prefix, "SCRAM-SHA-256$%d:", ITERATIONS);
    if (strncmp(verifier, prefix, (size_t)prefix_len) != 0)
        return false;
    const char *salt64 = verifier + prefix_len;
    if (sodium_base642bin(salt, sizeof salt, salt64, strcspn(salt64, "$"), NULL, &salt_len, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        salt_len != sizeof salt)
        return false;
    return scram_verifier(again, password, salt, NULL) == NOVA_OK && strcmp(again, verifier) == 0;
}
