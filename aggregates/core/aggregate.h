// aggregate.h - what an aggregate is: decide, evolve and reply, three functions without I/O.
//
//   decide(state, command) -> events | rejection
//   evolve(state, event)   -> state
//   reply(events)          -> answer
//
// A state is a flat struct without pointers and holds nothing personal (docs/decisions/0003): so it
// can be a snapshot, and forgetting a person never needs to look into one. Personal data goes
// beside an event's payload as a message of its own with the person it belongs to; the runtime
// seals it.
//
// Ownership: everything a decision holds or emits lives in its arena or is borrowed from the
// request. Threads:   pure functions; safe from any thread on different decisions. Errors: decide
// answers NULL or a rejection, a constant of its service's table. What only our own
//            bug can cause is an assert.
#pragma once
#include "aggregates/core/state.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/uuid.h"
#include "proto/contract.h"

// Who asks. `actor` is what events will carry (docs/decisions/0004).
enum caller_kind {
    CALLER_ANONYMOUS, // only Register and Login
    CALLER_USER,
    CALLER_IMPORTER, // may act for users, and set when it happened
    CALLER_OPERATOR, // may act for users
    CALLER_SERVICE,
};
enum { CALLER_ACTOR_BYTES = 128 };
struct caller {
    enum caller_kind kind;
    struct uuid user_id; // whom it acts as; nil: as nobody in particular
    char actor[CALLER_ACTOR_BYTES];
};
// True for the user, and for an operator or importer that acts for that user or for nobody.
bool caller_is(const struct caller *caller, const struct uuid *user_id);
bool caller_is_privileged(const struct caller *caller); // operator or importer

// Why a command was refused: a business rule with a name. One X-macro list a service.
struct rejection {
    const char *name; // "EMAIL_TAKEN"
    enum nova_status status;
    const char *text; // "that e-mail address is taken"
};

// An event as evolve and reply see it.
struct recorded {
    const struct contract_event *type;
    const ProtobufCMessage *payload; // of type->payload; `sealed` is not to be looked at
    struct uuid aggregate_id;
    int64_t version;
    int64_t occurred_at_us;
};

struct aggregate_type {
    const char *service;
    const char *name; // "user"
    uint32_t state_bytes;
    uint32_t state_version; // raise it when the state's struct or evolve changes (decision 0006)
    void (*evolve)(void *state, const struct recorded *event); // a new state is all zero
    const struct state_field *fields; // what the state consists of, for people
    uint32_t field_count;
};

struct aggregate {
    const struct aggregate_type *type;
    struct uuid id;
    int64_t version; // 0: it does not exist yet
    void *state;
};

struct target {
    const struct aggregate_type *type;
    struct uuid id;
};
// The aggregates a command works on: those it appends to and those it only reads. All zero but for
// the arena: none.
struct targets {
    struct arena *arena;
    uint32_t count, room;
    struct target *at; // grows in the arena: nearly every command has one or two
};
// Adds one and returns its place, which is its place in decision.aggregates. More than TARGETS_MAX:
// assert.
uint32_t targets_add(struct targets *targets, const struct aggregate_type *type,
                     const struct uuid *id);

struct pending_event {
    const struct contract_event *type;
    struct aggregate *aggregate;
    int64_t version;
    ProtobufCMessage *payload;
    const ProtobufCMessage *personal; // NULL: nothing personal
    struct uuid person_id;
};

struct decision {
    const struct caller *caller;
    const ProtobufCMessage *request; // checked by proto/check.h: UTF-8, ids are UUIDs or empty
    const void
        *facts; // what the service looked up in this transaction; the command's header says what
    struct uuid
        new_id; // for what the command creates when the request names no id; same at every retry
    int64_t now_us;               // when the command happens: occurred_at of its events
    struct aggregate *aggregates; // in the order of targets
    uint32_t aggregate_count;
    struct arena *arena;
    struct pending_event *events; // grows in the arena
    uint32_t event_count, event_room;
    // Without an event: inline tables are to be written all the same. Such a command is not known
    // again by its id: what it writes must be so that a repeat changes nothing.
    bool writes_inline;
};

// Appends an event to the aggregate and evolves its state by it. `event` is a type of the contract
// ("user.created"), payload a message of it in the arena. personal NULL: nothing personal.
void decision_emit(struct decision *decision, struct aggregate *aggregate, const char *event,
                   ProtobufCMessage *payload, const ProtobufCMessage *personal,
                   const struct uuid *person_id);

// What a command's events answer. The same events give the same answer, years later.
struct reply {
    const struct recorded *events; // those of this command, in order
    uint32_t event_count;
    struct arena *arena;
    // What was decided just now, for a command that may leave no event; NULL: it is answered again.
    const struct decision *decision;
    ProtobufCMessage *message;         // out: in the arena
    const struct rejection *rejection; // out, instead: the events stay, and the answer is this
};

// A command of a contract: one line in its service's table.
struct command_rule {
    const char *method; // "CreatePost"
    const struct rejection *(*target)(struct targets *targets, const struct decision *decision);
    const struct rejection *(*decide)(struct decision *decision);
    void (*reply)(struct reply *reply);
};

// Parses an id of a checked request or of an event: nil when empty, and for what is none, which
// only a row that no service of ours wrote can hold.
struct uuid id_parse(const char *text);
// Its text in the arena.
char *id_text(struct arena *arena, const struct uuid *id);
// A new message of a type in the arena, initialised: `Nova__X *m = message_new(arena,
// &x__descriptor)`.
void *message_new(struct arena *arena, const ProtobufCMessageDescriptor *type);
