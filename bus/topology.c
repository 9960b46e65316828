// topology.c - see topology.h; the table itself is topology.def.
#include "bus/topology.h"

#include <assert.h>
#include <string.h>

#include "base/limits.h"
#include "bus/cloudevents.h"
#include "bus/topology_internal.h"

#define USER(...)
#define STREAM(...)
#define READER(...)
#define VERIFIER(...)
#define CALL(...)

#undef STREAM
static const struct {
    const char *service, *name, *subjects;
} streams[] = {
#define STREAM(service, upper) {#service, "NOVA_" #upper, "nova.evt." #service ".>"},
#include "bus/topology.def"
};
#undef STREAM
#define STREAM(...)

#undef READER
static const struct topology_reader readers[] = {
#define READER(service, consumer, source)                                                          \
    {#service "/" #consumer, #service "_" #consumer, #source, #service "-" #consumer},
#include "bus/topology.def"
};
#undef READER
#define READER(...)

#undef VERIFIER
static const struct topology_verifier verifiers[] = {
#define VERIFIER(service)                                                                          \
    {#service, #service "_service", #service "-verifier", "nova.revoked." #service},
#include "bus/topology.def"
};
#undef VERIFIER
#define VERIFIER(...)

#undef CALL
static const struct topology_call calls[] = {
#define CALL(user, service, method) {#user, #service, #method},
#include "bus/topology.def"
};
#undef CALL
#define CALL(...)

#undef USER
static const struct topology_user users[] = {
#define USER(account, name, kind) {#name, TOPOLOGY_##account, TOPOLOGY_##kind},
#include "bus/topology.def"
};

#define COUNT(array) (sizeof array / sizeof *array)

size_t topology_stream_count(void)
{
    return COUNT(streams);
}

const char *topology_stream_service(size_t i)
{
    assert(i < COUNT(streams));
    return streams[i].service;
}

const char *topology_stream_of(const char *service)
{
    for (size_t i = 0; i < COUNT(streams); i++)
        if (strcmp(streams[i].service, service) == 0)
            return streams[i].name;
    return NULL;
}

// What no stream of ours ever does: forget by itself, or let anybody delete.
static void keeps_everything(jsStreamConfig *out, const char *name, const char **subject)
{
    jsStreamConfig_Init(out);
    out->Name = name;
    out->Subjects = subject;
    out->SubjectsLen = 1;
    out->Retention = js_LimitsPolicy;
    out->MaxConsumers = out->MaxMsgs = out->MaxBytes = out->MaxMsgsPerSubject = -1;
    out->Discard = js_DiscardNew;
    out->Storage = js_FileStorage;
    out->Replicas = 1;
    out->Duplicates = 100000000; // the shortest: nothing depends on it
    out->DenyDelete = out->DenyPurge = out->AllowDirect = true;
}

void topology_stream_config(jsStreamConfig *out, const char *service)
{
    static const char *subjects[COUNT(streams)];
    size_t i = 0;
    while (i < COUNT(streams) && strcmp(streams[i].service, service) != 0)
        i++;
    assert(i < COUNT(streams));
    subjects[i] = streams[i].subjects;
    keeps_everything(out, streams[i].name, &subjects[i]);
    out->MaxMsgSize = BUS_PAYLOAD_BYTES_MAX;
}

void topology_checkpoints_config(jsStreamConfig *out)
{
    static const char *subject = "nova.audit.checkpoint.*";
    keeps_everything(out, TOPOLOGY_CHECKPOINTS, &subject);
    out->MaxMsgSize = TOPOLOGY_CHECKPOINT_BYTES_MAX;
}

void topology_checkpoint_subject(char out[TOPOLOGY_SUBJECT_BYTES], const char *service)
{
    int len = snprintf(out, TOPOLOGY_SUBJECT_BYTES, "nova.audit.checkpoint.%s", service);
    assert(len > 0 && len < TOPOLOGY_SUBJECT_BYTES);
}

uint32_t topology_partition(const struct uuid *aggregate_id)
{
    uint64_t hash = 14695981039346656037u; // FNV-1a
    for (size_t i = 0; i < sizeof aggregate_id->bytes; i++)
        hash = (hash ^ aggregate_id->bytes[i]) * 1099511628211u;
    return (uint32_t)(hash % TOPOLOGY_PARTITIONS);
}

enum nova_status topology_event_subject(char out[TOPOLOGY_SUBJECT_BYTES], const char *service,
                                        const char *type, const struct uuid *aggregate_id,
                                        struct error *err)
{
    if (!event_type_is_good(type))
        return error_set(err, NOVA_DATA_LOSS, "type: it is no <aggregate>.<event> of at most %d",
                         EVENT_TYPE_BYTES_MAX);
    int len = snprintf(out, TOPOLOGY_SUBJECT_BYTES, "nova.evt.%s.%s.%02u", service, type,
                       topology_partition(aggregate_id));
    assert(len > 0 && len < TOPOLOGY_SUBJECT_BYTES); // services are the table's own
    return NOVA_OK;
}

size_t topology_reader_count(void)
{
    return COUNT(readers);
}

const struct topology_reader *topology_reader_at(size_t i)
{
    assert(i < COUNT(readers));
    return &readers[i];
}

size_t topology_verifier_count(void)
{
    return COUNT(verifiers);
}

const struct topology_verifier *topology_verifier_at(size_t i)
{
    assert(i < COUNT(verifiers));
    return &verifiers[i];
}

const struct topology_verifier *topology_verifier_find(const char *service)
{
    for (size_t i = 0; i < COUNT(verifiers); i++)
        if (strcmp(verifiers[i].service, service) == 0)
            return &verifiers[i];
    return NULL;
}

size_t topology_call_count(void)
{
    return COUNT(calls);
}

const struct topology_call *topology_call_at(size_t i)
{
    assert(i < COUNT(calls));
    return &calls[i];
}

size_t topology_user_count(void)
{
    return COUNT(users);
}

const struct topology_user *topology_user_at(size_t i)
{
    assert(i < COUNT(users));
    return &users[i];
}

const char *topology_user_name(size_t i)
{
    return topology_user_at(i)->name;
}

const char *topology_user_account(const char *user)
{
    static const char *const names[] = {[TOPOLOGY_BUS] = "BUS",
                                        [TOPOLOGY_SERVICES] = "SERVICES",
                                        [TOPOLOGY_OPERATORS] = "OPERATORS",
                                        [TOPOLOGY_AUDITORS] = "AUDITORS",
                                        [TOPOLOGY_SUBSCRIBERS] = "SUBSCRIBERS"};
    for (size_t i = 0; i < COUNT(users); i++)
        if (strcmp(users[i].name, user) == 0)
            return names[users[i].account];
    return NULL;
}

const char *topology_api_prefix(const char *user)
{
    const char *account = topology_user_account(user);
    if (account == NULL || strcmp(account, "SUBSCRIBERS") == 0)
        return NULL;
    return strcmp(account, "BUS") == 0 ? "$JS.API" : "JS.BUS.API";
}
