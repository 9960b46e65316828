// json.h - contracts' messages as JSON and back, by protobuf-c's descriptors.
//
// The mapping is proto3's (protobuf.dev, "ProtoJSON Format"): fields in lowerCamelCase, 64-bit
// numbers as strings, bytes as base64, enums by name. Input also takes the names as the .proto
// writes them, numbers for 64-bit fields, enums by number and URL-safe base64. Output holds every
// scalar, also zero and empty ones, so that a reader sees what there is; messages that are not set
// are left out.
//
// Ownership: messages live in the arena; json_t belongs to the caller (json_decref).
// Threads:   safe from any thread.
// Errors:    INVALID_ARGUMENT naming the field by its path, and what it wants.
// Bounds:    JSON_DEPTH_MAX nested messages.
#pragma once
#include <jansson.h>

#include "base/arena.h"
#include "base/error.h"
#include "proto/contract.h"

enum { JSON_DEPTH_MAX = 16 };

// `type`'s message from a JSON object.
MUST_CHECK enum nova_status json_to_message(ProtobufCMessage **out,
                                            const ProtobufCMessageDescriptor *type,
                                            const json_t *json, struct arena *arena,
                                            struct error *err);

// Parses text first: INVALID_ARGUMENT with line and column for what is no JSON, for a name that
// stands twice in an object, and for text behind its end.
MUST_CHECK enum nova_status json_parse(json_t **out, const char *text, size_t len,
                                       struct error *err);

json_t *json_of_message(const ProtobufCMessage *message);
