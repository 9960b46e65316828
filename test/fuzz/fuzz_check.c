// fuzz_check.c - any bytes as a request of any method: refused, or unpacked to what packs to the
// same meaning. What check_message lets through, protobuf-c must be able to unpack.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "proto/check.h"
#include "proto/contract.h"

static const ProtobufCMessageDescriptor *type_of(uint8_t choice)
{
    size_t count = 0;
    for (size_t i = 0; i < contract_service_count(); i++)
        count += contract_service_at(i)->descriptor->n_methods;
    size_t wanted = choice % count;
    for (size_t i = 0; i < contract_service_count(); i++) {
        const ProtobufCServiceDescriptor *service = contract_service_at(i)->descriptor;
        if (wanted < service->n_methods)
            return service->methods[wanted].input;
        wanted -= service->n_methods;
    }
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    if (size == 0)
        return 0;
    const ProtobufCMessageDescriptor *type = type_of(data[0]);
    struct bytes wire = {data + 1, size - 1};
    if (check_message(type, wire, &err) != NOVA_OK) {
        assert(err.status == NOVA_INVALID_ARGUMENT && err.text[0] != '\0');
        return 0;
    }
    ProtobufCMessage *message = protobuf_c_message_unpack(type, NULL, wire.len, wire.data);
    assert(message != NULL && message->n_unknown_fields == 0);
    size_t packed_len = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = malloc(packed_len + 1);
    assert(packed != NULL);
    protobuf_c_message_pack(message, packed);
    assert(check_message(type, (struct bytes){packed, packed_len}, &err) == NOVA_OK);
    free(packed);
    protobuf_c_message_free_unpacked(message, NULL);
    return 0;
}
