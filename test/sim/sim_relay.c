// sim_relay.c - carries out what the product's relay_state asks for, as outbox-relay/relay.c does,
// one small step at a time so that anything may happen in between.
#include <string.h>

#include "test/sim/sim.h"

static const struct relay_limits limits = {.lease_ms = 4000,
                                           .check_ms = 3000,
                                           .poll_ms = 250,
                                           .stuck_ms = 10000,
                                           .verify_n = 16,
                                           .step_n = 24};

enum { ANSWER_MS = 5000 };

void sim_relay_start(struct world *world, struct relay *relay)
{
    uint32_t life = relay->life;
    memset(relay, 0, sizeof *relay);
    relay_state_init(&relay->state, &limits);
    relay->life = life + 1;
    relay->owner = ++world->owners;
    relay->pg_epoch = world->pg.epoch;
    relay->nats_epoch = world->nats.epoch;
}

static uint32_t relay_number(const struct world *world, const struct relay *relay)
{
    return (uint32_t)(relay - world->relay);
}

static bool pg_answers(const struct world *world)
{
    return world->now_ms >= world->pg.up_ms;
}

static bool nats_answers(const struct world *world)
{
    return world->now_ms >= world->nats.up_ms;
}

// ---- lease and stream ---------------------------------------------------------------------------

static void relay_lease(struct world *world, struct relay *relay)
{
    struct pg *pg = &world->pg;
    bool held = pg->lease_owner == relay->owner || world->now_ms > pg->lease_until_ms;
    bool away = held && pg->lease_owner != relay->owner;
    if (held) {
        pg->lease_owner = relay->owner;
        pg->lease_until_ms = world->now_ms + limits.lease_ms;
    }
    relay->lease_refused = !held;
    relay_was_leased(&relay->state, held, world->now_ms);
    if (away)
        relay_was_away(&relay->state);
    if (held)
        relay_is_held(&relay->state, pg->paused, pg->restored);
    relay->told_paused = held && pg->paused;
}

static void relay_inspect(struct world *world, struct relay *relay)
{
    const struct nats *nats = &world->nats;
    if (relay->in_flight > 0) {
        relay->wake_ms = world->now_ms + 20; // nothing may be in flight
        return;
    }
    struct relay_stream_seen seen = {.first_n = nats->first,
                                     .last_n = nats->last,
                                     .messages = nats->messages_there,
                                     .config_is_ours = nats->limit == 0};
    relay->failed = false;
    relay->known_n = relay->acknowledged;
    relay->acknowledged = nats->last;
    relay_was_inspected(&relay->state, &seen);
    if (seen.messages != seen.last_n && relay->state.damage == NULL)
        sim_broken(world, "a relay takes a stream for whole that has holes");
}

static const char *message_damage(const struct message *message)
{
    if (!message->there || !message->readable)
        return "a message cannot be read";
    return message->ours ? NULL : "a message is not ours";
}

static void relay_verify(struct world *world, struct relay *relay, const struct relay_step *step)
{
    const char *damage = NULL;
    int64_t position = 0;
    for (int64_t n = step->first_n; n <= step->last_n && damage == NULL; n++) {
        const struct message *message = &world->nats.messages[n];
        damage = message_damage(message);
        if (damage == NULL)
            damage = relay_message_wrong(n, message->n, position, message->position);
        position = message->position;
    }
    relay_was_verified(&relay->state, damage);
}

static bool relay_finds(const struct world *world, const struct message *message)
{
    const struct row *row = &world->pg.outbox.rows[message->position];
    struct uuid event_id = sim_uuid('E', message->event), log_id = sim_uuid('L', message->log);
    struct uuid found_event = sim_uuid('E', row->event), found_log = sim_uuid('L', row->log);
    return relay_event_is_same(&event_id, &log_id, row->state == ROW_COMMITTED, &found_event,
                               &found_log);
}

static void relay_compare(struct world *world, struct relay *relay, const struct relay_step *step)
{
    struct relay_compared compared = {.same = true};
    for (int64_t n = step->first_n; n <= step->last_n; n++) {
        const struct message *message = &world->nats.messages[n];
        const char *wrong = message_damage(message);
        if (wrong == NULL) {
            wrong = relay_message_wrong(n, message->n, compared.position, message->position);
            if (wrong == NULL) {
                compared.position = message->position;
                compared.n = n;
            }
            compared.same = compared.same && relay_finds(world, message);
        }
        compared.damage = compared.damage == NULL ? wrong : compared.damage;
    }
    for (int64_t p = 1; p <= compared.position && step->count; p++)
        compared.count += world->pg.outbox.rows[p].state == ROW_COMMITTED;
    relay_was_compared(&relay->state, &compared, world->now_ms);
    if (relay->state.phase == RELAY_STOPPED)
        SAY(world, "relay %u stops: the outbox is older", relay_number(world, relay));
    for (int64_t n = relay->known_n + 1; n <= relay->state.end.last_n; n++)
        if (relay->state.phase == RELAY_FOLLOW && world->nats.messages[n].n != n &&
            !world->nats.messages[n].moved)
            sim_broken(world, "a relay follows behind message %d, which is none of its own",
                       (int)n);
}

// What is deleted must be in the outbox: it may be the only copy.
static void check_nothing_is_lost(struct world *world)
{
    for (int64_t n = 1; n <= world->nats.last; n++) {
        const struct message *message = &world->nats.messages[n];
        if (message_damage(message) == NULL && !relay_finds(world, message))
            sim_broken(world, "message %d is deleted, and the outbox does not hold it", (int)n);
    }
}

static void relay_make_again(struct world *world, struct relay *relay,
                             const struct relay_step *step)
{
    if (world->nats.last != step->last_n && SIM_RULE(bus, SAME_END)) {
        relay_has_changed(&relay->state);
        return;
    }
    SAY(world, "relay %u makes the stream again: %s", relay_number(world, relay), relay->state.why);
    check_nothing_is_lost(world);
    sim_nats_make_again(&world->nats);
    relay_was_made_again(&relay->state);
}

// Writers are let in: nothing in the stream as it was compared may be unknown to the restored
// outbox. (What another relay still had in its hands and publishes now is met at the next publish,
// which is refused: then this one stops.)
static void relay_admit(struct world *world, struct relay *relay)
{
    for (int64_t n = 1; n <= relay->state.end.last_n && n <= world->nats.last; n++) {
        const struct message *message = &world->nats.messages[n];
        if (message_damage(message) == NULL && !relay_finds(world, message))
            sim_broken(world, "writers are let in, and the restored outbox lacks message %d",
                       (int)n);
    }
    world->pg.restored = false;
    relay_has_admitted(&relay->state);
}

// ---- looking at the outbox ----------------------------------------------------------------------

static void look_at_rows(struct world *world, struct relay *relay)
{
    const struct outbox_model *outbox = &world->pg.outbox;
    const struct settle *settle = &relay->state.settle;
    bool last_read = settle->state == SETTLE_LAST_READ;
    uint32_t most = last_read ? LOOK_ROWS : 1 + draw(world, LOOK_ROWS / 2);
    relay->seen_count = 0;
    for (int64_t p = settle->cursor + 1; p < outbox->next && relay->seen_count < most; p++)
        if (outbox->rows[p].state == ROW_COMMITTED)
            relay->seen[relay->seen_count++] =
                (typeof(relay->seen[0])){(int16_t)p, outbox->rows[p].event, outbox->rows[p].log};
    relay->seen_restores = world->pg.restores;
}

static void look_at_holders(struct world *world, struct relay *relay)
{
    relay->holder_count = 0;
    for (uint32_t i = 0; i < WRITERS; i++)
        if (world->writer[i].transaction != 0)
            relay->holders[relay->holder_count++] = world->writer[i].transaction;
}

static void look_end(struct world *world, struct relay *relay)
{
    struct settle *settle = &relay->state.settle;
    struct outbox_look look = {.prefix_end = settle->cursor,
                               .writers = relay->holders,
                               .writer_count = relay->holder_count};
    uint32_t rows = 0, count = relay->seen_count;
    while (rows < count && relay->seen[rows].position == look.prefix_end + 1) {
        look.prefix_end++;
        rows++;
    }
    look.highest = count == 0 ? look.prefix_end : relay->seen[count - 1].position;
    if (settle->state == SETTLE_LAST_READ && look.highest < settle->horizon)
        look.highest = settle->horizon;
    int64_t settled = settle_look(settle, &look);
    for (rows = 0; rows < count && relay->seen[rows].position <= settled;)
        rows++;
    relay->looking = false;
    relay_was_looked(&relay->state, rows, world->now_ms);
}

static void relay_look(struct world *world, struct relay *relay)
{
    if (!relay->looking) {
        relay->looking = true;
        if (SIM_RULE(sql, HOLDERS_LAST))
            look_at_rows(world, relay);
        else
            look_at_holders(world, relay);
        return; // writers move in between
    }
    if (SIM_RULE(sql, HOLDERS_LAST))
        look_at_holders(world, relay);
    else
        look_at_rows(world, relay);
    look_end(world, relay);
}

// ---- publishing ---------------------------------------------------------------------------------

static void relay_publish(struct world *world, struct relay *relay, const struct relay_step *step)
{
    struct nats *nats = &world->nats;
    int64_t count = step->last_n - step->first_n + 1;
    if (nats->flight_count + count > FLIGHT)
        return; // the window is full
    if (relay->failed)
        sim_broken(world, "a relay publishes behind a publish that failed");
    if (relay->told_paused)
        sim_broken(world, "a relay publishes that is paused");
    for (int64_t i = 0; i < count; i++) {
        nats->flight[nats->flight_count++] = (struct publish){
            .relay = (uint8_t)relay_number(world, relay),
            .life = relay->life,
            .restores = relay->seen_restores,
            .expected_n = (int16_t)(step->expected_n < 0 ? -1 : step->expected_n + i),
            .message = {.n = (int16_t)(step->first_n + i),
                        .position = relay->seen[i].position,
                        .event = relay->seen[i].event,
                        .log = relay->seen[i].log,
                        .there = true,
                        .readable = true,
                        .ours = true}};
        relay->in_flight++;
    }
    relay_has_published(&relay->state, world->now_ms);
}

static void relay_end_stuck(struct world *world, struct relay *relay)
{
    for (uint32_t i = 0; i < WRITERS; i++)
        if (world->writer[i].transaction != 0 && world->writer[i].wake_ms > world->now_ms) {
            SAY(world, "writer %u is ended", i);
            sim_writer_abort(world, &world->writer[i]);
            world->writer[i].wake_ms = 0;
        }
    relay_has_ended_stuck(&relay->state, world->now_ms);
}

// ---- the step -----------------------------------------------------------------------------------

static bool relay_needs_pg(enum relay_action action)
{
    return action == RELAY_DO_LEASE || action == RELAY_DO_COMPARE || action == RELAY_DO_LOOK ||
           action == RELAY_DO_END_STUCK || action == RELAY_DO_MAKE_AGAIN ||
           action == RELAY_DO_ADMIT;
}

static bool relay_needs_nats(enum relay_action action)
{
    return action == RELAY_DO_INSPECT || action == RELAY_DO_VERIFY ||
           action == RELAY_DO_MAKE_AGAIN || action == RELAY_DO_PUBLISH;
}

static void relay_time_out(struct world *world, struct relay *relay)
{
    if (relay->lost_answers == 0 || world->now_ms - relay->lost_since_ms < ANSWER_MS ||
        !SIM_RULE(bus, MAX_WAIT))
        return;
    relay->in_flight -= relay->lost_answers;
    relay->lost_answers = 0;
    relay->failed = true;
}

// As relay_check of relay.c.
static void relay_check(struct world *world, struct relay *relay)
{
    relay_time_out(world, relay);
    if (relay->pg_epoch != world->pg.epoch && pg_answers(world)) {
        relay->pg_epoch = world->pg.epoch;
        relay_has_reconnected_outbox(&relay->state);
    }
    if (relay->nats_epoch != world->nats.epoch && nats_answers(world)) {
        relay->nats_epoch = world->nats.epoch;
        relay_has_reconnected(&relay->state);
    }
    if (relay->failed)
        relay_publish_has_failed(&relay->state, relay->acknowledged);
}

void sim_relay_step(struct world *world, struct relay *relay)
{
    relay_check(world, relay);
    relay->looking = relay->looking && relay->state.phase == RELAY_FOLLOW;
    struct relay_step step = relay_next(&relay->state, world->now_ms);
    if (relay->lease_refused && step.action != RELAY_DO_LEASE && step.action != RELAY_DO_WAIT)
        sim_broken(world, "a relay works whose lease is another's");
    bool pg_lost = !pg_answers(world) || relay->pg_epoch != world->pg.epoch;
    if ((relay_needs_pg(step.action) && pg_lost) ||
        (relay_needs_nats(step.action) && !nats_answers(world))) {
        relay_has_failed(&relay->state);
        return;
    }
    switch (step.action) {
    case RELAY_DO_LEASE:
        relay_lease(world, relay);
        break;
    case RELAY_DO_INSPECT:
        relay_inspect(world, relay);
        break;
    case RELAY_DO_VERIFY:
        relay_verify(world, relay, &step);
        break;
    case RELAY_DO_COMPARE:
        relay_compare(world, relay, &step);
        break;
    case RELAY_DO_MAKE_AGAIN:
        relay_make_again(world, relay, &step);
        break;
    case RELAY_DO_LOOK:
        relay_look(world, relay);
        break;
    case RELAY_DO_PUBLISH:
        relay_publish(world, relay, &step);
        break;
    case RELAY_DO_END_STUCK:
        relay_end_stuck(world, relay);
        break;
    case RELAY_DO_ADMIT:
        relay_admit(world, relay);
        break;
    case RELAY_DO_WAIT:
        relay->wake_ms = world->now_ms + draw(world, (uint32_t)step.wait_ms) + 1; // or the doorbell
        relay_has_waited(&relay->state);
        break;
    }
}
