// test_inbox_state.c - the consumer's machine against seeded histories of redelivery, lost
// deliveries, crashes, take-overs, transient and permanent failures; and each of its rules taken
// out once: a simulation that does not notice would prove nothing.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// PLACE, EVENT and AGAIN need a restored database: test/sim/ takes them out.
enum rule {
    SKIP = 1,
    JUMP,
    IDLE,
    LOG,
    TRANSIENT,
    ALONE,
    BEHIND,
    LIMIT,
    MOVED,
    PLACE,
    EVENT,
    AGAIN
};
static enum rule rule_taken_out;

#define INBOX_RULE(name) (rule_taken_out != (name))
#include "inbox/inbox_state.c"

enum { HISTORIES = 10000, EVENTS = 40, EVENTS_WIDE = 150, BATCH = 12, STEPS = 400 };

// What a history does to the consumer.
struct faults {
    // One in so many; 0: never. overtake: a new generation goes live, further than the old one.
    uint32_t lose, redeliver, transient, lost_answer, crash, take_over, overtake;
    bool filtered;
    bool wide;          // every event an aggregate of its own, and every handler fails
    int64_t other_from; // from this n on the source is another log; 0: never
};

enum fate { FATE_NONE, FATE_APPLIED, FATE_PARKED };

struct instance {
    struct inbox_state state;
    int64_t epoch, cursor, delivery;
    struct inbox_seen batch[BATCH * 2];
    uint32_t attaches;
};

struct world {
    uint64_t random;
    struct faults faults;
    int64_t events;
    struct inbox_seen event[EVENTS_WIDE + 1];
    bool poison[EVENTS_WIDE + 1];
    // The database: read model, dead letters, checkpoint, lease.
    enum fate fate[EVENTS_WIDE + 1];
    struct inbox_checkpoint checkpoint;
    int64_t epoch;
    bool broken; // an effect twice, out of order, or missing
    struct instance now, old;
};

static uint32_t draw(struct world *world, uint32_t below) // xorshift64*
{
    world->random ^= world->random >> 12;
    world->random ^= world->random << 25;
    world->random ^= world->random >> 27;
    return (uint32_t)((world->random * 0x2545F4914F6CDD1Dull) >> 33) % below;
}

static bool happens(struct world *world, uint32_t one_in)
{
    return one_in != 0 && draw(world, one_in) == 0;
}

static struct uuid id_of(uint8_t kind, int64_t number)
{
    struct uuid id = {{kind}};
    memcpy(&id.bytes[1], &number, sizeof number);
    return id;
}

static void world_make_events(struct world *world)
{
    int64_t position = 0, n = 0;
    for (int64_t i = 1; i <= world->events; i++) {
        position += 1 + draw(world, 3);
        n += world->faults.filtered ? 1 + draw(world, 2) : 1;
        struct inbox_seen *event = &world->event[i];
        event->n = n;
        event->position = position;
        bool other = world->faults.other_from != 0 && i >= world->faults.other_from;
        event->log_id = id_of(other ? 'M' : 'L', 0);
        event->aggregate_id = id_of('A', world->faults.wide ? i : draw(world, 6));
        event->wanted = world->faults.wide || draw(world, 5) != 0;
        world->poison[i] = world->faults.wide || draw(world, 12) == 0;
    }
}

static void instance_start(struct world *world, struct instance *instance)
{
    inbox_state_init(&instance->state, world->faults.filtered, 1000);
    instance->epoch = world->epoch;
    instance->cursor = 1;
}

static int64_t place_of(const struct world *world, int64_t n)
{
    int64_t i = 1;
    while (i <= world->events && world->event[i].n <= n)
        i++;
    return i;
}

static void instance_load(struct world *world, struct instance *instance)
{
    struct uuid parked[EVENTS_WIDE];
    uint32_t count = 0;
    for (int64_t i = 1; i <= world->events; i++) {
        bool known = world->fate[i] != FATE_PARKED;
        for (uint32_t k = 0; k < count && !known; k++)
            known = uuid_equal(&parked[k], &world->event[i].aggregate_id);
        if (!known)
            parked[count++] = world->event[i].aggregate_id;
    }
    inbox_was_loaded(&instance->state, &world->checkpoint, parked, count);
}

static void instance_read(struct world *world, struct instance *instance)
{
    uint32_t count = 0, most = 1 + draw(world, BATCH);
    if (happens(world, world->faults.redeliver)) { // some that were delivered come first
        int64_t back = 1 + draw(world, 5);
        instance->cursor = instance->cursor > back ? instance->cursor - back : 1;
    }
    while (count < most && instance->cursor <= world->events) {
        instance->delivery++;
        if (happens(world, world->faults.lose)) {
            instance->cursor++;
            continue;
        }
        instance->batch[count] = world->event[instance->cursor++];
        instance->batch[count++].delivery = instance->delivery;
    }
    inbox_was_read(&instance->state, instance->batch, count);
    if (count == 0) {
        int64_t last = instance->cursor - 1;
        inbox_was_idle(&instance->state, last > 0 ? world->event[last].n : 0, instance->delivery,
                       &world->checkpoint);
    }
}

// The effect of one event in the database; what must hold of it is checked here.
static void world_take(struct world *world, const struct inbox_seen *seen, enum inbox_verdict what)
{
    int64_t i = place_of(world, seen->n) - 1;
    if (what == INBOX_NOTHING) {
        world->broken |= world->event[i].wanted;
        return;
    }
    bool parked_before = false;
    for (int64_t k = 1; k < i; k++) {
        if (!world->event[k].wanted ||
            !uuid_equal(&world->event[k].aggregate_id, &seen->aggregate_id))
            continue;
        world->broken |= world->fate[k] == FATE_NONE; // an earlier one of it was left out
        parked_before |= world->fate[k] == FATE_PARKED;
    }
    world->broken |= world->fate[i] != FATE_NONE;                    // a second time
    world->broken |= what == INBOX_APPLY && parked_before;           // order
    world->broken |= what == INBOX_PARK_BEHIND && !parked_before;    // without a reason
    world->broken |= what == INBOX_PARK_FAILED && !world->poison[i]; // without a reason
    world->broken |= uuid_equal(&seen->log_id, &(struct uuid){{'M'}});
    world->fate[i] = what == INBOX_APPLY ? FATE_APPLIED : FATE_PARKED;
}

static void instance_commit(struct world *world, struct instance *instance, struct inbox_step step)
{
    struct inbox_state *state = &instance->state;
    enum inbox_outcome outcome = INBOX_DONE;
    if (instance->epoch != world->epoch)
        outcome = INBOX_FENCED;
    else if (world->checkpoint.n != state->checkpoint.n)
        outcome = INBOX_MOVED;
    else if (happens(world, world->faults.transient))
        outcome = INBOX_TRANSIENT;
    for (uint32_t i = step.from; i < step.to && outcome == INBOX_DONE; i++)
        if (inbox_verdict_of(state, i) == INBOX_APPLY &&
            world->poison[place_of(world, state->batch[i].n) - 1])
            outcome = INBOX_PERMANENT;
    if (outcome == INBOX_DONE) {
        for (uint32_t i = step.from; i < step.to; i++)
            world_take(world, &state->batch[i], inbox_verdict_of(state, i));
        world->checkpoint = step.up;
        if (happens(world, world->faults.lost_answer))
            outcome = INBOX_TRANSIENT; // committed, and nobody knows
    }
    inbox_was_committed(state, outcome);
}

// False: it stopped.
static bool instance_step(struct world *world, struct instance *instance)
{
    struct inbox_state *state = &instance->state;
    struct inbox_step step = inbox_next(state);
    switch (step.action) {
    case INBOX_DO_LOAD:
        instance_load(world, instance);
        break;
    case INBOX_DO_ATTACH:
        instance->cursor = place_of(world, state->checkpoint.n); // behind it
        if (instance->cursor > 1 && !world->faults.filtered)
            instance->cursor--;
        instance->delivery = 0;
        instance->attaches++;
        inbox_was_attached(state, 0);
        break;
    case INBOX_DO_READ:
        if (happens(world, world->faults.transient))
            inbox_has_failed(state);
        else
            instance_read(world, instance);
        break;
    case INBOX_DO_COMMIT:
        instance_commit(world, instance, step);
        break;
    case INBOX_DO_WAIT:
        world->broken |= step.wait_ms < 1;
        inbox_has_waited(state);
        break;
    case INBOX_DO_STOP:
        return false;
    }
    return true;
}

// Without faults from here on: everything must come to its end.
static bool quiet_end_is_whole(struct world *world)
{
    struct faults *faults = &world->faults;
    int64_t end = faults->other_from ? faults->other_from - 1 : world->events;
    faults->lose = faults->redeliver = faults->transient = faults->lost_answer = 0;
    for (int step = 0; step < STEPS * 4 && !world->broken; step++)
        if (!instance_step(world, &world->now))
            break;
    if (world->broken)
        return false;
    if (faults->wide) {
        uint32_t parked = 0;
        for (int64_t i = 1; i <= world->events; i++)
            parked += world->fate[i] == FATE_PARKED;
        return world->now.state.failing && parked == INBOX_PARKED_MAX;
    }
    bool stopped = world->now.state.next == INBOX_DO_STOP;
    if (stopped != (faults->other_from != 0) || (stopped && faults->other_from == 1))
        return false;
    for (int64_t i = 1; i <= world->events; i++) {
        bool behind = false;
        for (int64_t k = 1; k <= i; k++)
            behind |= world->event[k].wanted && world->poison[k] &&
                      uuid_equal(&world->event[k].aggregate_id, &world->event[i].aggregate_id);
        enum fate due = i > end || !world->event[i].wanted ? FATE_NONE
                        : behind                           ? FATE_PARKED
                                                           : FATE_APPLIED;
        if (world->fate[i] != due)
            return false;
    }
    return true;
}

// Another generation, filled by a rebuild, takes the live one's place.
static void world_overtake(struct world *world)
{
    int64_t first = place_of(world, world->checkpoint.n);
    for (int64_t i = first; i <= world->events && i < first + 4; i++) {
        struct inbox_seen *event = &world->event[i];
        enum inbox_verdict what = world->poison[i] ? INBOX_PARK_FAILED : INBOX_APPLY;
        if (world->faults.other_from != 0 && i >= world->faults.other_from)
            return;
        for (int64_t k = 1; k < i; k++)
            if (world->fate[k] == FATE_PARKED &&
                uuid_equal(&world->event[k].aggregate_id, &event->aggregate_id))
                what = INBOX_PARK_BEHIND;
        world_take(world, event, event->wanted ? what : INBOX_NOTHING);
        world->checkpoint = checkpoint_of(event);
    }
}

static void world_disturb(struct world *world)
{
    if (happens(world, world->faults.overtake))
        world_overtake(world);
    if (happens(world, world->faults.crash))
        instance_start(world, &world->now);
    if (happens(world, world->faults.take_over)) {
        world->epoch++;
        world->old = world->now; // and it goes on, as a woken process does
        if (world->old.state.batch)
            world->old.state.batch = world->old.batch;
        instance_start(world, &world->now);
    }
    if (world->old.epoch != world->epoch)
        instance_step(world, &world->old);
}

static struct faults faults_of(struct world *world)
{
    struct faults faults = {.filtered = draw(world, 4) == 0, .wide = draw(world, 60) == 0};
    if (draw(world, 8) == 0) { // nothing but messages delivered again
        faults.redeliver = 3;
        return faults;
    }
    uint32_t *rates[] = {&faults.lose,  &faults.redeliver, &faults.transient, &faults.lost_answer,
                         &faults.crash, &faults.take_over, &faults.overtake};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
        *rates[i] = draw(world, 2) ? 4 + draw(world, 20) : 0;
    if (faults.wide)
        faults.overtake = 0; // a rebuild would fail as well
    else if (draw(world, 6) == 0)
        faults.other_from = 2 + draw(world, EVENTS - 2);
    return faults;
}

static bool history_holds(struct world *world, uint64_t seed)
{
    memset(world, 0, sizeof *world);
    world->random = seed * 0x9E3779B97F4A7C15ull + 1;
    world->faults = faults_of(world);
    world->events = world->faults.wide ? EVENTS_WIDE : EVENTS;
    world->epoch = 1;
    world_make_events(world);
    instance_start(world, &world->now);
    instance_start(world, &world->old);
    bool only_again = !world->faults.lose && !world->faults.transient && !world->faults.crash &&
                      !world->faults.lost_answer && !world->faults.take_over &&
                      !world->faults.overtake && !world->faults.filtered && !world->faults.wide &&
                      !world->faults.other_from;
    for (int step = 0; step < STEPS && !world->broken; step++) {
        world_disturb(world);
        instance_step(world, &world->now);
    }
    if (world->faults.redeliver && only_again && world->now.attaches != 1)
        return false; // what is known already is no reason to make the reader again
    return !world->broken && quiet_end_is_whole(world);
}

// The first seed that fails, or HISTORIES when all hold.
static uint64_t first_failing_seed(enum rule taken_out)
{
    static struct world world;
    rule_taken_out = taken_out;
    uint64_t seed = 0;
    while (seed < HISTORIES && history_holds(&world, seed))
        seed++;
    rule_taken_out = 0;
    return seed;
}

static void every_event_takes_effect_once_and_in_order_or_is_parked(void **state)
{
    (void)state;
    uint64_t seed = first_failing_seed(0);
    if (seed < HISTORIES)
        print_message("first failing seed: %llu\n", (unsigned long long)seed);
    assert_int_equal(seed, HISTORIES);
}

static void the_simulation_notices_each_rule_taken_out(void **state)
{
    (void)state;
    for (int rule = SKIP; rule <= MOVED; rule++) {
        uint64_t seed = first_failing_seed((enum rule)rule);
        if (seed == HISTORIES)
            print_message("rule %d is not noticed\n", rule);
        assert_true(seed < HISTORIES);
    }
}

static struct inbox_state machine;

static void machine_at(int64_t n, bool filtered)
{
    struct inbox_checkpoint checkpoint = {id_of('L', 0), n * 10, n, id_of('E', n)};
    inbox_state_init(&machine, filtered, 1000);
    inbox_was_loaded(&machine, &checkpoint, NULL, 0);
    inbox_was_attached(&machine, 0);
    machine.confirmed = true; // as if it had come
}

static struct inbox_seen seen(int64_t n, int64_t aggregate)
{
    return (struct inbox_seen){.n = n,
                               .position = n * 10,
                               .delivery = n,
                               .log_id = id_of('L', 0),
                               .event_id = id_of('E', n),
                               .aggregate_id = id_of('A', aggregate),
                               .wanted = true};
}

static void a_batch_is_one_step_and_moves_the_checkpoint_to_its_end(void **state)
{
    (void)state;
    machine_at(4, false);
    struct inbox_seen batch[] = {seen(5, 1), seen(6, 2), seen(7, 1)};
    batch[2].wanted = false; // holds nothing for the consumer, and the checkpoint passes it
    inbox_was_read(&machine, batch, 3);
    struct inbox_step step = inbox_next(&machine);
    assert_int_equal(step.action, INBOX_DO_COMMIT);
    assert_int_equal(step.from, 0);
    assert_int_equal(step.to, 3);
    assert_int_equal(step.up.n, 7);
    assert_int_equal(step.up.position, 70);
    assert_int_equal(inbox_verdict_of(&machine, 2), INBOX_NOTHING);
    inbox_was_committed(&machine, INBOX_DONE);
    assert_int_equal(inbox_next(&machine).action, INBOX_DO_READ);
    assert_int_equal(machine.checkpoint.n, 7);
}

static void a_message_left_out_makes_the_reader_again_from_the_checkpoint(void **state)
{
    (void)state;
    machine_at(4, false);
    struct inbox_seen batch[] = {seen(5, 1), seen(7, 1)};
    inbox_was_read(&machine, batch, 2);
    assert_int_equal(inbox_next(&machine).to, 1); // what came before it is taken
    inbox_was_committed(&machine, INBOX_DONE);
    assert_int_equal(inbox_next(&machine).action, INBOX_DO_ATTACH);
    inbox_was_attached(&machine, 0);
    inbox_was_read(&machine, &batch[1], 1); // again: the source itself has a hole
    assert_int_equal(inbox_next(&machine).action, INBOX_DO_WAIT);
    assert_int_equal(inbox_next(&machine).why, INBOX_WHY_JUMP);
}

static void a_reader_that_cannot_begin_at_the_checkpoint_asks_where_that_is_now(void **state)
{
    (void)state;
    machine_at(4, false);
    inbox_has_failed(&machine); // reading
    inbox_has_waited(&machine);
    assert_int_equal(inbox_next(&machine).action, INBOX_DO_ATTACH);
    inbox_has_failed(&machine); // the stream ends before the checkpoint
    inbox_has_waited(&machine);
    assert_int_equal(inbox_next(&machine).action, INBOX_DO_LOAD);
}

static void a_filter_leaves_numbers_out_but_no_delivery(void **state)
{
    (void)state;
    machine_at(4, true);
    struct inbox_seen batch[] = {seen(9, 1), seen(30, 2), seen(31, 2)};
    batch[0].delivery = 1;
    batch[1].delivery = 2;
    batch[2].delivery = 4;
    inbox_was_read(&machine, batch, 3);
    assert_int_equal(inbox_next(&machine).to, 2);
    inbox_was_committed(&machine, INBOX_DONE);
    assert_int_equal(inbox_next(&machine).action, INBOX_DO_ATTACH);
}

static void an_unknown_log_id_stops_the_consumer_for_good(void **state)
{
    (void)state;
    machine_at(4, false);
    struct inbox_seen message = seen(5, 1);
    message.log_id = id_of('M', 0);
    inbox_was_read(&machine, &message, 1);
    assert_int_equal(inbox_next(&machine).action, INBOX_DO_STOP);
    assert_int_equal(inbox_next(&machine).why, INBOX_WHY_OTHER_LOG);
}

static void a_first_event_brings_its_log_id(void **state)
{
    (void)state;
    struct inbox_checkpoint none = {0};
    inbox_state_init(&machine, false, 1000);
    inbox_was_loaded(&machine, &none, NULL, 0);
    inbox_was_attached(&machine, 0);
    struct inbox_seen message = seen(1, 1);
    inbox_was_read(&machine, &message, 1);
    struct uuid log_id = inbox_next(&machine).up.log_id;
    assert_true(uuid_equal(&log_id, &message.log_id));
}

static void transient_failures_wait_longer_and_longer_and_never_give_up(void **state)
{
    (void)state;
    machine_at(0, false);
    struct inbox_seen message = seen(1, 1);
    inbox_was_read(&machine, &message, 1);
    int64_t before_ms = 0;
    for (int i = 0; i < 1000; i++) {
        inbox_was_committed(&machine, INBOX_TRANSIENT);
        struct inbox_step step = inbox_next(&machine);
        assert_int_equal(step.action, INBOX_DO_WAIT);
        assert_true(step.wait_ms >= before_ms && step.wait_ms <= 1000);
        before_ms = step.wait_ms;
        inbox_has_waited(&machine);
        assert_int_equal(inbox_next(&machine).action, INBOX_DO_COMMIT);
    }
    assert_int_equal(before_ms, 1000);
    assert_int_equal(inbox_verdict_of(&machine, 0), INBOX_APPLY);
}

static void one_poison_event_parks_its_aggregate_and_nothing_else(void **state)
{
    (void)state;
    machine_at(0, false);
    struct inbox_seen batch[] = {seen(1, 1), seen(2, 2), seen(3, 1), seen(4, 2)};
    inbox_was_read(&machine, batch, 4);
    inbox_was_committed(&machine, INBOX_PERMANENT); // the batch
    inbox_was_committed(&machine, INBOX_DONE);      // 1 alone
    inbox_was_committed(&machine, INBOX_PERMANENT); // 2 alone
    assert_int_equal(inbox_verdict_of(&machine, 1), INBOX_PARK_FAILED);
    inbox_was_committed(&machine, INBOX_DONE);
    assert_int_equal(inbox_verdict_of(&machine, 2), INBOX_APPLY);
    assert_int_equal(inbox_verdict_of(&machine, 3), INBOX_PARK_BEHIND);
}

static void a_source_that_says_it_delivered_more_is_read_again(void **state)
{
    (void)state;
    machine_at(4, false);
    inbox_was_read(&machine, NULL, 0);
    inbox_was_idle(&machine, 4, 0, &machine.checkpoint);
    assert_int_equal(inbox_next(&machine).action, INBOX_DO_READ);
    inbox_was_idle(&machine, 57, 0, &machine.checkpoint);
    assert_int_equal(inbox_next(&machine).action, INBOX_DO_ATTACH);
}

static void a_checkpoint_that_was_restored_is_loaded_again(void **state)
{
    (void)state;
    machine_at(4, false);
    struct inbox_checkpoint older = {id_of('L', 0), 20, 2, id_of('E', 2)};
    inbox_was_idle(&machine, 4, 0, &older);
    assert_int_equal(inbox_next(&machine).action, INBOX_DO_LOAD);
}

static void another_event_at_the_checkpoint_stops_it(void **state)
{
    (void)state;
    machine_at(4, false);
    struct inbox_seen batch[] = {seen(4, 1), seen(5, 1)};
    inbox_was_read(&machine, batch, 2); // its own event once more, and then a new one
    assert_int_equal(inbox_next(&machine).action, INBOX_DO_COMMIT);
    assert_int_equal(inbox_next(&machine).from, 1);
    machine_at(4, false);
    machine.confirmed = false;
    inbox_was_read(&machine, &batch[1], 1); // nobody knows what message 4 is
    assert_int_equal(inbox_next(&machine).action, INBOX_DO_WAIT);
    machine_at(4, false);
    batch[0].event_id = id_of('E', 77);
    inbox_was_read(&machine, batch, 2);
    assert_int_equal(inbox_next(&machine).action, INBOX_DO_STOP);
    assert_int_equal(inbox_next(&machine).why, INBOX_WHY_OTHER_LOG);
}

static void an_unknown_type_stops_a_consumer_that_declares_so_behind_what_is_known(void **state)
{
    (void)state;
    struct inbox_seen batch[] = {seen(1, 1), seen(2, 2), seen(3, 3)};
    batch[1].stops = true;
    machine_at(0, false);
    inbox_was_read(&machine, batch, 3);
    assert_int_equal(inbox_next(&machine).to, 1); // what is before it is applied
    inbox_was_committed(&machine, INBOX_DONE);
    assert_int_equal(inbox_next(&machine).action, INBOX_DO_ATTACH);
    inbox_was_attached(&machine, 0);
    inbox_was_read(&machine, batch, 3); // its own checkpoint's, then the unknown one
    struct inbox_step step = inbox_next(&machine);
    assert_int_equal(step.action, INBOX_DO_WAIT);
    assert_int_equal(step.why, INBOX_WHY_UNKNOWN);
    assert_true(machine.failing);
    inbox_has_waited(&machine);
    inbox_was_attached(&machine, 0);
    batch[1].stops = false; // a newer version knows it
    inbox_was_read(&machine, batch, 3);
    assert_int_equal(inbox_next(&machine).action, INBOX_DO_COMMIT);
    assert_int_equal(inbox_next(&machine).from, 1);
    inbox_was_committed(&machine, INBOX_DONE);
    assert_false(machine.failing);
    assert_int_equal(machine.checkpoint.n, 3);
}

static void fenced_is_the_end(void **state)
{
    (void)state;
    machine_at(0, false);
    struct inbox_seen message = seen(1, 1);
    inbox_was_read(&machine, &message, 1);
    inbox_was_committed(&machine, INBOX_FENCED);
    assert_int_equal(inbox_next(&machine).action, INBOX_DO_STOP);
    assert_int_equal(inbox_next(&machine).why, INBOX_WHY_FENCED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_one_step_and_moves_the_checkpoint_to_its_end),
        cmocka_unit_test(a_message_left_out_makes_the_reader_again_from_the_checkpoint),
        cmocka_unit_test(a_reader_that_cannot_begin_at_the_checkpoint_asks_where_that_is_now),
        cmocka_unit_test(a_filter_leaves_numbers_out_but_no_delivery),
        cmocka_unit_test(an_unknown_log_id_stops_the_consumer_for_good),
        cmocka_unit_test(a_first_event_brings_its_log_id),
        cmocka_unit_test(transient_failures_wait_longer_and_longer_and_never_give_up),
        cmocka_unit_test(one_poison_event_parks_its_aggregate_and_nothing_else),
        cmocka_unit_test(a_source_that_says_it_delivered_more_is_read_again),
        cmocka_unit_test(a_checkpoint_that_was_restored_is_loaded_again),
        cmocka_unit_test(another_event_at_the_checkpoint_stops_it),
        cmocka_unit_test(an_unknown_type_stops_a_consumer_that_declares_so_behind_what_is_known),
        cmocka_unit_test(fenced_is_the_end),
        cmocka_unit_test(every_event_takes_effect_once_and_in_order_or_is_parked),
        cmocka_unit_test(the_simulation_notices_each_rule_taken_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
