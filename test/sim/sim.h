// sim.h - a simulated Nova: the product's own machines (settle, relay_state, inbox_state) over
// models of PostgreSQL and of JetStream, in one thread on simulated time, everything drawn from one
// seed. What must hold is checked at each step; what a rule is worth is shown by taking it out.
//
//   writers --append rules--> outbox --relays--> stream --durable--> consumers --> read model
//
// After the manner of FoundationDB (Zhou et al., SIGMOD 2021) and of TigerBeetle's simulator.
//
// The models are harsher than the servers where they differ: a publish that nobody waits for any
// more may still arrive, acknowledgements are lost, deliveries are lost, repeated and late.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "inbox/inbox_state.h"
#include "outbox-relay/relay_state.h"

enum {
    POSITIONS = 480, // an outbox's room; a history ends when it is full
    MESSAGES = POSITIONS,
    AGGREGATES = 128,
    COMMANDS = 4096,
    EVENTS = 4096, // ever written, also those that were rolled back
    WRITERS = 4,
    RELAYS = 2,
    CONSUMERS = 2, // instances of one consumer
    ROWS_PER_COMMAND = 3,
    LOOK_ROWS = 64,
    FLIGHT = 256, // publishes under way
    BATCH = 24,
    SEQUENCE_AHEAD = 32, // values that PostgreSQL logs a sequence ahead
};

// ---- rules --------------------------------------------------------------------------------------

// Every rule of the product that the suite takes out once: X(where it stands, name).
#define SIM_RULES(X)                                                                               \
    X(settle, NOTE_ALL_WRITERS)                                                                    \
    X(settle, WAIT_FOR_WRITERS)                                                                    \
    X(settle, LAST_READ)                                                                           \
    X(settle, HORIZON)                                                                             \
    X(settle, STOP_AT_HOLE)                                                                        \
    X(relay, LEASE)                                                                                \
    X(relay, EXPECT)                                                                               \
    X(relay, RESYNC)                                                                               \
    X(relay, HOLES)                                                                                \
    X(relay, CONFIG)                                                                               \
    X(relay, VERIFY)                                                                               \
    X(relay, SUSPECT)                                                                              \
    X(relay, ROLL)                                                                                 \
    X(relay, ORDER)                                                                                \
    X(relay, EVENT)                                                                                \
    X(relay, KEEP)                                                                                 \
    X(relay, RESET)                                                                                \
    X(relay, PAUSE)                                                                                \
    X(relay, GUARD)                                                                                \
    X(inbox, SKIP)                                                                                 \
    X(inbox, JUMP)                                                                                 \
    X(inbox, IDLE)                                                                                 \
    X(inbox, PLACE)                                                                                \
    X(inbox, AGAIN)                                                                                \
    X(inbox, LOG)                                                                                  \
    X(inbox, EVENT)                                                                                \
    X(inbox, TRANSIENT)                                                                            \
    X(inbox, ALONE)                                                                                \
    X(inbox, BEHIND)                                                                               \
    X(inbox, LIMIT)                                                                                \
    X(inbox, MOVED)                                                                                \
    X(sql, VERSION)        /* (aggregate, version) is unique */                                    \
    X(sql, COMMAND)        /* the first event of a command is unique by its id */                  \
    X(sql, SYNC)           /* a commit is on disk before it is visible */                          \
    X(sql, HOLDERS_LAST)   /* a look reads the rows first, the lock holders last */                \
    X(sql, ONE_BATCH)      /* a command's events are committed together */                         \
    X(sql, CHECKPOINT)     /* the checkpoint moves in the read model's transaction */              \
    X(sql, EXPECTED_PLACE) /* and only from where the machine believes it */                       \
    X(sql, FENCE)          /* and only under the newest lease */                                   \
    X(bus, MAX_WAIT)       /* a publish without an answer fails after a time */                    \
    X(bus, FROM_LAST)      /* a reader begins at the checkpoint */

// Rules that streams as short as these do not need, since a relay looks for its last
// RELAY_SUSPECT_MAX messages in the outbox whenever the lease changed hands:
// test/unit/test_relay_state.c holds them.
//
// bus.DURABLE_AHEAD: a durable that is ahead of its stream is made again. nats-server delivers from
// it once the stream has grown past it, so nothing is lost without the rule; it is for a consumer
// that says what it waits for. test/integration/outbox_hazards_test.py holds it.
#define SIM_RULES_ELSEWHERE(X) X(relay, LOG) X(relay, COUNT) X(bus, SAME_END) X(bus, DURABLE_AHEAD)

#define SIM_RULE_NAME(where, name) RULE_##where##_##name,
enum sim_rule {
    RULE_NONE,
    SIM_RULES(SIM_RULE_NAME) RULE_COUNT,
    SIM_RULES_ELSEWHERE(SIM_RULE_NAME)
};
#undef SIM_RULE_NAME

extern enum sim_rule sim_rule_taken_out;
#define SIM_RULE(where, name) (sim_rule_taken_out != RULE_##where##_##name)

const char *sim_rule_name(enum sim_rule rule); // "relay.EXPECT"

// ---- faults -------------------------------------------------------------------------------------

#define SIM_FAULTS(X)                                                                              \
    X(ROLLBACK)                                                                                    \
    X(STUCK_WRITER)                                                                                \
    X(LOST_COMMIT)                                                                                 \
    X(TWIN_COMMAND)                                                                                \
    X(PG_CRASH)                                                                                    \
    X(PG_RESTORE)                                                                                  \
    X(RELAY_KILL)                                                                                  \
    X(RELAY_PAUSE)                                                                                 \
    X(OPERATOR_PAUSE)                                                                              \
    X(LOST_ACK)                                                                                    \
    X(NATS_KILL)                                                                                   \
    X(NATS_LEADER)                                                                                 \
    X(NATS_WIPE)                                                                                   \
    X(LOST_TAIL)                                                                                   \
    X(LOST_BLOCK)                                                                                  \
    X(BIT_FLIP)                                                                                    \
    X(ZEROED_TAIL)                                                                                 \
    X(SWAPPED_BLOCK)                                                                               \
    X(FOREIGN)                                                                                     \
    X(TRIMMED)                                                                                     \
    X(CONSUMER_KILL)                                                                               \
    X(TAKE_OVER)                                                                                   \
    X(REDELIVER)                                                                                   \
    X(LOST_DELIVERY)                                                                               \
    X(DURABLE_GONE)                                                                                \
    X(TRANSIENT)                                                                                   \
    X(LOST_ANSWER)                                                                                 \
    X(OLD_READ_MODEL)                                                                              \
    X(POISON)                                                                                      \
    X(OPERATOR_CUT)

#define SIM_FAULT_NAME(name) FAULT_##name,
enum sim_fault { SIM_FAULTS(SIM_FAULT_NAME) FAULT_COUNT };
#undef SIM_FAULT_NAME

const char *sim_fault_name(enum sim_fault fault);

// ---- PostgreSQL: one service's outbox -----------------------------------------------------------

enum row_state { ROW_NONE, ROW_OPEN, ROW_COMMITTED };

struct row {
    uint8_t state;
    uint8_t log;
    uint16_t aggregate;
    uint16_t version;
    uint16_t command;
    uint16_t event; // stands for its id
    bool first;     // of its command
    bool flushed;
};

struct outbox_model {
    struct row rows[POSITIONS + 1];
    int64_t next;                        // the sequence
    int64_t next_flushed;                // as the last commit wrote it to disk
    int16_t version_at[AGGREGATES][256]; // position of (aggregate, version); 0: none
    int16_t command_at[COMMANDS];        // position of a command's first event; 0: none
    uint16_t version_of[AGGREGATES];     // the last committed
    uint8_t log;
};

struct pg {
    struct outbox_model outbox, backup;
    bool has_backup;
    uint32_t epoch; // grows with each crash and restore: connections do not survive
    uint32_t restores;
    uint64_t transactions;
    int64_t up_ms; // from then on it answers
    uint32_t lease_owner;
    int64_t lease_until_ms;
    bool paused;   // by the operator
    bool restored; // by ./nova restore: nobody may append before a relay saw that it agrees
    // What a read model holds, and its checkpoint.
    struct {
        uint8_t fate[EVENTS]; // by event
        struct inbox_checkpoint checkpoint;
        uint16_t applied_version[AGGREGATES];
        bool parked[AGGREGATES];
        uint16_t parked_order[AGGREGATES];
        uint32_t parked_count;
        uint8_t log; // of the first event it took
        uint32_t epoch;
    } model, old_model;
    bool has_old_model;
};

enum fate { FATE_NONE, FATE_APPLIED, FATE_PARKED };

// ---- JetStream: one stream and one durable ------------------------------------------------------

struct message {
    int16_t n, position;
    uint16_t event;
    uint8_t log;
    bool there, readable, ours;
    bool moved; // by damage, which may come behind a reading
};

struct publish {
    uint8_t relay;
    uint32_t life;     // of the relay's process
    uint32_t restores; // of PostgreSQL, when its row was read
    int16_t expected_n;
    struct message message;
};

enum delivery { DELIVERY_NONE, DELIVERY_PENDING, DELIVERY_AGAIN };

struct durable {
    bool exists;
    int64_t next, delivered, ack_floor, deliveries, acked_delivery;
    uint8_t state[MESSAGES + 2];    // enum delivery, by message: delivered and not acknowledged
    uint32_t again_count;           // of those whose time is over
    int16_t delivery[MESSAGES + 2]; // number of the first one, of those
};

struct nats {
    struct message messages[MESSAGES + 2];
    int64_t first, last, flushed, messages_there;
    int64_t limit; // 0: none; an administrator's max_msgs
    bool spoiled;  // its end is a number without a message: what is stored behind cannot be read
    struct publish flight[FLIGHT], late[FLIGHT];
    uint32_t flight_count, late_count;
    uint32_t epoch; // grows with each restart
    int64_t up_ms;
    struct durable durable,
        durable_kept; // kept: as it was written last, and comes back after a kill
};

// ---- actors -------------------------------------------------------------------------------------

struct writer {
    uint64_t transaction; // 0: holds no lock
    uint16_t command, aggregate, version, count, inserted;
    int64_t reserved; // the position of an INSERT that waits for another's row; 0: none does
    int16_t positions[ROWS_PER_COMMAND];
    uint32_t pg_epoch;
    int64_t wake_ms;
};

struct relay {
    struct relay_state state;
    uint32_t owner, life, pg_epoch, nats_epoch;
    int64_t wake_ms;
    bool looking; // between the rows and the lock holders of a look
    struct {
        int16_t position;
        uint16_t event;
        uint8_t log;
    } seen[LOOK_ROWS]; // as they were read
    uint32_t seen_count, seen_restores;
    uint64_t holders[WRITERS];
    uint32_t holder_count;
    uint32_t in_flight, lost_answers;
    int64_t lost_since_ms, acknowledged, known_n;
    bool failed; // a publish was refused, or not answered
    bool lease_refused, told_paused;
};

struct consumer {
    struct inbox_state state;
    uint32_t epoch, pg_epoch, nats_epoch;
    int64_t wake_ms;
    int64_t last_n;        // the last message that its reader gave out
    int64_t last_delivery; // its number
    struct inbox_seen batch[BATCH];
    struct {
        uint16_t event;
        uint8_t log;
    } what[BATCH]; // of the batch
    bool running;
};

struct world {
    uint64_t seed, random;
    uint32_t faults_on; // bit by fault
    bool wide;          // many aggregates, and every handler fails
    bool quiet;         // the faults are over
    uint32_t aggregates, writers;
    int64_t now_ms;
    struct pg pg;
    struct nats nats;
    struct writer writer[WRITERS];
    struct relay relay[RELAYS];
    struct consumer consumer[CONSUMERS];
    uint32_t active; // the consumer that holds the newest lease
    uint32_t commands, events, owners;
    uint16_t event_aggregate[EVENTS], event_version[EVENTS];
    uint8_t acknowledged[COMMANDS], command_events[COMMANDS];
    enum { OPERATOR_IDLE, OPERATOR_LOG, OPERATOR_STREAM, OPERATOR_PROJECTIONS } operator_at;
    uint32_t operator_lease; // 0: none
    int64_t operator_wake_ms;
    uint64_t ticks, steps; // of the clock; of those, the ones in which somebody did something
    uint32_t faults_done[FAULT_COUNT];
    bool trace;
    char broken[160]; // what does not hold; empty: everything does
};

// ---- chance and words ---------------------------------------------------------------------------

static inline uint32_t draw(struct world *world, uint32_t below) // xorshift64*
{
    world->random ^= world->random >> 12;
    world->random ^= world->random << 25;
    world->random ^= world->random >> 27;
    return (uint32_t)(((world->random * 0x2545F4914F6CDD1Dull) >> 32) * below >> 32);
}

// One in so many, while the faults last and this one is among them.
bool sim_fault(struct world *world, enum sim_fault fault, uint32_t one_in);

__attribute__((format(printf, 2, 3))) void sim_broken(struct world *world, const char *format, ...);
__attribute__((format(printf, 2, 3))) void sim_say(struct world *world, const char *format, ...);
#define SAY(world, ...)                                                                            \
    do {                                                                                           \
        if ((world)->trace)                                                                        \
            sim_say(world, __VA_ARGS__);                                                           \
    } while (0)

static inline struct uuid sim_uuid(uint8_t kind, uint32_t number)
{
    struct uuid id = {{kind}};
    __builtin_memcpy(&id.bytes[4], &number, sizeof number);
    return id;
}

// ---- the parts ----------------------------------------------------------------------------------

// sim_outbox.c
enum may { MAY_GO_ON, MAY_WAIT, MAY_NOT };
// An INSERT of this row: what its unique indexes say. It takes its position first (*position 0:
// none yet), so that one that waits keeps it, and one that may not be leaves it void.
enum may sim_outbox_insert(struct outbox_model *outbox, const struct row *row, int64_t *position);
void sim_outbox_commit(struct world *world, int64_t position);
// The server ends and starts again: what was not committed is gone, and the sequence stands at one
// of sim_outbox_next_least to sim_outbox_next_most.
void sim_outbox_crash(struct outbox_model *outbox, int64_t next);
int64_t sim_outbox_next_least(const struct outbox_model *outbox);
int64_t sim_outbox_next_most(const struct outbox_model *outbox);
void sim_outbox_restore(struct outbox_model *outbox, const struct outbox_model *copy);
void sim_outbox_init(struct world *world);
void sim_writer_step(struct world *world, struct writer *writer);
void sim_writer_abort(struct world *world, struct writer *writer); // its session ends
void sim_pg_flush(struct world *world);
void sim_pg_crash(struct world *world);
void sim_pg_restore(struct world *world);
int64_t sim_outbox_last(const struct world *world); // the highest committed position

// sim_stream.c
bool sim_nats_store(struct nats *nats, const struct publish *publish); // false: refused
// One that is lost or damaged is passed over in silence, and takes no number of a delivery.
bool sim_message_is_read(const struct nats *nats, int64_t n);
void sim_nats_lose(struct nats *nats, int64_t n);       // the last one: its number stays taken
void sim_nats_trim(struct nats *nats, int64_t first_n); // max_msgs: older ones go, nothing fits in
void sim_durable_make(struct nats *nats, int64_t from_n);
void sim_durable_remove(struct nats *nats);
// Behind a kill: as it was at an earlier moment, and what was delivered waits for its ack anew.
void sim_durable_find(struct nats *nats, const struct durable *earlier);
void sim_durable_none_again(struct durable *durable);     // what comes again waits for its ack anew
bool sim_durable_may(const struct nats *nats, int64_t n); // may it deliver this message now?
void sim_durable_deliver(struct nats *nats, int64_t n);
// Delivers the next one, or one of those that come again behind it; 0: there is none.
int64_t sim_durable_next(struct nats *nats, uint32_t skip);
void sim_durable_pass(struct nats *nats, int64_t n); // lost ones up to there are left behind
// Of a message and all before it, as it was delivered the so manieth time.
void sim_durable_ack(struct nats *nats, int64_t n, int64_t delivery);
void sim_nats_step(struct world *world); // handles one publish
void sim_nats_restart(struct world *world, bool keeps_late);
void sim_nats_expire(struct nats *nats); // what was delivered and not acknowledged comes again
void sim_nats_truncate(struct nats *nats, int64_t last);
void sim_nats_make_again(struct nats *nats);
void sim_nats_damage(struct world *world, enum sim_fault fault);

// sim_relay.c
void sim_relay_start(struct world *world, struct relay *relay);
void sim_relay_step(struct world *world, struct relay *relay);

// sim_consumer.c
void sim_consumer_start(struct world *world, struct consumer *consumer);
void sim_consumer_step(struct world *world, struct consumer *consumer);
void sim_consumer_take_over(struct world *world);
bool sim_is_poison(const struct world *world, uint32_t event);
bool sim_is_wanted(const struct world *world, uint32_t event);

// sim_world.c
void sim_init(struct world *world, uint64_t seed, uint32_t faults_on);
// Runs one history to its quiet end; false: world->broken says what does not hold.
bool sim_run(struct world *world);
