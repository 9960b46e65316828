// decode.c - see decode.h.
#include "inbox/decode.h"

#include <inttypes.h>
#include <string.h>

#include "proto/sealed.h"

void decode_envelope(struct decoded *out, const struct event *event, struct bytes message,
                     const struct inbox_source *source, const struct upcaster *table)
{
    *out = (struct decoded){.inbox.event = *event, .message = message};
    out->inbox.type = contract_event_find(source->service, event->type);
    out->unknown = out->inbox.type == NULL;
    out->wanted =
        !out->unknown && inbox_source_wants(source, upcast_type(table, out->inbox.type)->type);
}

static void decode_note_bad(struct decoded *decoded, struct arena *arena, const struct error *err)
{
    decoded->bad = arena_memdup(arena, err, sizeof *err);
    error_while(decoded->bad, "%s at position %" PRId64, decoded->inbox.event.type,
                decoded->inbox.event.position);
}

static void decode_payload(struct decoded *decoded, struct arena *arena)
{
    struct error err = {0};
    struct inbox_event *event = &decoded->inbox;
    event->payload = message_unpack(arena, event->type->payload, event->event.payload);
    if (event->payload)
        return;
    error_set(&err, NOVA_DATA_LOSS, "its payload is no %s", event->type->payload->short_name);
    decode_note_bad(decoded, arena, &err);
}

// The id of the key that opens the event; false: it holds nothing sealed.
static bool decode_key_id(struct uuid *out, const struct inbox_event *event)
{
    const Nova__Common__V1__Sealed *sealed =
        event->payload ? contract_sealed_of(event->type, event->payload) : NULL;
    if (!sealed || sealed->key_id.len != sizeof out->bytes)
        return false;
    memcpy(out->bytes, sealed->key_id.data, sizeof out->bytes);
    return true;
}

static enum nova_status decode_personal(struct inbox_event *event, const struct keys *keys,
                                        struct arena *arena, struct error *err)
{
    struct uuid key_id;
    ProtobufCMessage *personal = NULL;
    const Nova__Common__V1__Sealed *sealed = contract_sealed_of(event->type, event->payload);
    if (!sealed)
        return NOVA_OK;
    if (!decode_key_id(&key_id, event))
        return error_set(err, NOVA_DATA_LOSS, "its sealed part names no key");
    const struct seal_key *key = keys_get(keys, &key_id);
    if (!key)
        return NOVA_OK; // erased: as if absent
    enum nova_status status =
        sealed_open(&personal, arena, event->type, &event->event.event_id, sealed, key, err);
    event->personal = personal;
    return status;
}

static void decode_open(struct decoded *decoded, const struct keys *keys,
                        const struct upcaster *table, struct arena *arena)
{
    struct error err = {0};
    struct inbox_event *event = &decoded->inbox;
    enum nova_status status = decode_personal(event, keys, arena, &err);
    struct upcast_event turned = {event->type, event->payload, event->personal};
    if (status == NOVA_OK)
        status = upcast(&turned, table, arena, &err);
    if (status != NOVA_OK) {
        decode_note_bad(decoded, arena, &err);
        return;
    }
    event->type = turned.type;
    event->payload = turned.payload;
    event->personal = turned.personal;
}

enum nova_status decode_batch(struct decoded *batch, size_t count, struct keys *keys,
                              const struct upcaster *table, struct arena *arena, struct error *err)
{
    struct uuid *key_ids = arena_alloc(arena, count * sizeof *key_ids);
    size_t key_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!batch[i].wanted || batch[i].is_open)
            continue;
        if (!batch[i].inbox.payload)
            decode_payload(&batch[i], arena);
        key_count += decode_key_id(&key_ids[key_count], &batch[i].inbox);
    }
    enum nova_status status = keys_load(keys, key_ids, key_count, err);
    if (status != NOVA_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        if (!batch[i].wanted || batch[i].is_open)
            continue;
        if (!batch[i].bad)
            decode_open(&batch[i], keys, table, arena);
        batch[i].is_open = true;
    }
    return NOVA_OK;
}
