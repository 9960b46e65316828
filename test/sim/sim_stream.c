// sim_stream.c - JetStream as its relays and consumers see it: publishes that arrive in the order
// of their connection, late or never, answers that are lost, a store that loses what it had.
#include <string.h>

#include "test/sim/sim.h"

// ---- publishing ---------------------------------------------------------------------------------

// What must hold of an event that the relay has stored: it is the next one of the outbox.
static void stream_check_append(struct world *world, const struct publish *publish)
{
    const struct message *message = &publish->message;
    const struct nats *nats = &world->nats;
    const struct outbox_model *outbox = &world->pg.outbox;
    const struct row *row = &outbox->rows[message->position];
    int64_t before = 0;
    if (publish->restores != world->pg.restores)
        return; // read before an older copy took the table's place: the relay will see it
    if (row->state != ROW_COMMITTED || row->event != message->event || row->log != message->log) {
        sim_broken(world, "message %d is not an event of the outbox", (int)nats->last);
        return;
    }
    if (nats->last > 1) {
        const struct message *last = &nats->messages[nats->last - 1];
        const struct row *other = &outbox->rows[last->position];
        if (!last->there || !last->readable || !last->ours || last->n != nats->last - 1 ||
            other->event != last->event)
            return; // damaged, which the relay has yet to notice
        before = last->position;
        if (last->log != message->log)
            sim_broken(world, "message %d of log %u follows one of log %u", message->n,
                       message->log, last->log);
    }
    if (message->n != nats->last)
        sim_broken(world, "message %d carries number %d", (int)nats->last, message->n);
    if (message->position <= before)
        sim_broken(world, "message %d is at position %d, behind %d", message->n, message->position,
                   (int)before);
    for (int64_t p = before + 1; p < message->position; p++)
        if (outbox->rows[p].state != ROW_NONE)
            sim_broken(world, "position %d is skipped", (int)p);
}

bool sim_nats_store(struct nats *nats, const struct publish *publish)
{
    bool fits = nats->last < MESSAGES && (nats->limit == 0 || nats->last < nats->limit);
    if (!fits || (publish->expected_n >= 0 && publish->expected_n != nats->last))
        return false;
    nats->messages[++nats->last] = publish->message;
    nats->messages_there++;
    return true;
}

static bool stream_append(struct world *world, const struct publish *publish)
{
    struct nats *nats = &world->nats;
    if (!sim_nats_store(nats, publish))
        return false;
    SAY(world, "message %d stored: event %u at position %d, by relay %u", (int)nats->last,
        publish->message.event, publish->message.position, publish->relay);
    stream_check_append(world, publish);
    return true;
}

static void stream_answer(struct world *world, const struct publish *publish, bool stored)
{
    struct relay *relay = &world->relay[publish->relay];
    if (relay->life != publish->life)
        return; // nobody is there any more
    if (sim_fault(world, FAULT_LOST_ACK, 60)) {
        relay->lost_answers++;
        relay->lost_since_ms = world->now_ms;
        return;
    }
    relay->in_flight--;
    relay->failed |= !stored;
    if (!relay->failed)
        relay->acknowledged = publish->message.n;
}

static void nats_handle(struct world *world, uint32_t at, bool late)
{
    struct nats *nats = &world->nats;
    struct publish *queue = late ? nats->late : nats->flight;
    uint32_t *count = late ? &nats->late_count : &nats->flight_count;
    struct publish publish = queue[at];
    memmove(&queue[at], &queue[at + 1], (--*count - at) * sizeof *queue);
    bool stored = stream_append(world, &publish);
    if (!late)
        stream_answer(world, &publish, stored);
}

void sim_nats_step(struct world *world)
{
    struct nats *nats = &world->nats;
    if (world->now_ms < nats->up_ms)
        return;
    if (draw(world, 16) == 0)
        nats->flushed = nats->last;
    if (nats->late_count > 0 && draw(world, 8) == 0) {
        nats_handle(world, draw(world, nats->late_count), true);
        return;
    }
    if (nats->flight_count == 0)
        return;
    uint32_t from = draw(world, RELAYS), at = 0; // each connection keeps its order
    while (at < nats->flight_count && nats->flight[at].relay != from)
        at++;
    nats_handle(world, at < nats->flight_count ? at : 0, false);
}

// ---- the store ----------------------------------------------------------------------------------

static void nats_lose_answers(struct world *world)
{
    for (uint32_t i = 0; i < RELAYS; i++) {
        struct relay *relay = &world->relay[i];
        relay->lost_answers = relay->in_flight;
        relay->lost_since_ms = world->now_ms;
    }
}

// Publishes under way are dropped, or (keeps_late) some arrive when nobody waits for them any more.
void sim_nats_restart(struct world *world, bool keeps_late)
{
    struct nats *nats = &world->nats;
    SAY(world, keeps_late ? "nats-server changes its leader" : "nats-server is killed");
    for (uint32_t i = 0; i < nats->flight_count; i++)
        if (keeps_late && nats->late_count < FLIGHT && draw(world, 2) == 0)
            nats->late[nats->late_count++] = nats->flight[i];
    nats->flight_count = 0;
    if (!keeps_late)
        nats->late_count = 0;
    nats_lose_answers(world);
    nats->epoch++;
    nats->up_ms = world->now_ms + draw(world, 3000);
}

void sim_nats_truncate(struct world *world, int64_t last)
{
    struct nats *nats = &world->nats;
    while (nats->last > last) {
        nats->messages_there -= nats->messages[nats->last].there;
        nats->messages[nats->last--] = (struct message){0};
    }
    if (nats->flushed > nats->last)
        nats->flushed = nats->last;
    if (nats->durable.exists && nats->durable.delivered > nats->last)
        nats->durable.stuck = true; // ahead of its stream: it never delivers again
}

// Deleted and made: empty, and its durables are gone with it.
void sim_nats_make_again(struct world *world)
{
    sim_nats_truncate(world, 0);
    world->nats.first = 1;
    world->nats.messages_there = 0;
    world->nats.limit = 0;
    world->nats.late_count = 0; // they belong to the one that was deleted
    memset(&world->nats.durable, 0, sizeof world->nats.durable);
}

void sim_nats_lose(struct nats *nats, int64_t n)
{
    nats->messages_there -= nats->messages[n].there;
    nats->messages[n].there = false;
}

static void nats_foreign(struct world *world)
{
    struct nats *nats = &world->nats;
    if (nats->last >= MESSAGES)
        return;
    struct message copy = nats->messages[1 + draw(world, (uint32_t)nats->last)];
    copy.there = copy.readable = true;
    copy.ours = copy.ours && draw(world, 2) == 0; // somebody's, or one of ours once more
    nats->messages[++nats->last] = copy;
    nats->messages_there++;
}

// ---- its durable --------------------------------------------------------------------------------

void sim_durable_make(struct nats *nats, int64_t from_n)
{
    memset(&nats->durable, 0, sizeof nats->durable);
    nats->durable.exists = true;
    nats->durable.next = from_n;
    nats->durable.ack_floor = nats->durable.delivered = from_n - 1;
}

void sim_nats_expire(struct nats *nats)
{
    if (nats->durable.ack_floor < nats->durable.next)
        nats->durable.next = nats->durable.ack_floor + 1;
}

int64_t sim_durable_next(struct nats *nats)
{
    if (!nats->durable.exists || nats->durable.stuck)
        return 0;
    while (nats->durable.next <= nats->last && !nats->messages[nats->durable.next].there)
        nats->durable.next++; // a lost block: the server goes on behind it
    if (nats->durable.next > nats->last)
        return 0;
    nats->durable.deliveries++;
    if (nats->durable.delivered < nats->durable.next)
        nats->durable.delivered = nats->durable.next;
    return nats->durable.next++;
}

// ---- damage -------------------------------------------------------------------------------------

void sim_nats_damage(struct world *world, enum sim_fault fault)
{
    struct nats *nats = &world->nats;
    if (nats->last < 4)
        return;
    int64_t n = 1 + draw(world, (uint32_t)nats->last - 1); // not the last one
    SAY(world, "%s at message %d of %d", sim_fault_name(fault), (int)n, (int)nats->last);
    switch (fault) {
    case FAULT_LOST_BLOCK:
        for (int64_t i = n; i < nats->last && i < n + 4; i++)
            sim_nats_lose(nats, i);
        break;
    case FAULT_BIT_FLIP:
        nats->messages[n].readable = false;
        break;
    case FAULT_ZEROED_TAIL:
        nats->messages[nats->last].readable = false;
        break;
    case FAULT_SWAPPED_BLOCK: { // a block of an older copy of the store
        struct message other = nats->messages[n];
        nats->messages[n] = nats->messages[n + 1];
        nats->messages[n + 1] = other;
        nats->messages[n].moved = nats->messages[n + 1].moved = true;
        break;
    }
    case FAULT_FOREIGN:
        nats_foreign(world);
        break;
    case FAULT_TRIMMED:
        nats->limit = nats->last; // max_msgs: nothing fits any more
        if (draw(world, 2) == 0)
            while (nats->first <= n) // and old ones are gone
                sim_nats_lose(nats, nats->first++);
        break;
    default:
        break;
    }
}
