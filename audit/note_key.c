// note_key.c - the keys of signed notes: their ids and their texts; see note.h.
#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "audit/note.h"
#include "audit/note_internal.h"
#include "base/base64.h"

static const char private_prefix[] = "PRIVATE+KEY+";

static uint32_t key_id(const char *name, enum note_key_type type, const uint8_t *public_key)
{
    const uint8_t between[] = {'\n', (uint8_t)type};
    uint8_t hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_state sha256;
    crypto_hash_sha256_init(&sha256);
    crypto_hash_sha256_update(&sha256, (const uint8_t *)name, strlen(name));
    crypto_hash_sha256_update(&sha256, between, sizeof between);
    crypto_hash_sha256_update(&sha256, public_key, NOTE_KEY_BYTES);
    crypto_hash_sha256_final(&sha256, hash);
    return (uint32_t)note_get_big_endian(hash, 4);
}

static bool is_key_name(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++)
        if (name[i] <= ' ' || name[i] > '~' || name[i] == '+')
            return false;
    return len > 0 && len < NOTE_NAME_BYTES;
}

enum nova_status note_key_make(struct note_key *out, const char *name, enum note_key_type type,
                               const uint8_t public_key[NOTE_KEY_BYTES], struct error *err)
{
    if (!is_key_name(name))
        return error_set(err, NOVA_INVALID_ARGUMENT,
                         "a key's name is 1 to %d printable ASCII characters without blank and "
                         "plus, such as example.com/witness",
                         NOTE_NAME_BYTES - 1);
    *out = (struct note_key){.type = type, .id = key_id(name, type, public_key)};
    strcpy(out->name, name);
    memcpy(out->public_key, public_key, NOTE_KEY_BYTES);
    return NOVA_OK;
}

// "<name>+<8 hex digits>+base64(type, 32 bytes)" into its parts.
static bool parse_parts(char name[NOTE_NAME_BYTES], uint32_t *id, uint8_t key[1 + NOTE_KEY_BYTES],
                        const char *text)
{
    const char *plus = strchr(text, '+');
    size_t name_len = plus ? (size_t)(plus - text) : 0, id_len = 0;
    uint8_t id_bytes[4];
    if (plus == NULL || name_len >= NOTE_NAME_BYTES || strlen(plus) < 10 || plus[9] != '+' ||
        strspn(plus + 1, "0123456789abcdef") != 8 || // libsodium takes capitals as well
        sodium_hex2bin(id_bytes, sizeof id_bytes, plus + 1, 8, NULL, &id_len, NULL) != 0 ||
        id_len != sizeof id_bytes)
        return false;
    const char *coded = plus + 10;
    size_t coded_len = strcspn(coded, "\r\n");
    memcpy(name, text, name_len);
    name[name_len] = '\0';
    *id = (uint32_t)note_get_big_endian(id_bytes, 4);
    return strspn(coded + coded_len, "\r\n") == strlen(coded + coded_len) &&
           base64_decode(key, 1 + NOTE_KEY_BYTES, BASE64_STANDARD, coded, coded_len) ==
               1 + NOTE_KEY_BYTES &&
           (key[0] == NOTE_KEY_LOG || key[0] == NOTE_KEY_WITNESS);
}

static enum nova_status refuse_key(struct error *err, const char *what)
{
    return error_set(err, NOVA_INVALID_ARGUMENT, "it is no Ed25519 %s", what);
}

enum nova_status note_key_parse(struct note_key *out, const char *text, struct error *err)
{
    char name[NOTE_NAME_BYTES];
    uint8_t key[1 + NOTE_KEY_BYTES];
    uint32_t id;
    if (strncmp(text, private_prefix, strlen(private_prefix)) == 0)
        return refuse_key(err, "verifier key but a secret one: keep it, and give the other");
    if (!parse_parts(name, &id, key, text))
        return refuse_key(err, "verifier key, NAME+ID+BASE64");
    enum nova_status status = note_key_make(out, name, (enum note_key_type)key[0], key + 1, err);
    if (status == NOVA_OK && out->id != id)
        return refuse_key(err, "verifier key: its id is not that of its name and key");
    return status;
}

char *note_key_text(struct arena *arena, const struct note_key *key)
{
    uint8_t coded[1 + NOTE_KEY_BYTES] = {(uint8_t)key->type};
    memcpy(coded + 1, key->public_key, NOTE_KEY_BYTES);
    return arena_printf(arena, "%s+%08" PRIx32 "+%s", key->name, key->id,
                        base64_encode(arena, BASE64_STANDARD, coded, sizeof coded));
}

static enum nova_status signer_of(struct note_signer *out, const char *name,
                                  enum note_key_type type, const uint8_t seed[NOTE_KEY_BYTES],
                                  struct error *err)
{
    uint8_t public_key[NOTE_KEY_BYTES];
    crypto_sign_seed_keypair(public_key, out->secret, seed);
    return note_key_make(&out->key, name, type, public_key, err);
}

enum nova_status note_signer_make(struct note_signer *out, const char *name,
                                  enum note_key_type type, struct error *err)
{
    uint8_t seed[NOTE_KEY_BYTES];
    randombytes_buf(seed, sizeof seed);
    enum nova_status status = signer_of(out, name, type, seed, err);
    sodium_memzero(seed, sizeof seed);
    return status;
}

enum nova_status note_signer_parse(struct note_signer *out, const char *text, struct error *err)
{
    char name[NOTE_NAME_BYTES];
    uint8_t key[1 + NOTE_KEY_BYTES];
    uint32_t id;
    enum nova_status status;
    if (strncmp(text, private_prefix, strlen(private_prefix)) != 0 ||
        !parse_parts(name, &id, key, text + strlen(private_prefix)))
        status = refuse_key(err, "signing key, PRIVATE+KEY+NAME+ID+BASE64");
    else
        status = signer_of(out, name, (enum note_key_type)key[0], key + 1, err);
    sodium_memzero(key, sizeof key);
    if (status == NOVA_OK && out->key.id != id)
        status = refuse_key(err, "signing key: its id is not that of its name and key");
    return status;
}

char *note_signer_text(struct arena *arena, const struct note_signer *signer)
{
    uint8_t coded[1 + NOTE_KEY_BYTES] = {(uint8_t)signer->key.type};
    memcpy(coded + 1, signer->secret, NOTE_KEY_BYTES); // libsodium: the seed comes first
    char *text =
        arena_printf(arena, "%s%s+%08" PRIx32 "+%s", private_prefix, signer->key.name,
                     signer->key.id, base64_encode(arena, BASE64_STANDARD, coded, sizeof coded));
    sodium_memzero(coded, sizeof coded);
    return text;
}

void note_signer_wipe(struct note_signer *signer)
{
    sodium_memzero(signer, sizeof *signer);
}
