// limits.h - the bound of every queue, batch, pool, window, cache, message and retry, each with its
// why. What grows is bounded here or not at all; sizes of local buffers stay where they are used.
//
// Whoever is at a bound says so: a service answers RESOURCE_EXHAUSTED, a relay and a consumer wait,
// an import sends no more. Nothing is dropped.
//
// test/tidy holds that no other file defines a bound of a queue; the relations at the end are held
// by the compiler.
#pragma once
#include <assert.h>

enum {
    // ---- one message
    // nats-server's max_payload (nats.conf) and every stream's max_msg_size.
    BUS_PAYLOAD_BYTES_MAX = 1 << 20,
    // One event's payload in the outbox, by the table's own CHECK: a round number that leaves the
    // envelope room below what the bus takes, so that nothing that was appended can stick.
    EVENT_PAYLOAD_BYTES_MAX = 1000000,
    // What is around the payload: 17 attributes of texts that the outbox's CHECKs bound (event.h).
    EVENT_ENVELOPE_BYTES_MAX = 2048,
    // A request's or an answer's bytes before they are looked at; a command's events are no larger.
    MESSAGE_BYTES_MAX = 1000000,
    // Subject, headers and token beside a request or an answer.
    RPC_HEADERS_BYTES_MAX = 8192,
    RPC_TOKEN_BYTES_MAX = 4096,
    RPC_POSITIONS_MAX = 8, // services that one answer may be newer than

    // ---- memory
    // An arena grows by blocks of this size (some hundred events of usual size), and keeps so much
    // of them over a reset: a thousand events. A larger batch leaves no more behind; and one as
    // large as the last finds its memory again, which else went back to the system, and came from
    // it
    // page by page.
    ARENA_BLOCK_BYTES = 64 * 1024,
    ARENA_KEPT_BYTES = 4 << 20,
    ARENA_ALLOC_BYTES_MAX = 1 << 28, // more in one piece is our bug

    // ---- requests
    // Requests that wait in a service for a worker; more are refused at once. With 4 workers and
    // 2 ms a command it is half a second of work: who waits longer is better off trying again.
    RPC_QUEUE_MAX = 1024,
    // The same in bytes, because 1024 requests may be large ones.
    RPC_QUEUE_BYTES_MAX = 32 << 20,
    // What nats.c holds for the thread that queues or refuses, which is fast: past it nats.c drops,
    // and the caller's deadline tells.
    RPC_PENDING_MAX = 65536,
    RPC_PENDING_BYTES_MAX = 64 << 20,
    // What nats.c keeps to send while its server is away; past it a publish fails.
    BUS_RECONNECT_BYTES_MAX = 8 << 20,
    // The setting service.workers' greatest; each worker has a PostgreSQL connection.
    SERVICE_WORKERS_MAX = 64,
    // Workers for what other processes wait for (tokens, keys), which no command delays.
    SERVICE_URGENT_WORKERS = 1,
    // Argon2id takes 19 MiB and a core: as many at once as a small machine has cores, and as many
    // waiting as it computes in some seconds.
    PASSWORD_AT_ONCE = 2,
    PASSWORD_WAITING_MAX = 64,
    // One caller's list.
    PERSON_KEYS_PER_CALL_MAX = 1000,
    USERS_PER_CALL_MAX = 1000,
    POSTS_PER_CALL_MAX = 500,
    PAGE_SIZE_MAX = 500,
    // Public keys a service knows: processes and signing keys that live at the same time.
    AUTH_KEYS_MAX = 256,
    // Sessions that ended while their access tokens are valid: 32 MiB. At a token's hour that is
    // 290 ends a second; past it the oldest is forgotten, and older tokens are refused.
    REVOCATIONS_MAX = 1 << 20,
    // Of these, what may have come and not been read when a service starts; past it a delivery is
    // dropped, which is noticed, and all come again.
    REVOCATIONS_PENDING_BYTES_MAX = 512 << 20,

    // ---- commands
    // Attempts of one command on a new state: 32 writers on one aggregate all win in the end.
    RUNTIME_ATTEMPTS_MAX = 64,
    // Commands of one transaction (decision 46): what a worker takes at once of those that wait. At
    // 64 the commit is already a small part of each; four workers with so many have a full queue
    // under way. In bytes (of requests, and of the events made of them) because they may be large.
    COMMANDS_TOGETHER_MAX = 256,
    COMMANDS_TOGETHER_BYTES_MAX = 4 << 20,
    // Aggregates and events of one command: a user's deletion ends all their sessions.
    TARGETS_MAX = 1024,
    DECISION_EVENTS_MAX = 1100,
    // A user's sessions that go on; a login more ends those that were not used for the longest.
    // Logins at the same moment go beyond it, by a worker each: so that a deletion finds room.
    SESSIONS_OPEN_MAX = 100,
    ACCOUNT_SESSIONS_MAX = 1000,

    // What one failed login deletes of failures that are forgotten, and what one entry of the
    // security audit log deletes of older ones: more than each adds.
    LOGIN_FAILURE_PRUNE_MAX = 100,
    AUDIT_PRUNE_MAX = 100,

    // ---- e-mails
    // Those that wait for the mailer; past it a reset is refused to everybody alike. More than a
    // server takes in the life of a token, and counted in a millisecond.
    MAIL_WAITING_MAX = 10000,
    // What one request deletes of what has expired: more than it adds.
    MAIL_PRUNE_MAX = 100,
    // The pause between two attempts doubles up to this.
    MAIL_RETRY_S_MAX = 600,
    MAIL_TEMPLATE_BYTES_MAX = 16384,

    // ---- PostgreSQL
    PG_STATEMENTS_MAX = 256,       // prepared in one session, by their text: some 40 in the largest
    PG_PIPELINE_MAX = 1 << 16,     // statements sent before their results are read
    RUNNER_LOCK_ATTEMPTS_MAX = 10, // of one migration, for a lock that others hold

    // ---- relay
    // The setting relay.batch's greatest, and what one look takes at most in bytes (one event more
    // when that alone is larger).
    RELAY_BATCH_MAX = 10000,
    RELAY_BATCH_BYTES_MAX = 8 << 20,
    // Publishes without an answer yet. 2048 keep the server busy over loopback; more gained
    // nothing. In bytes because 2048 events may be large ones.
    RELAY_WINDOW_MAX = 2048,
    RELAY_WINDOW_BYTES_MAX = 16 << 20,
    // Events at the end of a stream that a restored outbox may lack while they still can be told
    // from publishes under way.
    RELAY_SUSPECT_MAX = 2 * RELAY_WINDOW_MAX,
    // Writers of one outbox that settlement tells apart: far above any sensible max_connections.
    SETTLE_WRITERS_MAX = 1024,

    // ---- consumers
    // The setting inbox.batch's greatest; what one request to a stream brings at most in bytes.
    READER_BATCH_MAX = 5000,
    READER_BATCH_BYTES_MAX = 16 << 20,
    // What a durable may have delivered and not acknowledged: several batches, or the server stops
    // in the middle of one.
    READER_ACK_PENDING_MAX = 4 * READER_BATCH_MAX,
    INBOX_BATCH_MAX = READER_BATCH_MAX,
    // Aggregates with dead letters: past it the handler is wrong, not the events.
    INBOX_PARKED_MAX = 100,
    // Keys of persons that a consumer remembers (48 bytes each), forgotten together when full; a
    // key that was erased is forgotten in KEYS_LIFE_S.
    KEYS_MAX = 1 << 16,
    KEYS_FETCH_MAX = 1000,
    KEYS_LIFE_S = 300,
    UPCAST_STEPS_MAX = 16, // from one form of an event to the next

    // ---- import, log, supervisor
    // Commands of a file that are read, and those of them under way: enough for every worker of
    // every service, and far below one service's queue.
    IMPORT_WINDOW_MAX = 1024,
    IMPORT_FLYING_MAX = 128,
    IMPORT_LINE_BYTES_MAX = 4 << 20,
    // Tried again after 20 ms, doubling to this, while a service refuses or is away.
    IMPORT_RETRY_MS_MAX = 2000,
    LOG_LINE_BYTES_MAX = 8192,
    LOG_EVENTS_MAX = 500, // of `nova log`, unless it is told otherwise
    // Messages that `nova log verify` asked for and has not looked at: each may be a large one.
    LOG_WINDOW_MAX = 64,
    SUPERVISOR_CHILDREN_MAX = 64,
    SUPERVISOR_LOG_BYTES_MAX = 8 << 20, // a process's log, and as much again of its older part
    // The pause before a process that ended is started again doubles up to this.
    SUPERVISE_PAUSE_MS_MAX = 10000,
};

// ---- how they fit together ----------------------------------------------------------------------

static_assert(EVENT_PAYLOAD_BYTES_MAX + EVENT_ENVELOPE_BYTES_MAX + 1024 <= BUS_PAYLOAD_BYTES_MAX,
              "what the outbox takes, the stream takes");
static_assert(MESSAGE_BYTES_MAX + RPC_HEADERS_BYTES_MAX <= BUS_PAYLOAD_BYTES_MAX,
              "what a check lets pass, the bus carries");
static_assert(ARENA_KEPT_BYTES % ARENA_BLOCK_BYTES == 0, "whole blocks are kept");
static_assert(RPC_TOKEN_BYTES_MAX < RPC_HEADERS_BYTES_MAX, "a token fits into the headers");
static_assert(RPC_QUEUE_BYTES_MAX >= 16 * BUS_PAYLOAD_BYTES_MAX, "large requests still queue");
static_assert(RPC_PENDING_BYTES_MAX >= RPC_QUEUE_BYTES_MAX,
              "the queue, which refuses, is full before nats.c drops");
static_assert(COMMANDS_TOGETHER_MAX <= RPC_QUEUE_MAX, "one worker does not outdo the queue");
static_assert(COMMANDS_TOGETHER_BYTES_MAX >= 2 * BUS_PAYLOAD_BYTES_MAX,
              "large commands go together");
static_assert(REVOCATIONS_PENDING_BYTES_MAX / REVOCATIONS_MAX >= 400,
              "all ended sessions can arrive at once, envelopes and all");
static_assert(IMPORT_FLYING_MAX <= IMPORT_WINDOW_MAX, "what flies is in the window");
static_assert(IMPORT_FLYING_MAX <= RPC_QUEUE_MAX / 4, "an import alone overloads no service");
static_assert(RELAY_BATCH_BYTES_MAX >= BUS_PAYLOAD_BYTES_MAX, "one event fits into a batch");
static_assert(RELAY_WINDOW_BYTES_MAX >= RELAY_BATCH_BYTES_MAX, "a batch can be under way whole");
static_assert(RELAY_SUSPECT_MAX >= 2 * RELAY_WINDOW_MAX, "two relays' publishes are told apart");
static_assert(READER_BATCH_BYTES_MAX >= 2 * BUS_PAYLOAD_BYTES_MAX, "one message fits into a batch");
static_assert(READER_ACK_PENDING_MAX > 3 * READER_BATCH_MAX,
              "a batch is delivered whole while one is committed and one decoded");
static_assert(KEYS_MAX >= INBOX_BATCH_MAX, "a batch's keys are remembered together");
static_assert(DECISION_EVENTS_MAX > ACCOUNT_SESSIONS_MAX && TARGETS_MAX > ACCOUNT_SESSIONS_MAX,
              "a user with all their sessions can be deleted in one command");
