// sim_world.c - the clock, chance and the operator: who moves next, what happens to whom, and what
// must hold when everything has come to rest.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "test/sim/sim.h"

enum { TICKS_MAX = 9000, QUIET_TICKS_MAX = 60000 };

enum sim_rule sim_rule_taken_out;

static sigjmp_buf assert_escape;
static char assert_text[160];

// A machine that is told a contradiction aborts. Here that is a finding, not an end: this stands in
// the place of the C library's own.
_Noreturn void __assert_fail(const char *condition, const char *file, unsigned line,
                             const char *function)
{
    (void)file;
    (void)line;
    snprintf(assert_text, sizeof assert_text, "%s: assert(%s)", function, condition);
    siglongjmp(assert_escape, 1);
}

const char *sim_fault_name(enum sim_fault fault)
{
#define SIM_FAULT_TEXT(name) #name,
    static const char *const names[] = {SIM_FAULTS(SIM_FAULT_TEXT)};
    return names[fault];
}

const char *sim_rule_name(enum sim_rule rule)
{
#define SIM_RULE_TEXT(where, name) #where "." #name,
    static const char *const names[] = {"none", SIM_RULES(SIM_RULE_TEXT)};
    return names[rule];
}

void sim_say(struct world *world, const char *format, ...)
{
    va_list arguments;
    printf("# %8.3f s  ", (double)world->now_ms / 1000);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

void sim_broken(struct world *world, const char *format, ...)
{
    va_list arguments;
    if (world->broken[0] != '\0')
        return; // the first one counts
    va_start(arguments, format);
    vsnprintf(world->broken, sizeof world->broken, format, arguments);
    va_end(arguments);
}

bool sim_fault(struct world *world, enum sim_fault fault, uint32_t one_in)
{
    if (world->quiet || (world->faults_on >> fault & 1) == 0 || draw(world, one_in) != 0)
        return false;
    world->faults_done[fault]++;
    return true;
}

void sim_init(struct world *world, uint64_t seed, uint32_t faults_on)
{
    memset(world, 0, sizeof *world);
    world->seed = seed;
    world->random = (seed + 1) * 0x9E3779B97F4A7C15ull;
    draw(world, 2);
    uint32_t half = draw(world, 1u << 31) ^ draw(world, 1u << 31) << 1;
    world->faults_on = faults_on & half;
    world->wide = draw(world, 32) == 0;
    world->aggregates = world->wide ? AGGREGATES : 1 + draw(world, 8);
    world->writers = 1 + draw(world, WRITERS);
    world->nats.first = 1;
    sim_outbox_init(world);
    for (uint32_t i = 0; i < RELAYS; i++)
        sim_relay_start(world, &world->relay[i]);
    sim_consumer_take_over(world);
}

static bool stream_equals_outbox(const struct world *world)
{
    int64_t n = 0;
    for (int64_t p = 1; p < world->pg.outbox.next; p++) {
        const struct row *row = &world->pg.outbox.rows[p];
        if (row->state != ROW_COMMITTED)
            continue;
        const struct message *message = &world->nats.messages[++n];
        if (n > world->nats.last || !message->there || !message->readable || !message->ours ||
            message->n != n || message->position != p || message->event != row->event ||
            message->log != row->log)
            return false;
    }
    return n == world->nats.last;
}

// ---- the operator -------------------------------------------------------------------------------

static bool any_transaction(const struct world *world)
{
    for (uint32_t i = 0; i < WRITERS; i++)
        if (world->writer[i].transaction != 0)
            return true;
    return false;
}

// True when the outbox is a beginning of the stream: nothing was appended since it was restored.
static bool outbox_is_prefix(const struct world *world)
{
    int64_t n = 0;
    for (int64_t p = 1; p < world->pg.outbox.next; p++) {
        const struct row *row = &world->pg.outbox.rows[p];
        if (row->state == ROW_NONE)
            continue;
        n++;
        const struct message *message = &world->nats.messages[n];
        if (n > world->nats.last || message->position != p || message->event != row->event ||
            message->log != row->log)
            return false;
    }
    return true;
}

// Takes the stream's further events back. What the log does not hold (commands' ids) stays lost.
static void operator_import(struct world *world)
{
    struct outbox_model *outbox = &world->pg.outbox;
    for (int64_t n = 1; n <= world->nats.last; n++) {
        const struct message *message = &world->nats.messages[n];
        uint16_t aggregate = world->event_aggregate[message->event];
        uint16_t version = world->event_version[message->event];
        if (outbox->rows[message->position].state != ROW_NONE)
            continue;
        outbox->rows[message->position] = (struct row){.state = ROW_COMMITTED,
                                                       .log = message->log,
                                                       .aggregate = aggregate,
                                                       .version = version,
                                                       .event = message->event,
                                                       .flushed = true};
        outbox->version_at[aggregate][version] = message->position;
        outbox->version_of[aggregate] = version;
        if (outbox->next <= message->position)
            outbox->next = message->position + 1;
    }
    world->pg.restored = false;
    SAY(world, "the operator takes the stream's events back");
}

static void operator_new_log(struct world *world)
{
    struct outbox_model *outbox = &world->pg.outbox;
    outbox->log++;
    world->pg.restored = false;
    for (int64_t p = 1; p < outbox->next; p++)
        outbox->rows[p].log = outbox->log;
    SAY(world, "the operator begins log %u", outbox->log);
}

// Who recovers holds the lease meanwhile, so that no relay works.
static void operator_takes_lease(struct world *world)
{
    world->operator_lease = ++world->owners;
    world->pg.lease_owner = world->operator_lease;
    world->pg.lease_until_ms = world->now_ms + 8000;
}

// Cut off for too long, the operator must look again.
static bool operator_holds_lease(const struct world *world)
{
    return world->pg.lease_owner == world->operator_lease &&
           world->now_ms < world->pg.lease_until_ms;
}

static void relays_start(struct world *world)
{
    world->pg.lease_until_ms = 0;
    for (uint32_t i = 0; i < RELAYS; i++)
        sim_relay_start(world, &world->relay[i]);
}

static void operator_projections(struct world *world)
{
    uint32_t epoch = world->pg.model.epoch;
    memset(&world->pg.model, 0, sizeof world->pg.model);
    world->pg.model.epoch = epoch;
    world->pg.has_old_model = false;
    SAY(world, "the operator has the projections rebuilt");
    if (!world->consumer[world->active].running) // else it finds the moved checkpoint by itself
        sim_consumer_take_over(world);
}

// The one that holds the lease; another's state is of the past.
static bool relay_is_stopped(const struct world *world)
{
    for (uint32_t i = 0; i < RELAYS; i++)
        if (world->relay[i].owner == world->pg.lease_owner &&
            world->relay[i].state.phase == RELAY_STOPPED)
            return true;
    return false;
}

// The read model stands on events that the log does not hold any more: its consumer says so and
// stops, or waits for a stream that ends before.
static bool projection_is_lost(const struct world *world)
{
    const struct inbox_state *state = &world->consumer[world->active].state;
    return (state->next == INBOX_DO_STOP && state->why == INBOX_WHY_OTHER_LOG) ||
           (world->pg.restores > 0 && world->pg.model.checkpoint.n > world->nats.last &&
            stream_equals_outbox(world));
}

// Each step may be the last one before the operator is cut off, and begins anew.
static void operator_step(struct world *world)
{
    bool servers = world->now_ms >= world->pg.up_ms && world->now_ms >= world->nats.up_ms;
    if (!servers || world->now_ms < world->operator_wake_ms || any_transaction(world) ||
        world->nats.flight_count + world->nats.late_count > 0)
        return;
    if (world->operator_at != OPERATOR_IDLE && world->operator_at != OPERATOR_PROJECTIONS &&
        !operator_holds_lease(world))
        world->operator_at = OPERATOR_IDLE;
    switch (world->operator_at) {
    case OPERATOR_IDLE:
        if (!relay_is_stopped(world)) {
            if (projection_is_lost(world))
                operator_projections(world);
        } else if (outbox_is_prefix(world)) {
            operator_import(world);
            relays_start(world);
        } else {
            operator_takes_lease(world);
            world->operator_at = OPERATOR_LOG;
        }
        return;
    case OPERATOR_LOG:
        operator_new_log(world);
        if (sim_fault(world, FAULT_OPERATOR_CUT, 2))
            world->operator_wake_ms = world->now_ms + draw(world, 30000);
        world->operator_at = OPERATOR_STREAM;
        return;
    case OPERATOR_STREAM:
        sim_nats_make_again(&world->nats);
        relays_start(world);
        world->operator_at = OPERATOR_PROJECTIONS;
        return;
    case OPERATOR_PROJECTIONS:
        operator_projections(world);
        world->operator_at = OPERATOR_IDLE;
        return;
    }
}

// ---- faults -------------------------------------------------------------------------------------

static void model_restore(struct world *world)
{
    uint32_t epoch = world->pg.model.epoch;
    if (!world->pg.has_old_model || world->pg.old_model.log != world->pg.model.log)
        return;
    world->pg.model = world->pg.old_model;
    world->pg.model.epoch = epoch;
    SAY(world, "the read model is restored from an older copy");
}

static void world_copy(struct world *world)
{
    if (world->faults_on >> FAULT_PG_RESTORE & 1 && world->operator_at == OPERATOR_IDLE) {
        world->pg.backup = world->pg.outbox;
        world->pg.has_backup = true;
    }
    if (world->faults_on >> FAULT_OLD_READ_MODEL & 1) {
        world->pg.old_model = world->pg.model;
        world->pg.has_old_model = true;
    }
}

static void disturb_pg(struct world *world, enum sim_fault fault)
{
    struct pg *pg = &world->pg;
    if (fault == FAULT_PG_CRASH)
        sim_pg_crash(world);
    else if (fault == FAULT_OLD_READ_MODEL)
        model_restore(world);
    else if (pg->has_backup && world->operator_at == OPERATOR_IDLE &&
             pg->backup.log == pg->outbox.log)
        sim_pg_restore(world);
}

static void disturb_relay(struct world *world, enum sim_fault fault)
{
    struct relay *relay = &world->relay[draw(world, RELAYS)];
    SAY(world, "%s of relay %u", sim_fault_name(fault), (unsigned)(relay - world->relay));
    if (fault == FAULT_RELAY_KILL)
        sim_relay_start(world, relay);
    else
        relay->wake_ms = world->now_ms + draw(world, 12000); // long enough for another to take over
}

static void disturb_nats(struct world *world, enum sim_fault fault)
{
    struct nats *nats = &world->nats;
    switch (fault) {
    case FAULT_NATS_KILL:
        sim_nats_restart(world, false);
        break;
    case FAULT_NATS_LEADER:
        sim_nats_restart(world, true);
        break;
    case FAULT_NATS_WIPE:
        sim_nats_restart(world, false);
        sim_nats_make_again(nats);
        break;
    case FAULT_LOST_TAIL:
        sim_nats_restart(world, false);
        sim_nats_truncate(nats,
                          nats->flushed + draw(world, (uint32_t)(nats->last - nats->flushed) + 1));
        break;
    default:
        if (draw(world, 2) == 0)
            sim_nats_restart(world, false); // else it comes under a running server
        sim_nats_damage(world, fault);
    }
}

// These come up where they matter: in a commit, in an answer, in a delivery.
static bool is_met_on_the_way(enum sim_fault fault)
{
    switch (fault) {
    case FAULT_ROLLBACK:
    case FAULT_STUCK_WRITER:
    case FAULT_LOST_COMMIT:
    case FAULT_TWIN_COMMAND:
    case FAULT_LOST_ACK:
    case FAULT_REDELIVER:
    case FAULT_LOST_DELIVERY:
    case FAULT_TRANSIENT:
    case FAULT_LOST_ANSWER:
    case FAULT_POISON:
    case FAULT_OPERATOR_CUT:
        return true;
    default:
        return false;
    }
}

static void world_disturb(struct world *world)
{
    if (draw(world, 200) == 0)
        world_copy(world);
    if (draw(world, 24) != 0)
        return;
    enum sim_fault fault = (enum sim_fault)draw(world, FAULT_COUNT);
    uint32_t one_in = fault == FAULT_PG_RESTORE ? 8 : fault == FAULT_NATS_WIPE ? 6 : 2;
    struct consumer *active = &world->consumer[world->active];
    if (is_met_on_the_way(fault) || !sim_fault(world, fault, one_in))
        return;
    switch (fault) {
    case FAULT_PG_CRASH:
    case FAULT_PG_RESTORE:
    case FAULT_OLD_READ_MODEL:
        disturb_pg(world, fault);
        break;
    case FAULT_RELAY_KILL:
    case FAULT_RELAY_PAUSE:
        disturb_relay(world, fault);
        break;
    case FAULT_OPERATOR_PAUSE:
        world->pg.paused = !world->pg.paused;
        SAY(world, "the operator %s the relay", world->pg.paused ? "pauses" : "resumes");
        break;
    case FAULT_CONSUMER_KILL:
        if (active->running)
            sim_consumer_start(world, active);
        break;
    case FAULT_TAKE_OVER:
        sim_consumer_take_over(world);
        break;
    case FAULT_DURABLE_GONE:
        sim_durable_remove(&world->nats);
        break;
    default:
        disturb_nats(world, fault);
    }
}

// ---- the end ------------------------------------------------------------------------------------

// Everything was read: or, in a wide world, the handler is known to be wrong.
static bool consumer_is_at_rest(const struct world *world)
{
    if (world->wide && world->consumer[world->active].state.failing)
        return world->pg.model.parked_count >= INBOX_PARKED_MAX;
    const struct inbox_checkpoint *checkpoint = &world->pg.model.checkpoint;
    struct uuid last = sim_uuid('E', world->nats.messages[world->nats.last].event);
    // By number alone it may stand on an event of a log that is gone, and be about to see it.
    return checkpoint->n == world->nats.last &&
           (checkpoint->n == 0 || uuid_equal(&checkpoint->event_id, &last));
}

static bool world_is_at_rest(struct world *world)
{
    return !any_transaction(world) && world->operator_at == OPERATOR_IDLE && !world->pg.restored &&
           !relay_is_stopped(world) && consumer_is_at_rest(world) && stream_equals_outbox(world);
}

// Each acknowledged command is there, and each that is there is there whole, once.
static void check_commands(struct world *world)
{
    static uint8_t found[COMMANDS];
    memset(found, 0, world->commands + 1);
    for (int64_t p = 1; p < world->pg.outbox.next; p++)
        if (world->pg.outbox.rows[p].state == ROW_COMMITTED)
            found[world->pg.outbox.rows[p].command]++;
    for (uint32_t command = 1; command <= world->commands; command++) {
        if (world->pg.restores == 0 && world->acknowledged[command] && found[command] == 0)
            sim_broken(world, "command %u was acknowledged and is not there", command);
        if (found[command] != 0 && found[command] != world->command_events[command])
            sim_broken(world, "command %u has %u events, not %u", command, found[command],
                       world->command_events[command]);
    }
}

static void check_read_model(struct world *world)
{
    bool behind[AGGREGATES] = {false};
    for (int64_t n = 1; n <= world->nats.last && !world->wide; n++) {
        uint32_t event = world->nats.messages[n].event;
        bool wanted = sim_is_wanted(world, event);
        bool *parked = &behind[world->event_aggregate[event]];
        *parked |= wanted && sim_is_poison(world, event);
        enum fate due = !wanted ? FATE_NONE : *parked ? FATE_PARKED : FATE_APPLIED;
        if (world->pg.model.fate[event] != due)
            sim_broken(world, "event %u has fate %u, not %u", event, world->pg.model.fate[event],
                       due);
    }
}

// ---- the loop -----------------------------------------------------------------------------------

static bool moves(struct world *world, int64_t wake_ms)
{
    bool awake = wake_ms <= world->now_ms;
    world->steps += awake;
    return awake;
}

static void world_step(struct world *world)
{
    uint32_t who = draw(world, 16);
    world->now_ms += draw(world, 16);
    world->ticks++;
    if (who < 5) {
        struct writer *writer = &world->writer[draw(world, world->writers)];
        if (moves(world, writer->wake_ms))
            sim_writer_step(world, writer);
    } else if (who < 9) {
        struct relay *relay = &world->relay[who & 1];
        if (moves(world, relay->wake_ms))
            sim_relay_step(world, relay);
    } else if (who < 12) {
        if (moves(world, world->nats.flight_count + world->nats.late_count == 0 ? INT64_MAX : 0))
            sim_nats_step(world);
    } else if (who < 15) {
        struct consumer *consumer = &world->consumer[who == 14 ? !world->active : world->active];
        if (moves(world, consumer->running ? consumer->wake_ms : INT64_MAX))
            sim_consumer_step(world, consumer);
    } else if (draw(world, world->quiet ? 4 : 64) == 0) {
        operator_step(world);
    }
}

static void world_play(struct world *world)
{
    while (world->ticks < TICKS_MAX && world->broken[0] == '\0') {
        world_step(world);
        world_disturb(world);
    }
    world->quiet = true;
    world->pg.paused = false;
    SAY(world, "no faults from here on");
    while (world->broken[0] == '\0') {
        world_step(world);
        if (world->ticks % 64 == 0 && world_is_at_rest(world))
            break;
        if (world->ticks > TICKS_MAX + QUIET_TICKS_MAX)
            sim_broken(world, "no rest: %s, %s, stream %s, its end %d, checkpoint at %d",
                       any_transaction(world) ? "writers at work" : "no writer",
                       relay_is_stopped(world) ? "a relay stopped" : "relays at work",
                       stream_equals_outbox(world) ? "whole" : "not whole", (int)world->nats.last,
                       (int)world->pg.model.checkpoint.n);
    }
    if (world->broken[0] == '\0')
        check_commands(world);
    if (world->broken[0] == '\0')
        check_read_model(world);
}

bool sim_run(struct world *world)
{
    if (sigsetjmp(assert_escape, 0) == 0)
        world_play(world);
    else
        sim_broken(world, "%s", assert_text);
    return world->broken[0] == '\0';
}
