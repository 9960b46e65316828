// relay_state.h - what a relay does next: the pure machine behind relay.h.
//
// It is told what was seen (the lease, the stream's end, looks at the outbox, how publishes went)
// and answers what to do. It does no I/O and reads no clock, so a seeded simulation drives it
// through any history.
//
//   STANDBY --lease--> INSPECT --whole--> VERIFY --whole--> COMPARE --same--> FOLLOW
//      ^                ^   |               |                  |                |
//      |                |   +---- damage ---+--> COMPARE       | another event  | look, publish,
//      |                +-- MAKE_AGAIN <------- same          v                | end the stuck
//      |                +---------------------------------- STOPPED             |
//      +--- lease lost, from anywhere                                           |
//                       INSPECT <-- a publish failed, an error, a connect, time-+
//                          ^--- time --- BLOCKED <--- a row that no message can carry ---+
//   PAUSED  <--an operator holds it, from anywhere but STANDBY;  resumed--> INSPECT
//
// The rules, each with its name in relay_state.c:
//   LEASE     only who holds the lease does anything but ask for it.
//   EXPECT    each publish names the number that must be the stream's last.
//   RESYNC    after a failed publish nothing is published before the stream's end was read.
//   HOLES, CONFIG   the stream's own account of itself says that it is whole.
//   VERIFY    after a connect to a server every message is read.
//   ROLL      each check reads some more, for a disk rots under a running server as well.
//   ORDER     a message that is read carries its number, at a position above the one before.
//   EVENT, LOG   the outbox holds the stream's last event at its position, under its log id.
//   COUNT     and, seen once on each connection to PostgreSQL, exactly as many events up to there:
//             an older copy may hold the last one and lack an earlier one, whose writer was slower.
//   SUSPECT   and every event behind the last acknowledged one, after a failed publish; after a
//             connect and after taking the lease (anew, also when a relay slept through
//             another one's) the last RELAY_SUSPECT_MAX ones. One publish of a
//             pipeline may meet its expectation behind others' messages: a dead relay's that were
//             still under way when PostgreSQL was restored, or an administrator's.
//   KEEP      a damaged stream is not deleted while it holds an event that the outbox does not: it
//             may be the only copy.
//             Nor when the outbox does not count as many events up to the last good message as that
//             one's number says: then one of those that cannot be read any more was unknown to it.
//   RESET     settlement starts anew behind the stream's last event.
//   PAUSE     while an operator holds it nothing is done but asking for the lease; afterwards
//             everything is looked at anew, for the operator may have changed it.
//   GUARD     the service of a restored outbox may append only once the stream agrees with it.
//
// Ownership: plain memory of the caller; `why` texts are of static memory.
// Threads:   one at a time per machine.
// Errors:    none; an answer to a question that was not asked is our bug and aborts.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"
#include "outbox-relay/settle.h"

enum {
    RELAY_PAUSE_MS = 500, // before trying again, and between two questions for the lease
    RELAY_HOLE_MS = 5,    // between two looks at a hole: its writer may end any moment
};

enum relay_phase {
    RELAY_STANDBY,
    RELAY_INSPECT,
    RELAY_VERIFY,
    RELAY_COMPARE,
    RELAY_MAKE_AGAIN,
    RELAY_FOLLOW,
    RELAY_STOPPED, // the outbox is older than the stream: an operator decides
    RELAY_BLOCKED, // the next event cannot be published; looked at again with the next check
    RELAY_PAUSED,  // an operator holds it
};

enum relay_action {
    RELAY_DO_LEASE,      // take it or renew it, then relay_was_leased
    RELAY_DO_INSPECT,    // with nothing in flight: the stream's account, then relay_was_inspected
    RELAY_DO_VERIFY,     // read messages first_n to last_n, then relay_was_verified
    RELAY_DO_COMPARE,    // look for first_n to last_n in the outbox, then relay_was_compared
    RELAY_DO_MAKE_AGAIN, // with the lease held: delete the stream if last_n is its last one, make
                         // an empty one, then relay_was_made_again; else relay_has_changed
    RELAY_DO_LOOK,       // settle_look over the outbox, then relay_was_looked
    RELAY_DO_PUBLISH,    // the look's rows as first_n to last_n, then relay_has_published
    RELAY_DO_END_STUCK,  // writers above the limit of age, then relay_has_ended_stuck
    RELAY_DO_ADMIT,      // the restored outbox agrees: let writers in, then relay_has_admitted
    RELAY_DO_WAIT,       // wait_ms, or until the doorbell rings, then relay_has_waited
};

struct relay_limits {
    int64_t lease_ms;
    int64_t check_ms; // between two checks of the stream
    int64_t poll_ms;  // between two looks when nothing rings
    int64_t stuck_ms; // how long a writer may hold a position open
    int64_t verify_n; // messages that a check reads of a stream that was read before
    int64_t step_n;   // that are read in one go: the lease is renewed in between
};

// The stream's account of itself.
struct relay_stream_seen {
    int64_t first_n, last_n, messages, deleted;
    bool config_is_ours;
};

// What a comparison found.
struct relay_compared {
    const char *damage; // something is wrong with a message; NULL: with none
    bool same;          // the outbox holds all of the others
    int64_t position;   // of the last good message; 0 when there is none
    int64_t n;          // which that one carries
    int64_t count;      // of the outbox's events up to there, when it was asked for
};

struct relay_step {
    enum relay_action action;
    // DO_VERIFY, DO_COMPARE, DO_PUBLISH: none when last_n < first_n. DO_MAKE_AGAIN: last_n alone.
    int64_t first_n, last_n;
    bool count;   // DO_COMPARE: also how many events the outbox holds up to the last one's position
    bool damaged; // DO_COMPARE: pass over the messages with which something is wrong
    // DO_PUBLISH: the number that must be the stream's last for the first of them, one more for
    // each that follows; -1: any (never, but for a mutation).
    int64_t expected_n;
    int64_t wait_ms; // DO_WAIT
};

struct relay_state {
    enum relay_phase phase;
    const char *why; // of the last change of phase, or what is damaged
    struct relay_limits limits;
    struct settle settle;
    int64_t n;                    // events published or queued
    struct relay_stream_seen end; // as it was inspected
    const char *damage;           // NULL: none was found so far
    bool counted;                 // the outbox's events, on this connection to it
    bool verified;                // every message was read since the last connect
    int64_t verified_n;           // the last one that was read: where reading goes on
    int64_t suspect_n;            // from here on each is looked for in the outbox; 0: the last one
    bool restored;                // nobody may append before the stream was compared
    uint32_t waiting_rows;        // of the last look, not published yet
    bool end_stuck, wait;
    int64_t wait_ms;
    bool leased; // ever
    int64_t leased_ms, checked_ms, hole_since_ms, blocked_ms;
};

// A new machine, in standby.
void relay_state_init(struct relay_state *state, const struct relay_limits *limits);

// What to do now. Asking again at the same time answers the same.
struct relay_step relay_next(const struct relay_state *state, int64_t now_ms);

void relay_was_leased(struct relay_state *state, bool held, int64_t now_ms);
// Behind that: between this lease and the one before another relay held it, whether or not we saw
// it (we may have slept). What it published is as strange as on a first look.
void relay_was_away(struct relay_state *state);
// Behind each lease that is held: whether an operator paused the relay, and whether the outbox was
// restored and its service waits.
void relay_is_held(struct relay_state *state, bool paused, bool restored);
void relay_was_inspected(struct relay_state *state, const struct relay_stream_seen *seen);
// NULL: every message asked for is good.
void relay_was_verified(struct relay_state *state, const char *damage);
void relay_was_compared(struct relay_state *state, const struct relay_compared *compared,
                        int64_t now_ms);
void relay_was_made_again(struct relay_state *state);
// The stream ends elsewhere than it was compared up to: it is looked at anew.
void relay_has_changed(struct relay_state *state);
// The machine's `settle` was shown a look, which brought `rows` to publish.
void relay_was_looked(struct relay_state *state, uint32_t rows, int64_t now_ms);
// All were handed over; whether they arrive is told by relay_publish_has_failed, or never.
void relay_has_published(struct relay_state *state, int64_t now_ms);
// The first `published` of the rows were handed over; no message can carry the one behind them.
void relay_was_blocked(struct relay_state *state, uint32_t published, int64_t now_ms);
void relay_has_ended_stuck(struct relay_state *state, int64_t now_ms);
void relay_has_admitted(struct relay_state *state);
void relay_has_waited(struct relay_state *state);

// At any time: a publish was refused, or nobody knows what became of it. Up to acknowledged_n each
// was stored under its number.
void relay_publish_has_failed(struct relay_state *state, int64_t acknowledged_n);
// At any time: the connection to nats-server was lost and made again.
void relay_has_reconnected(struct relay_state *state);
// At any time: the connection to PostgreSQL was lost and made again.
void relay_has_reconnected_outbox(struct relay_state *state);
// At any time: what was asked for did not work. The machine waits before it goes on.
void relay_has_failed(struct relay_state *state);

// Whether message n with what it carries may follow one at `last_position` (0: it is the first one
// read); NULL: it may, else what is wrong with it.
const char *relay_message_wrong(int64_t n, int64_t carried_n, int64_t last_position,
                                int64_t position);

// Whether an event of the stream is the one that the outbox holds at its position (`found`).
bool relay_event_is_same(const struct uuid *event_id, const struct uuid *log_id, bool found,
                         const struct uuid *found_event_id, const struct uuid *found_log_id);

// For logs and status: standby, inspecting, following, stopped, blocked, paused.
const char *relay_phase_name(enum relay_phase phase);
