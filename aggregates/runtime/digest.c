// digest.c - see digest.h.
#include "aggregates/runtime/digest.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "proto/sealed.h"

static_assert(SEAL_KEY_BYTES <= crypto_generichash_KEYBYTES_MAX, "libsodium's longest key");

void command_digest_key_make(struct command_digest_key *out, const struct seal_key *master)
{
    static const char context[] = "nova command digest v1";
    int failed = crypto_generichash(out->bytes, sizeof out->bytes, (const uint8_t *)context,
                                    sizeof context - 1, master->bytes, sizeof master->bytes);
    assert(failed == 0); // its lengths are constants
}

void command_digest_key_forget(struct command_digest_key *key)
{
    sodium_memzero(key, sizeof *key);
}

void command_digest(uint8_t out[COMMAND_DIGEST_BYTES], const struct command_digest_key *key,
                    const char *method, const ProtobufCMessage *request, struct bytes wire,
                    struct arena *arena)
{
    const ProtobufCMessage *rest = contract_without_secret(arena, request);
    if (rest != request)
        wire = message_pack(arena, rest);
    crypto_generichash_state hash;
    crypto_generichash_init(&hash, key->bytes, sizeof key->bytes, COMMAND_DIGEST_BYTES);
    crypto_generichash_update(&hash, (const uint8_t *)method, strlen(method) + 1);
    crypto_generichash_update(&hash, wire.data, wire.len);
    crypto_generichash_final(&hash, out, COMMAND_DIGEST_BYTES);
}
