// sim_consumer.c - carries out what the product's inbox_state asks for, as inbox/worker.c and
// bus/reader.c do, over a read model and a checkpoint in one database.
#include <string.h>

#include "test/sim/sim.h"

void sim_consumer_start(struct world *world, struct consumer *consumer)
{
    inbox_state_init(&consumer->state, false, 1000);
    consumer->pg_epoch = world->pg.epoch;
    consumer->nats_epoch = world->nats.epoch;
    consumer->wake_ms = 0;
}

void sim_consumer_take_over(struct world *world)
{
    world->active = (world->active + 1) % CONSUMERS;
    struct consumer *next = &world->consumer[world->active];
    sim_consumer_start(world, next);
    next->epoch = ++world->pg.model.epoch;
    next->running = true;
    SAY(world, "consumer %u takes over", world->active);
}

bool sim_is_wanted(const struct world *world, uint32_t event)
{
    return world->wide || (event * 2654435761u >> 20) % 5 != 0;
}

bool sim_is_poison(const struct world *world, uint32_t event)
{
    bool on = world->faults_on >> FAULT_POISON & 1;
    return world->wide || (on && (event * 2246822519u >> 20) % 40 == 0);
}

static bool pg_answers(const struct world *world)
{
    return world->now_ms >= world->pg.up_ms;
}

static bool nats_answers(const struct world *world)
{
    return world->now_ms >= world->nats.up_ms;
}

// ---- load and attach ----------------------------------------------------------------------------

static void consumer_load(struct world *world, struct consumer *consumer)
{
    struct uuid parked[INBOX_PARKED_MAX + 1];
    uint32_t count = world->pg.model.parked_count;
    for (uint32_t i = 0; i < count && i <= INBOX_PARKED_MAX; i++)
        parked[i] = sim_uuid('A', world->pg.model.parked_order[i]);
    inbox_was_loaded(&consumer->state, &world->pg.model.checkpoint, parked, count);
}

// As reader_seek: a durable that stands where it should is kept, any other is made again.
static void consumer_attach(struct world *world, struct consumer *consumer)
{
    struct nats *nats = &world->nats;
    int64_t last_n = consumer->state.checkpoint.n, from_n = last_n > 0 ? last_n : 1;
    if (!SIM_RULE(bus, FROM_LAST))
        from_n = last_n + 2;
    if (last_n > nats->last && SIM_RULE(bus, DURABLE_AHEAD)) {
        inbox_has_failed(&consumer->state); // the stream lost its tail: it will be filled again
        return;
    }
    bool stands = nats->durable.exists && nats->durable.ack_floor + 1 == from_n &&
                  nats->durable.delivered == nats->durable.ack_floor;
    if (!stands)
        sim_durable_make(nats, from_n);
    consumer->last_n = from_n - 1;
    consumer->last_delivery = 0;
    inbox_was_attached(&consumer->state, nats->durable.deliveries);
}

// ---- read ---------------------------------------------------------------------------------------

// The next message of the durable; false: none, or one that its reader cannot take.
static bool consumer_take(struct world *world, struct consumer *consumer, uint32_t *count,
                          bool *bad)
{
    struct nats *nats = &world->nats;
    int64_t n = sim_durable_next(nats, draw(world, 4) == 0 ? draw(world, 4) : 0);
    if (n == 0)
        return false;
    const struct message *message = &nats->messages[n];
    if (sim_fault(world, FAULT_LOST_DELIVERY, 60))
        return true;
    *bad = !message->ours || message->n != n;
    if (*bad)
        return false;
    consumer->what[*count] = (typeof(consumer->what[0])){message->event, message->log};
    consumer->batch[(*count)++] = (struct inbox_seen){
        .n = n,
        .position = message->position,
        .delivery = nats->durable.deliveries,
        .log_id = sim_uuid('L', message->log),
        .event_id = sim_uuid('E', message->event),
        .aggregate_id = sim_uuid('A', world->event_aggregate[message->event]),
        .wanted = sim_is_wanted(world, message->event),
    };
    consumer->last_n = n;
    consumer->last_delivery = nats->durable.deliveries;
    return true;
}

static void consumer_idle(struct world *world, struct consumer *consumer)
{
    const struct nats *nats = &world->nats;
    bool ahead = nats->durable.delivered > nats->last || consumer->last_n > nats->last;
    if (!pg_answers(world) || !nats->durable.exists || (ahead && SIM_RULE(bus, DURABLE_AHEAD)))
        inbox_has_failed(&consumer->state);
    else
        inbox_was_idle(&consumer->state, nats->durable.delivered, nats->durable.deliveries,
                       &world->pg.model.checkpoint);
    consumer->wake_ms = world->now_ms + 1 + draw(world, 200);
}

static void consumer_read(struct world *world, struct consumer *consumer)
{
    struct nats *nats = &world->nats;
    uint32_t count = 0, most = 1 + draw(world, BATCH);
    bool bad = false;
    if (!nats->durable.exists || consumer->nats_epoch != world->nats.epoch) {
        consumer->nats_epoch = world->nats.epoch; // the connection was lost in between
        inbox_has_failed(&consumer->state);
        return;
    }
    if (sim_fault(world, FAULT_REDELIVER, 30))
        sim_nats_expire(nats); // nothing was acknowledged in time
    while (count < most && consumer_take(world, consumer, &count, &bad))
        continue;
    if (count > 0)
        inbox_was_read(&consumer->state, consumer->batch, count);
    else if (bad)
        inbox_has_failed(&consumer->state);
    else
        consumer_idle(world, consumer);
}

// ---- commit -------------------------------------------------------------------------------------

static bool consumer_refuses(struct world *world, const struct consumer *consumer,
                             const struct inbox_step *step)
{
    for (uint32_t i = step->from; i < step->to; i++)
        if (inbox_verdict_of(&consumer->state, i) == INBOX_APPLY &&
            sim_is_poison(world, consumer->what[i].event)) {
            world->faults_done[FAULT_POISON]++;
            return true;
        }
    return false;
}

// What must hold of one effect, however it came about.
static void model_check(struct world *world, uint32_t event, uint8_t log, enum inbox_verdict what)
{
    const uint16_t aggregate = world->event_aggregate[event];
    if (world->pg.model.log != 0 && world->pg.model.log != log)
        sim_broken(world, "event %u of log %u goes into a read model of log %u", event, log,
                   world->pg.model.log);
    if (world->pg.model.fate[event] != FATE_NONE)
        sim_broken(world, "event %u takes effect twice", event);
    if (what == INBOX_APPLY && world->pg.model.parked[aggregate])
        sim_broken(world, "event %u overtakes a parked one of its aggregate", event);
    if (world->event_version[event] <= world->pg.model.applied_version[aggregate])
        sim_broken(world, "event %u, version %u of its aggregate, comes behind version %u", event,
                   world->event_version[event], world->pg.model.applied_version[aggregate]);
}

static void model_take(struct world *world, uint32_t event, uint8_t log, enum inbox_verdict what)
{
    const uint16_t aggregate = world->event_aggregate[event];
    if (what == INBOX_NOTHING)
        return;
    model_check(world, event, log, what);
    world->pg.model.log = log;
    world->pg.model.applied_version[aggregate] = world->event_version[event];
    world->pg.model.fate[event] = what == INBOX_APPLY ? FATE_APPLIED : FATE_PARKED;
    if (what == INBOX_APPLY || world->pg.model.parked[aggregate])
        return;
    world->pg.model.parked[aggregate] = true;
    world->pg.model.parked_order[world->pg.model.parked_count++] = aggregate;
    if (world->pg.model.parked_count > INBOX_PARKED_MAX)
        sim_broken(world, "%u aggregates are parked", world->pg.model.parked_count);
}

// A checkpoint is never ahead of its read model: every number up to it was in the batch, and what
// was wanted of it took effect.
static void model_check_checkpoint(struct world *world, const struct consumer *consumer,
                                   const struct inbox_step *step)
{
    int64_t n = world->pg.model.checkpoint.n;
    for (uint32_t i = step->from; i < step->to; i++) {
        const uint32_t event = consumer->what[i].event;
        if (consumer->batch[i].n != ++n)
            sim_broken(world, "the checkpoint moves to %d over message %d", (int)step->up.n,
                       (int)n);
        if (sim_is_wanted(world, event) && world->pg.model.fate[event] == FATE_NONE)
            sim_broken(world, "the checkpoint is at %d, but event %u had no effect",
                       (int)step->up.n, event);
        n = consumer->batch[i].n;
    }
}

static enum inbox_outcome consumer_transact(struct world *world, struct consumer *consumer,
                                            const struct inbox_step *step)
{
    const struct inbox_checkpoint *place = &world->pg.model.checkpoint;
    const struct inbox_checkpoint *believed = &consumer->state.checkpoint;
    if (!pg_answers(world) || sim_fault(world, FAULT_TRANSIENT, 20))
        return INBOX_TRANSIENT;
    if (consumer->epoch != world->pg.model.epoch && SIM_RULE(sql, FENCE))
        return INBOX_FENCED;
    if (consumer->epoch != world->pg.model.epoch)
        sim_broken(world, "a consumer writes whose lease is another's");
    if ((place->n != believed->n || place->position != believed->position ||
         !uuid_equal(&place->log_id, &believed->log_id)) &&
        SIM_RULE(sql, EXPECTED_PLACE))
        return INBOX_MOVED;
    if (consumer_refuses(world, consumer, step))
        return INBOX_PERMANENT;
    for (uint32_t i = step->from; i < step->to; i++)
        model_take(world, consumer->what[i].event, consumer->what[i].log,
                   inbox_verdict_of(&consumer->state, i));
    if (!SIM_RULE(sql, CHECKPOINT) && draw(world, 16) == 0)
        return INBOX_TRANSIENT; // a crash between two transactions
    model_check_checkpoint(world, consumer, step);
    SAY(world, "checkpoint from %d to %d, position %d", (int)place->n, (int)step->up.n,
        (int)step->up.position);
    world->pg.model.checkpoint = step->up;
    return sim_fault(world, FAULT_LOST_ANSWER, 40) ? INBOX_TRANSIENT : INBOX_DONE;
}

static void consumer_commit(struct world *world, struct consumer *consumer,
                            const struct inbox_step *step)
{
    enum inbox_outcome outcome = consumer_transact(world, consumer, step);
    inbox_was_committed(&consumer->state, outcome);
    if (consumer->state.next != INBOX_DO_READ)
        return;
    // The whole batch: what is applied need not come again.
    if (consumer->last_n > world->pg.model.checkpoint.n)
        sim_broken(world, "message %d is acknowledged, and the checkpoint is at %d",
                   (int)consumer->last_n, (int)world->pg.model.checkpoint.n);
    sim_durable_ack(&world->nats, consumer->last_n, consumer->last_delivery);
}

// ---- the step -----------------------------------------------------------------------------------

void sim_consumer_step(struct world *world, struct consumer *consumer)
{
    if (!consumer->running)
        return;
    struct inbox_step step = inbox_next(&consumer->state);
    switch (step.action) {
    case INBOX_DO_LOAD:
        if (pg_answers(world))
            consumer_load(world, consumer);
        else
            inbox_has_failed(&consumer->state);
        break;
    case INBOX_DO_ATTACH:
        if (nats_answers(world))
            consumer_attach(world, consumer);
        else
            inbox_has_failed(&consumer->state);
        break;
    case INBOX_DO_READ:
        if (nats_answers(world))
            consumer_read(world, consumer);
        else
            inbox_has_failed(&consumer->state);
        break;
    case INBOX_DO_COMMIT:
        consumer_commit(world, consumer, &step);
        break;
    case INBOX_DO_WAIT:
        consumer->wake_ms = world->now_ms + 1 + draw(world, (uint32_t)step.wait_ms);
        inbox_has_waited(&consumer->state);
        break;
    case INBOX_DO_STOP:
        SAY(world, "consumer %u stops", (unsigned)(consumer - world->consumer));
        consumer->running = false;
        break;
    }
}
