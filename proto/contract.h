// contract.h - the contracts as data: services, methods and event types, by protobuf-c's
// descriptors.
//
// Everything that must know all methods or all events walks these tables: JSON, checks, the
// responders, the bad-input tests, the log's decoder.
// Threads: constant data, safe from any thread.
#pragma once
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "base/arena.h"
#include "nova/common/v1/common.pb-c.h"

struct contract_service {
    const char *name; // "identity"
    const ProtobufCServiceDescriptor *descriptor;
};

struct contract_event {
    const char *service;        // "identity"
    const char *aggregate_type; // "user"
    const char *type;           // "user.created"
    const ProtobufCMessageDescriptor *payload;
    const ProtobufCMessageDescriptor *personal; // NULL: the event holds nothing personal
};

size_t contract_service_count(void);
const struct contract_service *contract_service_at(size_t i);
const struct contract_service *contract_service_find(const char *name); // NULL: none

// Case matters. NULL: no such method.
const ProtobufCMethodDescriptor *contract_method_find(const struct contract_service *service,
                                                      const char *method);

// Whether a field of a request holds a password, and is kept nowhere and in no digest. Such a field
// is called "password", or something that ends with "_password".
bool contract_is_secret(const ProtobufCFieldDescriptor *field);
// The request without them: itself when there is none, else a copy in the arena whose fields of
// that kind are empty.
const ProtobufCMessage *contract_without_secret(struct arena *arena,
                                                const ProtobufCMessage *request);

size_t contract_event_count(void);
const struct contract_event *contract_event_at(size_t i);
const struct contract_event *contract_event_find(const char *service, const char *type);

// The payload's `sealed` field; NULL when that event type has none or the message holds none.
Nova__Common__V1__Sealed *contract_sealed_of(const struct contract_event *event,
                                             const ProtobufCMessage *payload);
// Puts `sealed` (borrowed, may be NULL) into the payload.
void contract_sealed_put(const struct contract_event *event, ProtobufCMessage *payload,
                         Nova__Common__V1__Sealed *sealed);
