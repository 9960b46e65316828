// sealed.h - the personal part of an event: sealed when it is recorded, opened when it is read.
//
// Sealing binds the event's id and type: a Sealed field moved to another event does not open.
//
// Ownership: everything returned lives in the arena.
// Threads:   all functions are safe from any thread once seal_start returned.
// Errors:    NOVA_DATA_LOSS when the sealed bytes do not open under that key, or hold no such
// message.
#pragma once
#include "base/arena.h"
#include "base/seal.h"
#include "proto/contract.h"

// Seals `personal` for the event; the result points into the arena.
Nova__Common__V1__Sealed *sealed_make(struct arena *arena, const struct contract_event *type,
                                      const struct uuid *event_id, const ProtobufCMessage *personal,
                                      const struct uuid *key_id, const struct seal_key *key);

// Opens the event's sealed part as a message of type->personal.
MUST_CHECK enum nova_status sealed_open(ProtobufCMessage **personal, struct arena *arena,
                                        const struct contract_event *type,
                                        const struct uuid *event_id,
                                        const Nova__Common__V1__Sealed *sealed,
                                        const struct seal_key *key, struct error *err);

// Unpacks a message whose memory lives in the arena; NULL when the bytes are no such message.
ProtobufCMessage *message_unpack(struct arena *arena, const ProtobufCMessageDescriptor *type,
                                 struct bytes wire);
// Packs a message into the arena.
struct bytes message_pack(struct arena *arena, const ProtobufCMessage *message);
