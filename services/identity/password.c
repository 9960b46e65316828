// password.c - see password.h.
#include "services/identity/password.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

// The most that an imported hash may cost us to check.
enum { PASSWORD_MEMORY_KIB_MAX = 262144, PASSWORD_PASSES_MAX = 10 };

bool password_normalise(char **out, struct arena *arena, const char *password)
{
    uint8_t *nfkc = NULL;
    *out = NULL;
    if (strlen(password) > PASSWORD_TYPED_BYTES_MAX ||
        utf8proc_map((const uint8_t *)password, 0, &nfkc,
                     UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT) < 0)
        return false;
    size_t len = strlen((char *)nfkc);
    *out = arena_memdup(arena, nfkc, len + 1);
    sodium_memzero(nfkc, len);
    free(nfkc);
    return len >= PASSWORD_BYTES_MIN && len <= PASSWORD_BYTES_MAX;
}

static int password_hash_raw(char out[PASSWORD_HASH_BYTES], const char *password,
                             const struct password_cost *cost)
{
    return crypto_pwhash_str_alg(out, password, strlen(password), (unsigned long long)cost->passes,
                                 (size_t)cost->memory_kib * 1024, crypto_pwhash_ALG_ARGON2ID13);
}

enum nova_status password_hash(char out[PASSWORD_HASH_BYTES], const char *normalised,
                               const struct password_cost *cost, struct error *err)
{
    return password_hash_raw(out, normalised, cost) != 0
               ? error_set_transient(err, NOVA_RESOURCE_EXHAUSTED,
                                     "no memory for hashing a password")
               : NOVA_OK;
}

void password_matches(bool *out, const char *hash, const char *normalised,
                      const struct password_cost *cost)
{
    char dummy[PASSWORD_HASH_BYTES];
    *out = false;
    if (hash == NULL || *hash == '\0')
        (void)!password_hash_raw(dummy, normalised, cost); // the same work, never a match
    else
        *out = crypto_pwhash_str_verify(hash, normalised, strlen(normalised)) == 0;
}

bool password_needs_rehash(const char *hash, const struct password_cost *cost)
{
    return crypto_pwhash_str_needs_rehash(hash, (unsigned long long)cost->passes,
                                          (size_t)cost->memory_kib * 1024) != 0;
}

bool password_hash_is_valid(const char *hash)
{
    unsigned version, memory_kib, passes, lanes;
    int end = 0;
    if (strlen(hash) >= PASSWORD_HASH_BYTES ||
        sscanf(hash, "$argon2id$v=%u$m=%u,t=%u,p=%u$%n", &version, &memory_kib, &passes, &lanes,
               &end) != 4 ||
        end == 0)
        return false;
    const char *salt = hash + end, *digest = strchr(salt, '$');
    return version == 19 && lanes == 1 && memory_kib >= 8 &&
           memory_kib <= PASSWORD_MEMORY_KIB_MAX && passes >= 1 && passes <= PASSWORD_PASSES_MAX &&
           digest != NULL && digest - salt >= 11 && strlen(digest + 1) >= 11 &&
           crypto_pwhash_str_needs_rehash(hash, passes, (size_t)memory_kib * 1024) == 0;
}
