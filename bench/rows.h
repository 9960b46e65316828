// rows.h - events as rows of PostgreSQL's binary COPY, sealed as a service seals them.
//
// For filling an outbox with more events than commands could bring in the time, and for limits that
// write the same rows.
//
// Ownership: a struct rows owns its bytes; rows_clear keeps the memory for the next ones.
// Threads:   one at a time per struct.
#pragma once
#include "base/arena.h"
#include "base/seal.h"
#include "base/uuid.h"
#include "bench/tool.h"
#include "proto/contract.h"

struct rows {
    char *bytes;
    size_t len, room;
};
void rows_begin(struct rows *rows); // COPY's header; forgets what was there
void rows_end(struct rows *rows);   // COPY's trailer
void rows_free(struct rows *rows);

struct person {
    struct uuid id, key_id;
    struct seal_key key;
};
// A person with a new key, which lies wrapped in the service's person_key when rows are added.
void rows_person(struct person *out);
void rows_add_person_key(struct rows *rows, const struct person *person,
                         const struct seal_key *master);

// COPY's list of columns: those that a service may write.
#define ROWS_EVENT_COLUMNS                                                                         \
    "event_id, type, aggregate_type, aggregate_id, version, actor, command_id, command_index,"     \
    " command_digest, correlation_id, causation_id, occurred_at, payload"
#define ROWS_PERSON_KEY_COLUMNS "person_id, key_id, wrapped"

struct rows_event {
    const char *service, *type; // "content", "post.created"
    struct uuid aggregate_id, command_id;
    int64_t version;
    int32_t command_index;
    const struct person *person;
    ProtobufCMessage *payload;        // its `sealed` is set here
    const ProtobufCMessage *personal; // what is sealed
};
// `arena` holds the bytes meanwhile. Returns the payload's length.
size_t rows_add_event(struct rows *rows, const struct rows_event *event, struct arena *arena);

// A post of the author's whose payload has about `bytes` bytes; version 1 is post.created, all
// others are post.updated.
size_t rows_add_post(struct rows *rows, const struct uuid *post_id, int64_t version,
                     const struct uuid *command_id, int32_t command_index,
                     const struct person *author, size_t bytes, struct arena *arena);
// user.created of user number i, who is a new person.
size_t rows_add_user(struct rows *rows, const struct person *person, int64_t i,
                     struct arena *arena);

// Words as people use them, some often and most seldom, of `bytes` bytes; in the arena.
char *rows_words(struct arena *arena, size_t bytes);
struct uuid rows_random_id(void); // version 4, as a client's
