// runtime.h - carries out commands: load, decide, append, in one PostgreSQL transaction.
//
//   look up (actor, command id) -> seen before: answer again by reply(events), nothing is stored
//   look up facts -> name the targets -> load them (snapshot and events) -> decide
//   seal the personal parts -> append with versions -> inline tables -> COMMIT -> reply(events)
//
// Another writer first at the same version or the same unique fact: everything starts again on the
// new state, RUNTIME_ATTEMPTS_MAX times at most.
//
// Ownership: borrows pg and the master key, which must outlive the runtime. What an outcome points
//            to lives in the arena of the call.
// Threads:   one at a time per runtime; each worker has its own.
// Errors:    a rejection's status with "<NAME>: <text>", after COMMIT where the command's reply
//            says so (a stolen token: its events end the session, its answer is no);
//            FAILED_PRECONDITION when a command id comes again with another payload; ABORTED
//            (transient) after too many lost races; UNAVAILABLE (transient) when PostgreSQL is
//            away. After a failed COMMIT nobody knows: the same command id again finds out.
// Bounds:    RUNTIME_ATTEMPTS_MAX attempts, EVENT_PAYLOAD_BYTES_MAX a payload,
//            COMMANDS_TOGETHER_MAX commands a transaction.
#pragma once
#include "aggregates/core/aggregate.h"
#include "base/seal.h"
#include "pg/pg.h"

enum { RUNTIME_SNAPSHOT_EVENTS = 256 }; // a snapshot each so many events of an aggregate

// What the runtime refuses by itself, before or behind decide: REJECTION(name, status, text).
#define RUNTIME_REJECTIONS(REJECTION)                                                              \
    REJECTION(COMMAND_ID_TAKEN, FAILED_PRECONDITION,                                               \
              "this command id was used for another request; use a new one")                       \
    REJECTION(EVENT_TOO_LARGE, INVALID_ARGUMENT,                                                   \
              "an event of this command would have more than 1000000 bytes")                       \
    REJECTION(ID_OF_ANOTHER_KIND, INVALID_ARGUMENT, "that id is another aggregate's")

enum runtime_rejection {
#define REJECTION(name, status, text) RUNTIME_##name,
    RUNTIME_REJECTIONS(REJECTION)
#undef REJECTION
        RUNTIME_REJECTION_COUNT
};
extern const struct rejection runtime_rejections[RUNTIME_REJECTION_COUNT];

struct runtime;

// Prepares nothing yet; a wrong role or schema shows at the first command.
MUST_CHECK enum nova_status runtime_create(struct runtime **out, const char *service, struct pg *pg,
                                           const struct seal_key *master, struct error *err);
void runtime_destroy(struct runtime **runtime);

struct command {
    const struct command_rule *rule;
    const struct caller *caller;
    const ProtobufCMessage *request;
    struct bytes wire; // the request as it came: its digest tells a repeat from another payload,
                       // but for a password, which is in no digest (digest.h)
    struct uuid command_id;     // nil: a new one
    struct uuid correlation_id; // nil: the command's id
    struct uuid causation_id;   // nil: the command's id
    bool has_occurred_at;       // false: it happens now
    int64_t occurred_at_us;
    const char *traceparent; // NULL: none
};

// What a service adds to a command, inside its transaction. Every function may be NULL.
struct runtime_hooks {
    void *context;
    // Looks up what decide must know beyond the aggregates: run at each attempt.
    enum nova_status (*look_up)(void *context, const struct command *command, struct pg *pg,
                                struct arena *arena, const void **facts, struct error *err);
    // Writes inline tables (uniqueness, authentication) after decide accepted.
    enum nova_status (*write_inline)(void *context, const struct command *command,
                                     const struct decision *decision, struct pg *pg,
                                     struct error *err);
    // A command id that was seen before: whether the request's password, which the digest leaves
    // out, is right for what happened then (`first` is its first event). Takes the same time
    // either way. NULL: this service's requests hold none.
    enum nova_status (*secret_matches)(void *context, bool *out, const struct recorded *first,
                                       struct pg *pg, struct arena *arena, struct error *err);
};

struct outcome {
    ProtobufCMessage *reply; // in the arena
    int64_t position;        // of the command's last event; 0: no event
    uint32_t event_count;    // also of a command that was answered by a rejection after COMMIT
    bool repeated;           // the command had been carried out before
};

// Returns after COMMIT, or with nothing stored; out->reply is NULL on an error.
MUST_CHECK enum nova_status runtime_execute(struct outcome *out, struct runtime *runtime,
                                            const struct command *command,
                                            const struct runtime_hooks *hooks, struct arena *arena,
                                            struct error *err);

// One of several commands that wait. `command`, `arena` and `context` are the caller's, all else is
// zero at first.
struct execution {
    const struct command *command;
    struct arena *arena;
    void *context;
    // Out, once it is done:
    bool done;
    enum nova_status status; // what runtime_execute would return
    struct outcome outcome;
    struct error err; // of a status that is not NOVA_OK
    // The runtime's own:
    bool alone;             // it goes by itself
    struct uuid appends_to; // known once it was decided; nil before
};

// Carries out several commands without hooks, in one transaction those that can go together
// (group.h): what is done moves to the end of `executions`, what is left stays at the front, in its
// order. Returns how many are left: call again with these. One that meets another writer, a
// repeated command id, or anything else out of the ordinary, changes nothing for the others and
// goes by itself in a later call, as runtime_execute does it; so does a single one. Each call ends
// at least one or marks it to go alone. When the connection is lost while a transaction ends, each
// of its commands is UNAVAILABLE, and only its own id finds out.
MUST_CHECK size_t runtime_execute_together(struct execution **executions, size_t count,
                                           struct runtime *runtime);

// Loads one aggregate's events with their personal parts opened, for queries that the owner answers
// from its own log. Personal parts whose key was erased are NULL. `events` in version order.
struct opened_event {
    struct recorded recorded;
    const ProtobufCMessage *personal;
};
MUST_CHECK enum nova_status runtime_read_many(struct opened_event **events, size_t *count,
                                              struct runtime *runtime, const struct uuid *ids,
                                              size_t id_count, struct arena *arena,
                                              struct error *err);
// The same of the first event of each: what there is to say of something since it began, however
// many events it has.
MUST_CHECK enum nova_status runtime_read_first(struct opened_event **events, size_t *count,
                                               struct runtime *runtime, const struct uuid *ids,
                                               size_t id_count, struct arena *arena,
                                               struct error *err);

// The keys for GetPersonKeys, unwrapped; those erased or unknown are left out.
struct person_key {
    struct uuid key_id;
    struct seal_key key;
};
MUST_CHECK enum nova_status runtime_person_keys(struct person_key **keys, size_t *count,
                                                struct runtime *runtime, const struct uuid *key_ids,
                                                size_t key_id_count, struct arena *arena,
                                                struct error *err);
// Erases a person's key: whatever it sealed stays sealed for ever. Inside the caller's transaction.
MUST_CHECK enum nova_status runtime_person_erase(struct runtime *runtime,
                                                 const struct uuid *person_id, struct error *err);
