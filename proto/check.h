// check.h - a request's bytes looked at before protobuf-c unpacks them.
//
// protobuf-c cuts strings at a NUL, keeps unknown fields silently and does not look at UTF-8. What
// comes from outside is therefore checked on the wire, by descriptor:
//   form, known fields, wire types, a field once unless repeated, valid UTF-8 without control
//   characters (tab and line breaks are allowed), ids that are UUIDs (common.proto), bounds.
//
// Threads: safe from any thread.
// Errors:  INVALID_ARGUMENT naming the field and what is wrong with it, never its value.
// Bounds:  MESSAGE_BYTES_MAX a message, CHECK_DEPTH_MAX nested, CHECK_ELEMENTS_MAX of a repeated
// field.
#pragma once
#include <protobuf-c/protobuf-c.h>

#include "base/error.h"
#include "base/event.h"
#include "base/limits.h"

enum { CHECK_DEPTH_MAX = 16, CHECK_ELEMENTS_MAX = 1000 };

MUST_CHECK enum nova_status check_message(const ProtobufCMessageDescriptor *type, struct bytes wire,
                                          struct error *err);
