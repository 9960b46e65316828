// topology.h - the one table of streams, subjects and who may publish, call or read.
//
// NATS accounts and permissions, the streams' configuration and the boundary test come from it.
//
// Ownership: every text and row returned is static memory; an index is below its count.
// Threads:   any; nothing here changes after the program began.
#pragma once
#include <stdio.h>
#include <nats/nats.h>

#include "base/error.h"
#include "base/uuid.h"

// Streams: a service that has an outbox has one.
size_t topology_stream_count(void);
const char *topology_stream_service(size_t i);       // "identity"
const char *topology_stream_of(const char *service); // "NOVA_IDENTITY"; NULL: no such stream
void topology_stream_config(jsStreamConfig *out,
                            const char *service); // nats-facts E; static memory

// Signed checkpoints of every service's log, each on nova.audit.checkpoint.<service>: a stream
// beside the services' own, which keeps all that were published.
#define TOPOLOGY_CHECKPOINTS "NOVA_AUDIT"
enum { TOPOLOGY_CHECKPOINT_BYTES_MAX = 65536 }; // of one: a note of three lines, and signatures
void topology_checkpoints_config(jsStreamConfig *out);

// nova.evt.<service>.<event type>.<partition>: "nova.evt.identity.user.created.07"
enum { TOPOLOGY_SUBJECT_BYTES = 128, TOPOLOGY_PARTITIONS = 64 };
// The partition of an aggregate: fixed for ever (FNV-1a of the id's bytes modulo 64).
uint32_t topology_partition(const struct uuid *aggregate_id);
// DATA_LOSS when `type` is no <aggregate>.<event>: it came from outside, and NATS reads a subject's
// spaces and line ends as its own protocol.
MUST_CHECK enum nova_status topology_event_subject(char out[TOPOLOGY_SUBJECT_BYTES],
                                                   const char *service, const char *type,
                                                   const struct uuid *aggregate_id,
                                                   struct error *err);

// "nova.audit.checkpoint.content"
void topology_checkpoint_subject(char out[TOPOLOGY_SUBJECT_BYTES], const char *service);

// Consumers: which projection or reactor reads which stream with which durable.
struct topology_reader {
    const char *consumer; // "communication/message_sender_cache"
    const char *user;     // its NATS user: "communication_message_sender_cache"
    const char *source;   // "identity"
    const char *durable;  // "communication-message_sender_cache"
};
size_t topology_reader_count(void);
const struct topology_reader *topology_reader_at(size_t i);

// Verifiers: which services hear at once that a session ended (bus/verifier.h). The durable is
// filtered, and its permission is for that filter alone; it delivers to <delivers>.<feed>,
// which all of the service's processes hear.
#define TOPOLOGY_REVOKED_STREAM "NOVA_IDENTITY"
#define TOPOLOGY_REVOKED_SUBJECT "nova.evt.identity.session.revoked.*"
struct topology_verifier {
    const char *service;  // "content"
    const char *user;     // "content_service"
    const char *durable;  // "content-verifier"
    const char *delivers; // "nova.revoked.content"
};
size_t topology_verifier_count(void);
const struct topology_verifier *topology_verifier_at(size_t i);
const struct topology_verifier *topology_verifier_find(const char *service); // NULL: it is none

// Callers: which user may call which method. method "*" is all of the service.
struct topology_call {
    const char *user;    // "communication_service"
    const char *service; // "identity"
    const char *method;  // "GetUsers"
};
size_t topology_call_count(void);
const struct topology_call *topology_call_at(size_t i);

// Users of the NATS server, one per process kind.
size_t topology_user_count(void);
const char *topology_user_name(size_t i);
const char *topology_user_account(const char *user); // "BUS"; NULL: no such user
// What JetStream's API is called under for this user: "$JS.API" in BUS, else the imports' name;
// NULL: it may not ask JetStream at all.
const char *topology_api_prefix(const char *user);

// Writes the accounts, users and permissions that nats.conf includes. public_key gives each user's
// public nkey.
MUST_CHECK enum nova_status
topology_write_accounts(FILE *out, const char *(*public_key)(void *context, const char *user),
                        void *context, struct error *err);
