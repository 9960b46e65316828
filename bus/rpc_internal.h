// rpc_internal.h - what the two sides of requests share; nobody else includes it.
#pragma once
#include "bus/rpc.h"

#define RPC_SUBJECT_FORMAT "nova.rpc.%s.v2.%s"
#define RPC_INBOX_PREFIX "_INBOX."
#define RPC_ERROR_CODE "Nats-Service-Error-Code"
#define RPC_ERROR_TEXT "Nats-Service-Error"
#define RPC_POSITION "Nova-Position"

enum { RPC_SUBJECT_BYTES = 160 };

int64_t rpc_now_us(void);

// Writes a request's headers; what is zero is left out.
MUST_CHECK enum nova_status rpc_headers_write(natsMsg *msg, const struct rpc_headers *headers,
                                              struct error *err);
// False: what came as headers is none, so that all of them, or those behind the fault, are lost: a
// request without its token would pass for an anonymous one. To be asked before anything reads a
// header: nats.c (3.4.1) tells it to the first who asks, and keeps what it could read.
MUST_CHECK bool rpc_headers_are_whole(natsMsg *msg);
// Reads them: text is copied to the arena. A header that is there and wrong is INVALID_ARGUMENT by
// its name.
MUST_CHECK enum nova_status rpc_headers_read(struct rpc_headers *out, natsMsg *msg,
                                             struct arena *arena, struct error *err);

// "<service>:<position>"; false: it is not.
bool rpc_position_parse(struct rpc_position *out, const char *text, size_t len);

// A header's text without line breaks, which would end it.
void rpc_header_clean(char *text);

// The client's side: what a reply says (its bytes in the arena; position may be NULL), and what
// nats.c's failure to get one means.
MUST_CHECK enum nova_status rpc_answer_read(struct bytes *out, int64_t *position, natsMsg *reply,
                                            const char *service, struct arena *arena,
                                            struct error *err);
enum nova_status rpc_failed(natsStatus s, const char *service, const char *method,
                            struct error *err);

// discovery.c: answers $SRV.PING, INFO and STATS (ADR-32).
struct rpc_discovery;
struct rpc_stats {
    uint64_t requests, errors;
    int64_t processing_ns;
    char last_error[256];
};
MUST_CHECK enum nova_status
rpc_discovery_create(struct rpc_discovery **out, struct bus_connection *connection,
                     const struct contract_service *service,
                     void (*stats)(void *context, unsigned method, struct rpc_stats *out),
                     void *context, struct error *err);
void rpc_discovery_destroy(struct rpc_discovery **discovery);
