// upcast.h - old events in today's form: a breaking change is a new event type, and old events are
// turned into it when they are read. The log itself is never touched.
//
// An old type stays in the contract, since its sealed part is bound to its name. A chain of
// upcasters (v1 -> v2 -> v3) is followed to its end.
//
// Ownership: whatever an upcaster makes lives in the arena.
// Threads:   constant data, safe from any thread.
// Errors:    what an upcaster answers; an event that cannot be turned is parked like any that
// fails. Bounds:    UPCAST_STEPS_MAX steps; a longer chain is a circle, our bug, and aborts.
#pragma once
#include "base/arena.h"
#include "base/error.h"
#include "proto/contract.h"

// What is turned: in with the old type's messages, out with the new type's.
struct upcast_event {
    const struct contract_event *type;
    const ProtobufCMessage *payload;
    const ProtobufCMessage *personal; // NULL: none, or erased
};

struct upcaster {
    const char *service; // NULL ends a table
    const char *from;    // "user.registered"
    const char *to;      // "user.created"
    // Makes payload and personal of type `to`; event->type is still the old one.
    enum nova_status (*turn)(struct upcast_event *event, struct arena *arena, struct error *err);
};

// Every upcaster of Nova.
extern const struct upcaster upcasters[];

// The type that events of `type` have after all turns; itself when there is none.
const struct contract_event *upcast_type(const struct upcaster *table,
                                         const struct contract_event *type);

// Turns the event until nothing more is to be turned.
MUST_CHECK enum nova_status upcast(struct upcast_event *event, const struct upcaster *table,
                                   struct arena *arena, struct error *err);
