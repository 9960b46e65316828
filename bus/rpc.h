// rpc.h - request and reply on NATS: protobuf in and out, by protobuf-c's service descriptors.
//
// A request goes to nova.rpc.<service>.v2.<Method>; one instance of the queue group <service>
// answers. Headers carry what is not the method's own matter:
//
//   Authorization        Bearer <JWT>: who asks (docs/decisions/0004)
//   Nova-On-Behalf-Of    a user's id: for whom an operator, importer or service asks
//   Nova-Command-Id      a UUID: the same again has the same answer and no second effect
//   Nova-Occurred-At     Unix microseconds, below 0 before 1970; for importers and operators only
//   Nova-Deadline        Unix microseconds: nobody waits for the answer after it. Whatever it says,
//                        a service works on a request for RPC_DEADLINE_MS at most
//   Nova-Min-Position    <service>:<position>, several separated by commas: no older view, please.
//                        A service waits for few at once; more are RESOURCE_EXHAUSTED
//   Nova-Correlation-Id  a UUID copied to every event that follows
//   traceparent          W3C trace context, copied
//
// A reply carries Nova-Position: <service>:<position> of the events it made, or an error as
// Nats-Service-Error-Code (a gRPC status number) and Nats-Service-Error (its text).
// The responder's side speaks the NATS service protocol (ADR-32): $SRV.PING, INFO and STATS.
#pragma once
#include "base/arena.h"
#include "base/event.h"
#include "bus/connection.h"
#include "proto/contract.h"

enum {
    RPC_TRACEPARENT_BYTES = 56,
};

struct rpc_position {
    char service[32];
    int64_t position;
};

// What goes with a request beside its message. All zero: nothing.
struct rpc_headers {
    const char *token; // NULL: anonymous
    struct uuid on_behalf_of;
    struct uuid command_id;
    struct uuid correlation_id;
    bool has_occurred_at;
    int64_t occurred_at_us; // before 1970: below 0
    int64_t deadline_us;    // 0: now + RPC_DEADLINE_MS
    const char *traceparent;
    uint32_t min_position_count;
    struct rpc_position min_positions[RPC_POSITIONS_MAX];
};

enum { RPC_DEADLINE_MS = 10000 };
// No log comes that far in a million years, and a double still holds it exactly.
#define RPC_POSITION_MAX (INT64_C(1) << 53)
// The years 1 to 9999, as base/timestamp.h writes them.
#define RPC_OCCURRED_AT_US_MIN INT64_C(-62135596800000000)
#define RPC_OCCURRED_AT_US_MAX INT64_C(253402300799999999)

// Asks and waits. The reply is unpacked into the arena; *position (may be NULL) is what
// Nova-Position said, or 0. Errors: the responder's own; UNAVAILABLE (transient) when nobody
// answers that subject; DEADLINE_EXCEEDED (transient); INVALID_ARGUMENT when the request is too
// large for the bus. Threads: any.
MUST_CHECK enum nova_status rpc_call(ProtobufCMessage **reply, int64_t *position,
                                     struct bus_connection *connection, const char *service,
                                     const char *method, const ProtobufCMessage *request,
                                     const struct rpc_headers *headers, struct arena *arena,
                                     struct error *err);

// The same without unpacking: wire bytes in, wire bytes out (in the arena).
MUST_CHECK enum nova_status rpc_call_wire(struct bytes *reply, int64_t *position,
                                          struct bus_connection *connection, const char *service,
                                          const char *method, struct bytes request,
                                          const struct rpc_headers *headers, struct arena *arena,
                                          struct error *err);

// A request as a responder's handler sees it. Lives until the handler returns.
struct rpc_request {
    const ProtobufCMethodDescriptor *method;
    const ProtobufCMessage *message; // checked (proto/check.h) and unpacked, in the arena
    struct bytes wire;
    struct rpc_headers headers;
    struct arena *arena;
    // Out, set by the handler:
    ProtobufCMessage *reply; // in the arena
    int64_t position;        // for Nova-Position; 0: none
    struct rpc_task *task;   // the server's own
};

// Answers one request; an error's status and text go to the caller. `worker` is the worker's own
// context (its PostgreSQL connection). Called on a worker's thread.
typedef enum nova_status (*rpc_handler)(void *worker, struct rpc_request *request,
                                        struct error *err);

// Answers several requests that waited, of methods that go together: rpc_answer for each of them
// exactly once, as soon as its answer is known. They live until this returns, in one arena.
typedef void (*rpc_together_handler)(void *worker, struct rpc_request *const *requests,
                                     size_t count);
// `status` and `err` as a handler's own.
void rpc_answer(struct rpc_request *request, enum nova_status status, const struct error *err);
// How many of those that wait a worker takes when so many others are idle: as many as each of them
// is left, COMMANDS_TOGETHER_MAX at most. So none is idle while others wait behind each other, and
// what waits when all others are busy goes together.
uint32_t rpc_share(uint32_t waiting, uint32_t idle_others);

struct rpc_server;
struct rpc_server_options {
    struct bus_connection *connection;
    const struct contract_service *service;
    rpc_handler handle;
    void **workers; // one context a worker
    uint32_t worker_count;
    // The last of them work on urgent methods alone, so that no queue of others delays these.
    uint32_t urgent_worker_count; // below worker_count
    const bool *urgent;           // one a method of the service; NULL: none is
    // Methods that go together: a worker takes its share of all that wait (rpc_share). A single one
    // goes to `handle`.
    const bool *together; // one a method of the service; NULL: none does
    rpc_together_handler handle_together;
    // Methods that take long wait in a queue of their own, and never take all workers.
    const bool *heavy;        // one a method of the service; NULL: none is
    uint32_t heavy_at_once;   // workers that may be on them, at least 1
    uint32_t heavy_queue_max; // that wait; more are answered RESOURCE_EXHAUSTED
    uint32_t queue_max;       // of each of the other queues; 0: RPC_QUEUE_MAX
};
// Starts answering in threads of its own, until rpc_server_destroy, which finishes what was begun.
// Requests wait in four queues, urgent, common, heavy and together, each bounded in number and in
// bytes (base/limits.h); what does not fit is answered RESOURCE_EXHAUSTED at once.
MUST_CHECK enum nova_status rpc_server_create(struct rpc_server **out,
                                              const struct rpc_server_options *options,
                                              struct error *err);
void rpc_server_destroy(struct rpc_server **server);
// True while every worker moves on: no request is handled for longer than limit_ms.
bool rpc_server_is_alive(const struct rpc_server *server, int64_t limit_ms);
