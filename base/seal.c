// seal.c - see seal.h. A random 24-byte nonce is safe without a counter: that is why XChaCha20.
#include "base/seal.h"

#include <assert.h>
#include <sodium.h>

static_assert(SEAL_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "libsodium's key");
static_assert(SEAL_NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
              "libsodium's nonce");
static_assert(SEAL_TAG_BYTES == crypto_aead_xchacha20poly1305_ietf_ABYTES, "libsodium's tag");

enum nova_status seal_start(struct error *err)
{
    if (sodium_init() < 0)
        return error_set(err, NOVA_INTERNAL, "libsodium has no source of randomness");
    return NOVA_OK;
}

void seal_key_generate(struct seal_key *out)
{
    crypto_aead_xchacha20poly1305_ietf_keygen(out->bytes);
}

void seal_key_forget(struct seal_key *key)
{
    sodium_memzero(key, sizeof *key);
}

void seal_text(uint8_t *out, uint8_t nonce[SEAL_NONCE_BYTES], const struct seal_key *key,
               struct bytes plain, struct bytes bound)
{
    unsigned long long written = 0;
    randombytes_buf(nonce, SEAL_NONCE_BYTES);
    int failed = crypto_aead_xchacha20poly1305_ietf_encrypt(
        out, &written, plain.data, plain.len, bound.data, bound.len, NULL, nonce, key->bytes);
    assert(failed == 0); // documented to always succeed
    assert(written == plain.len + SEAL_TAG_BYTES);
}

enum nova_status seal_open(uint8_t *out, const uint8_t nonce[SEAL_NONCE_BYTES],
                           const struct seal_key *key, struct bytes sealed, struct bytes bound,
                           struct error *err)
{
    if (sealed.len < SEAL_TAG_BYTES)
        return error_set(err, NOVA_DATA_LOSS,
                         "a sealed text has %zu bytes; it cannot have fewer than %d", sealed.len,
                         SEAL_TAG_BYTES);
    unsigned long long written = 0;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, &written, NULL, sealed.data, sealed.len,
                                                   bound.data, bound.len, nonce, key->bytes) != 0)
        return error_set(err, NOVA_DATA_LOSS,
                         "a sealed text does not open: wrong key, or its bytes were changed");
    assert(written == sealed.len - SEAL_TAG_BYTES);
    return NOVA_OK;
}

void seal_key_wrap(uint8_t out[SEAL_WRAPPED_BYTES], const struct seal_key *master,
                   const struct seal_key *key, const struct uuid *key_id)
{
    struct bytes plain = {key->bytes, SEAL_KEY_BYTES};
    struct bytes bound = {key_id->bytes, sizeof key_id->bytes};
    seal_text(out + SEAL_NONCE_BYTES, out, master, plain, bound);
}

enum nova_status seal_key_unwrap(struct seal_key *out, const struct seal_key *master,
                                 struct bytes wrapped, const struct uuid *key_id, struct error *err)
{
    if (wrapped.len != SEAL_WRAPPED_BYTES)
        return error_set(err, NOVA_DATA_LOSS, "a wrapped key has %zu bytes instead of %d",
                         wrapped.len, SEAL_WRAPPED_BYTES);
    struct bytes sealed = {wrapped.data + SEAL_NONCE_BYTES, wrapped.len - SEAL_NONCE_BYTES};
    struct bytes bound = {key_id->bytes, sizeof key_id->bytes};
    enum nova_status status = seal_open(out->bytes, wrapped.data, master, sealed, bound, err);
    if (status != NOVA_OK)
        return error_while(err, "unwrapping a person key");
    return NOVA_OK;
}
