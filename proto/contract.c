// contract.c - see contract.h. The tables come from contract.def and the generated descriptors.
#include "proto/contract.h"

#include <assert.h>
#include <string.h>

#include "nova/communication/v2/communication.pb-c.h"
#include "nova/content/v2/content.pb-c.h"
#include "nova/identity/v2/identity.pb-c.h"
#include "nova/search/v2/search.pb-c.h"

static const struct contract_service services[] = {
    {"identity", &nova__identity__v2__identity__descriptor},
    {"content", &nova__content__v2__content__descriptor},
    {"communication", &nova__communication__v2__communication__descriptor},
    {"search", &nova__search__v2__search__descriptor},
};

#define PAYLOAD(service, aggregate, event)                                                         \
    &nova__##service##__v2__##aggregate##_##event##__descriptor
#define PERSONAL(service, aggregate, event)                                                        \
    &nova__##service##__v2__##aggregate##_##event##_personal__descriptor
static const struct contract_event events[] = {
#define SEALED(service, aggregate, event)                                                          \
    {#service, #aggregate, #aggregate "." #event, PAYLOAD(service, aggregate, event),              \
     PERSONAL(service, aggregate, event)},
#define PLAIN(service, aggregate, event)                                                           \
    {#service, #aggregate, #aggregate "." #event, PAYLOAD(service, aggregate, event), NULL},
#include "proto/contract.def"
#undef SEALED
#undef PLAIN
};

size_t contract_service_count(void)
{
    return sizeof services / sizeof *services;
}

const struct contract_service *contract_service_at(size_t i)
{
    assert(i < contract_service_count());
    return &services[i];
}

const struct contract_service *contract_service_find(const char *name)
{
    for (size_t i = 0; i < contract_service_count(); i++)
        if (strcmp(services[i].name, name) == 0)
            return &services[i];
    return NULL;
}

const ProtobufCMethodDescriptor *contract_method_find(const struct contract_service *service,
                                                      const char *method)
{
    return protobuf_c_service_descriptor_get_method_by_name(service->descriptor, method);
}

bool contract_is_secret(const ProtobufCFieldDescriptor *field)
{
    static const char end[] = "_password";
    size_t len = strlen(field->name);
    return field->type == PROTOBUF_C_TYPE_STRING && field->label != PROTOBUF_C_LABEL_REPEATED &&
           (strcmp(field->name, end + 1) == 0 ||
            (len > strlen(end) && strcmp(field->name + len - strlen(end), end) == 0));
}

const ProtobufCMessage *contract_without_secret(struct arena *arena,
                                                const ProtobufCMessage *request)
{
    const ProtobufCMessageDescriptor *type = request->descriptor;
    const char *empty = protobuf_c_empty_string;
    char *copy = NULL;
    for (unsigned i = 0; i < type->n_fields; i++) {
        if (!contract_is_secret(&type->fields[i]))
            continue;
        if (copy == NULL)
            copy = arena_memdup(arena, request, type->sizeof_message);
        memcpy(copy + type->fields[i].offset, &empty, sizeof empty);
    }
    return copy == NULL ? request : (const ProtobufCMessage *)(const void *)copy;
}

size_t contract_event_count(void)
{
    return sizeof events / sizeof *events;
}

const struct contract_event *contract_event_at(size_t i)
{
    assert(i < contract_event_count());
    return &events[i];
}

const struct contract_event *contract_event_find(const char *service, const char *type)
{
    for (size_t i = 0; i < contract_event_count(); i++)
        if (strcmp(events[i].type, type) == 0 && strcmp(events[i].service, service) == 0)
            return &events[i];
    return NULL;
}

static Nova__Common__V1__Sealed **contract_sealed_field(const struct contract_event *event,
                                                        const ProtobufCMessage *payload)
{
    assert(payload->descriptor == event->payload);
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(event->payload, "sealed");
    if (field == NULL)
        return NULL;
    assert(field->type == PROTOBUF_C_TYPE_MESSAGE);
    return (Nova__Common__V1__Sealed **)((char *)payload + field->offset);
}

Nova__Common__V1__Sealed *contract_sealed_of(const struct contract_event *event,
                                             const ProtobufCMessage *payload)
{
    Nova__Common__V1__Sealed **field = contract_sealed_field(event, payload);
    return field == NULL ? NULL : *field;
}

void contract_sealed_put(const struct contract_event *event, ProtobufCMessage *payload,
                         Nova__Common__V1__Sealed *sealed)
{
    Nova__Common__V1__Sealed **field = contract_sealed_field(event, payload);
    assert(field != NULL);
    *field = sealed;
}
