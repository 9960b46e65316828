// rpc_async.h - many requests in flight at once, for whoever has thousands to make.
//
// Each request has a slot of the caller's choice; its answer names the slot. Answers come in any
// order.
//
// Ownership: borrows the connection.
// Threads:   one at a time per struct rpc_async.
// Errors:    each answer has its own, as rpc_call's.
// Bounds:    slot_count requests in flight.
#pragma once
#include "bus/rpc.h"

struct rpc_async;

MUST_CHECK enum nova_status rpc_async_create(struct rpc_async **out,
                                             struct bus_connection *connection, uint32_t slot_count,
                                             struct error *err);
void rpc_async_destroy(struct rpc_async **async);

// Sends without waiting. The slot is free again when its answer came. headers->deadline_us 0: now +
// RPC_DEADLINE_MS.
MUST_CHECK enum nova_status rpc_async_send(struct rpc_async *async, uint32_t slot,
                                           const char *service, const char *method,
                                           struct bytes request, const struct rpc_headers *headers,
                                           struct error *err);

struct rpc_answer {
    uint32_t slot;
    enum nova_status status;
    struct error err; // when status is not NOVA_OK
    int64_t position;
};
// Waits at most wait_ms for an answer; a request whose deadline passed is answered with that.
// False: none came. The reply's own bytes are not kept.
bool rpc_async_next(struct rpc_answer *out, struct rpc_async *async, int64_t wait_ms);
