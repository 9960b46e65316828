// rpc_client.c - asking a service: see rpc.h.
#include <stdlib.h>
#include <string.h>

#include "bus/rpc_internal.h"
#include "proto/sealed.h"

// The responder's refusal, if the reply is one.
static enum nova_status client_refusal(natsMsg *reply, struct error *err)
{
    const char *code = NULL, *text = NULL;
    if (natsMsgHeader_Get(reply, RPC_ERROR_CODE, &code) != NATS_OK)
        return NOVA_OK;
    if (natsMsgHeader_Get(reply, RPC_ERROR_TEXT, &text) != NATS_OK)
        text = "no text";
    long status = strtol(code, NULL, 10);
    if (status <= NOVA_OK || status > NOVA_UNAUTHENTICATED)
        status = NOVA_UNKNOWN;
    bool transient = status == NOVA_UNAVAILABLE || status == NOVA_ABORTED ||
                     status == NOVA_DEADLINE_EXCEEDED || status == NOVA_RESOURCE_EXHAUSTED;
    return transient ? error_set_transient(err, (enum nova_status)status, "%s", text)
                     : error_set(err, (enum nova_status)status, "%s", text);
}

enum nova_status rpc_answer_read(struct bytes *out, int64_t *position, natsMsg *reply,
                                 const char *service, struct arena *arena, struct error *err)
{
    if (!rpc_headers_are_whole(reply))
        return error_set(err, NOVA_INTERNAL, "%s answered with headers that are none", service);
    enum nova_status status = client_refusal(reply, err);
    if (status != NOVA_OK)
        return status;
    out->len = (size_t)natsMsg_GetDataLength(reply);
    out->data = arena_memdup(arena, natsMsg_GetData(reply), out->len);
    const char *text = NULL;
    struct rpc_position at = {0};
    if (natsMsgHeader_Get(reply, RPC_POSITION, &text) == NATS_OK &&
        !rpc_position_parse(&at, text, strlen(text)))
        return error_set(err, NOVA_INTERNAL, "%s answered with a malformed position", service);
    if (position != NULL)
        *position = at.position;
    return NOVA_OK;
}

enum nova_status rpc_failed(natsStatus s, const char *service, const char *method,
                            struct error *err)
{
    if (s == NATS_NO_RESPONDERS)
        return error_set_transient(err, NOVA_UNAVAILABLE,
                                   "nobody answers %s.%s: is the service running?", service,
                                   method);
    if (s == NATS_TIMEOUT)
        return error_set_transient(err, NOVA_DEADLINE_EXCEEDED, "%s.%s did not answer in time",
                                   service, method);
    if (s == NATS_MAX_PAYLOAD)
        return error_set(err, NOVA_INVALID_ARGUMENT, "the request is larger than the bus takes");
    return bus_error(err, s, "asking a service");
}

enum nova_status rpc_call_wire(struct bytes *out, int64_t *position,
                               struct bus_connection *connection, const char *service,
                               const char *method, struct bytes request,
                               const struct rpc_headers *headers, struct arena *arena,
                               struct error *err)
{
    struct rpc_headers sent = *headers;
    int64_t now_us = rpc_now_us();
    if (sent.deadline_us == 0)
        sent.deadline_us = now_us + (int64_t)RPC_DEADLINE_MS * 1000;
    int64_t wait_ms = (sent.deadline_us - now_us) / 1000;
    if (wait_ms <= 0)
        return error_set_transient(err, NOVA_DEADLINE_EXCEEDED, "the deadline had passed already");
    char subject[RPC_SUBJECT_BYTES];
    snprintf(subject, sizeof subject, RPC_SUBJECT_FORMAT, service, method);

    natsMsg *msg = NULL, *reply = NULL;
    natsStatus s =
        natsMsg_Create(&msg, subject, NULL, (const char *)request.data, (int)request.len);
    if (s != NATS_OK)
        return bus_error(err, s, "making a request");
    enum nova_status status = rpc_headers_write(msg, &sent, err);
    if (status == NOVA_OK) {
        s = natsConnection_RequestMsg(&reply, bus_connection_nats(connection), msg, wait_ms);
        status = s == NATS_OK ? rpc_answer_read(out, position, reply, service, arena, err)
                              : rpc_failed(s, service, method, err);
    }
    natsMsg_Destroy(msg);
    natsMsg_Destroy(reply);
    return status;
}

enum nova_status rpc_call(ProtobufCMessage **reply, int64_t *position,
                          struct bus_connection *connection, const char *service,
                          const char *method, const ProtobufCMessage *request,
                          const struct rpc_headers *headers, struct arena *arena, struct error *err)
{
    const struct contract_service *contract = contract_service_find(service);
    const ProtobufCMethodDescriptor *descriptor =
        contract == NULL ? NULL : contract_method_find(contract, method);
    if (descriptor == NULL)
        return error_set(err, NOVA_UNIMPLEMENTED, "no method %s.%s", service, method);
    struct bytes wire;
    enum nova_status status = rpc_call_wire(&wire, position, connection, service, method,
                                            message_pack(arena, request), headers, arena, err);
    if (status != NOVA_OK)
        return status;
    *reply = message_unpack(arena, descriptor->output, wire);
    if (*reply == NULL)
        return error_set(err, NOVA_INTERNAL, "the answer of %s.%s is no %s", service, method,
                         descriptor->output->short_name);
    return NOVA_OK;
}
