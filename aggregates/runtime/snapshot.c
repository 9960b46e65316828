// snapshot.c - the digest that tells a usable snapshot from any other bytes (decision 0006).
#include <sodium.h>
#include <string.h>

#include "aggregates/runtime/runtime_internal.h"

void snapshot_digest(uint8_t out[SNAPSHOT_DIGEST_BYTES], const struct aggregate_type *type,
                     const struct uuid *id, int64_t version, struct bytes state)
{
    crypto_generichash_state hash;
    crypto_generichash_init(&hash, NULL, 0, SNAPSHOT_DIGEST_BYTES);
    crypto_generichash_update(&hash, (const uint8_t *)type->name, strlen(type->name) + 1);
    crypto_generichash_update(&hash, (const uint8_t *)&type->state_version,
                              sizeof type->state_version);
    crypto_generichash_update(&hash, (const uint8_t *)&type->state_bytes, sizeof type->state_bytes);
    crypto_generichash_update(&hash, id->bytes, sizeof id->bytes);
    crypto_generichash_update(&hash, (const uint8_t *)&version, sizeof version);
    crypto_generichash_update(&hash, state.data, state.len);
    crypto_generichash_final(&hash, out, SNAPSHOT_DIGEST_BYTES);
}
