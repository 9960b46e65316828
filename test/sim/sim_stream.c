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
    nats->messages[nats->last].readable &= !nats->spoiled;
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
    if (draw(world, 16) == 0) {
        nats->flushed = nats->last;
        nats->durable_kept = nats->durable;
    }
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
    if (draw(world, 2) == 0) // its state is not written with each delivery and acknowledgement
        sim_durable_find(nats, &nats->durable_kept);
    nats->epoch++;
    nats->up_ms = world->now_ms + draw(world, 3000);
}

// A durable that is ahead of the stream then stays where it is: it delivers nothing until the
// stream has grown past it, and what is stored until then it never delivers.
void sim_nats_truncate(struct nats *nats, int64_t last)
{
    while (nats->last > last) {
        nats->messages_there -= nats->messages[nats->last].there;
        nats->messages[nats->last--] = (struct message){0};
    }
    if (nats->flushed > nats->last)
        nats->flushed = nats->last;
    if (nats->first > nats->last + 1)
        nats->first = nats->last + 1;
}

// Deleted and made: empty, and its durables are gone with it.
void sim_nats_make_again(struct nats *nats)
{
    sim_nats_truncate(nats, 0);
    nats->messages_there = 0;
    nats->limit = 0;
    nats->spoiled = false;
    nats->late_count = 0; // they belong to the one that was deleted
    sim_durable_remove(nats);
}

void sim_nats_lose(struct nats *nats, int64_t n)
{
    nats->messages_there -= nats->messages[n].there;
    nats->messages[n].there = false;
    nats->spoiled |= n == nats->last;
    while (nats->first <= nats->last && !nats->messages[nats->first].there)
        nats->first++;
}

void sim_nats_trim(struct nats *nats, int64_t first_n)
{
    nats->limit = nats->last;
    for (int64_t n = nats->first; n < first_n; n++) {
        if (nats->durable.state[n] != DELIVERY_NONE) // counts as acknowledged, with all before it
            sim_durable_ack(nats, n, nats->durable.delivery[n]);
        sim_nats_lose(nats, n);
    }
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

bool sim_message_is_read(const struct nats *nats, int64_t n)
{
    return nats->messages[n].there && nats->messages[n].readable;
}

static int64_t durable_next_new(const struct nats *nats)
{
    int64_t n = nats->durable.next;
    while (n <= nats->last && !sim_message_is_read(nats, n))
        n++;
    return n;
}

void sim_durable_pass(struct nats *nats, int64_t n)
{
    struct durable *durable = &nats->durable;
    if (durable->next <= n)
        durable->next = n + 1;
    if (durable->delivered < n)
        durable->delivered = n;
}

void sim_durable_make(struct nats *nats, int64_t from_n)
{
    memset(&nats->durable, 0, sizeof nats->durable);
    // Killed before its state was written for the first time, it begins with the first message.
    nats->durable_kept = (struct durable){.exists = true, .next = nats->first};
    if (from_n < nats->first)
        from_n = nats->first;
    if (from_n > nats->last + 1)
        from_n = nats->last + 1; // what will be stored next is the farthest place
    nats->durable.exists = true;
    nats->durable.next = from_n;
    nats->durable.delivered = from_n - 1; // the floor is 0 until something is acknowledged
}

void sim_durable_remove(struct nats *nats)
{
    memset(&nats->durable, 0, sizeof nats->durable);
    nats->durable_kept = nats->durable;
}

void sim_durable_none_again(struct durable *durable)
{
    for (int64_t n = 1; n <= MESSAGES && durable->again_count > 0; n++)
        if (durable->state[n] == DELIVERY_AGAIN) {
            durable->state[n] = DELIVERY_PENDING;
            durable->again_count--;
        }
}

void sim_durable_find(struct nats *nats, const struct durable *earlier)
{
    nats->durable = *earlier;
    sim_durable_none_again(&nats->durable);
}

void sim_nats_expire(struct nats *nats)
{
    struct durable *durable = &nats->durable;
    for (int64_t n = durable->ack_floor + 1; n <= durable->delivered; n++)
        if (durable->state[n] == DELIVERY_PENDING) {
            durable->state[n] = DELIVERY_AGAIN;
            durable->again_count++;
        }
}

// What comes again comes first, in any order: by when its time was over, not by number.
bool sim_durable_may(const struct nats *nats, int64_t n)
{
    const struct durable *durable = &nats->durable;
    if (!durable->exists || n < 1 || n > nats->last || !sim_message_is_read(nats, n))
        return false;
    if (durable->again_count > 0)
        return durable->state[n] == DELIVERY_AGAIN;
    return n == durable_next_new(nats);
}

void sim_durable_deliver(struct nats *nats, int64_t n)
{
    struct durable *durable = &nats->durable;
    durable->again_count -= durable->state[n] == DELIVERY_AGAIN;
    durable->deliveries++;
    if (durable->state[n] == DELIVERY_NONE)
        durable->delivery[n] = (int16_t)durable->deliveries;
    durable->state[n] = DELIVERY_PENDING;
    if (n >= durable->next)
        sim_durable_pass(nats, n);
}

// One of those that come again; lost ones are left out until their time is over once more.
static int64_t durable_next_again(struct nats *nats, uint32_t skip)
{
    struct durable *durable = &nats->durable;
    int64_t found = 0;
    for (int64_t n = durable->ack_floor + 1; n <= durable->delivered; n++) {
        if (durable->state[n] != DELIVERY_AGAIN || (found > 0 && skip == 0))
            continue;
        if (n <= nats->last && sim_message_is_read(nats, n)) {
            skip -= found > 0;
            found = n;
        } else {
            durable->state[n] = DELIVERY_PENDING;
            durable->again_count--;
        }
    }
    return found;
}

int64_t sim_durable_next(struct nats *nats, uint32_t skip)
{
    if (!nats->durable.exists)
        return 0;
    int64_t n = nats->durable.again_count > 0 ? durable_next_again(nats, skip) : 0;
    if (n == 0)
        n = durable_next_new(nats);
    if (n > nats->last) {
        sim_durable_pass(nats, nats->last); // lost ones at the end were passed too
        return 0;
    }
    sim_durable_deliver(nats, n);
    return n;
}

static void durable_raise_floor(struct durable *durable, int64_t n)
{
    for (; durable->ack_floor < n; durable->ack_floor++) {
        uint8_t *state = &durable->state[durable->ack_floor + 1];
        durable->again_count -= *state == DELIVERY_AGAIN;
        *state = DELIVERY_NONE;
    }
}

// One whose delivery is older than the last that was acknowledged is ignored.
void sim_durable_ack(struct nats *nats, int64_t n, int64_t delivery)
{
    struct durable *durable = &nats->durable;
    if (!durable->exists || n > durable->delivered || delivery <= durable->acked_delivery ||
        n <= durable->ack_floor)
        return;
    durable->acked_delivery = delivery;
    durable_raise_floor(durable, n);
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
        sim_nats_lose(nats, nats->last); // its number stays taken
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
        sim_nats_trim(nats, draw(world, 2) == 0 ? n + 1 : nats->first);
        break;
    default:
        break;
    }
}
