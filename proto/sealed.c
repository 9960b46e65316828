// sealed.c - see sealed.h.
#include "proto/sealed.h"

#include <assert.h>
#include <string.h>

static void *sealed_arena_alloc(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static void sealed_arena_free(void *arena, void *pointer)
{
    (void)arena; // everything goes with the arena
    (void)pointer;
}

ProtobufCMessage *message_unpack(struct arena *arena, const ProtobufCMessageDescriptor *type,
                                 struct bytes wire)
{
    ProtobufCAllocator allocator = {sealed_arena_alloc, sealed_arena_free, arena};
    return protobuf_c_message_unpack(type, &allocator, wire.len, wire.data);
}

struct bytes message_pack(struct arena *arena, const ProtobufCMessage *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *data = arena_alloc(arena, len);
    size_t packed = protobuf_c_message_pack(message, data);
    assert(packed == len);
    return (struct bytes){data, len};
}

// What the text is bound to: the event's id, then its type.
static struct bytes sealed_bound(struct arena *arena, const struct contract_event *type,
                                 const struct uuid *event_id)
{
    size_t len = sizeof event_id->bytes + strlen(type->type);
    uint8_t *data = arena_alloc(arena, len);
    memcpy(data, event_id->bytes, sizeof event_id->bytes);
    memcpy(data + sizeof event_id->bytes, type->type, strlen(type->type));
    return (struct bytes){data, len};
}

Nova__Common__V1__Sealed *sealed_make(struct arena *arena, const struct contract_event *type,
                                      const struct uuid *event_id, const ProtobufCMessage *personal,
                                      const struct uuid *key_id, const struct seal_key *key)
{
    assert(personal->descriptor == type->personal);
    struct bytes plain = message_pack(arena, personal);
    Nova__Common__V1__Sealed *sealed = arena_alloc(arena, sizeof *sealed);
    nova__common__v1__sealed__init(sealed);
    sealed->key_id.data = arena_memdup(arena, key_id->bytes, sizeof key_id->bytes);
    sealed->key_id.len = sizeof key_id->bytes;
    sealed->nonce.data = arena_alloc(arena, SEAL_NONCE_BYTES);
    sealed->nonce.len = SEAL_NONCE_BYTES;
    sealed->ciphertext.len = plain.len + SEAL_TAG_BYTES;
    sealed->ciphertext.data = arena_alloc(arena, sealed->ciphertext.len);
    seal_text(sealed->ciphertext.data, sealed->nonce.data, key, plain,
              sealed_bound(arena, type, event_id));
    return sealed;
}

enum nova_status sealed_open(ProtobufCMessage **personal, struct arena *arena,
                             const struct contract_event *type, const struct uuid *event_id,
                             const Nova__Common__V1__Sealed *sealed, const struct seal_key *key,
                             struct error *err)
{
    *personal = NULL;
    if (sealed->nonce.len != SEAL_NONCE_BYTES || sealed->ciphertext.len < SEAL_TAG_BYTES)
        return error_set(err, NOVA_DATA_LOSS, "the sealed part of a %s is cut short", type->type);
    struct bytes ciphertext = {sealed->ciphertext.data, sealed->ciphertext.len};
    size_t plain_len = ciphertext.len - SEAL_TAG_BYTES;
    uint8_t *plain = arena_alloc(arena, plain_len);
    enum nova_status status = seal_open(plain, sealed->nonce.data, key, ciphertext,
                                        sealed_bound(arena, type, event_id), err);
    if (status != NOVA_OK) {
        error_while(err, "opening the sealed part of a %s", type->type);
        return status;
    }
    *personal = message_unpack(arena, type->personal, (struct bytes){plain, plain_len});
    if (*personal == NULL)
        return error_set(err, NOVA_DATA_LOSS, "the sealed part of a %s holds no %s", type->type,
                         type->personal->short_name);
    return NOVA_OK;
}
