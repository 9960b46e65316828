// import_line.h - one line of an import file as a command that is ready to be sent.
//
//   {"service": "content", "method": "CreatePost", "request": {...},
//    "command_id": "<uuid>", "occurred_at": "2018-03-12T18:43:31Z", "on_behalf_of": "<uuid>"}
//
// command_id, occurred_at and on_behalf_of may be left out. Without a command_id it is made of the
// line's own bytes but for a password, so that the same line again is the same command.
//
// Ownership: everything lives in the arena.
// Threads:   pure; safe from any thread.
// Errors:    INVALID_ARGUMENT that names what is wrong.
#pragma once
#include "bus/rpc.h"

struct import_line {
    const struct contract_service *service;
    const ProtobufCMethodDescriptor *method;
    struct bytes request;
    struct rpc_headers headers; // without the token
    struct uuid *ids;           // every id that it names
    size_t id_count;
    struct uuid registers; // the user whom it brings in; nil: none
};

MUST_CHECK enum nova_status import_line_read(struct import_line *out, const char *text, size_t len,
                                             struct arena *arena, struct error *err);
