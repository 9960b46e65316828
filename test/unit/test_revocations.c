// test_revocations.c - which tokens are good by what was heard of ended sessions: the machine's
// states one by one, then seeded histories of lost deliveries, restarts and shared feeds against
// a model that knows everything.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/revocations.h"
#include "base/seal.h"

enum { LIFETIME_S = 3600, STALE_S = 60, MOST = 64 };

#define SECOND INT64_C(1000000)
#define NOW (INT64_C(1700000000) * SECOND)
static const int64_t now_s = NOW / SECOND;

static struct revocations *made(uint32_t entries_max)
{
    const struct revocations_options options = {.token_lifetime_s = LIFETIME_S,
                                                .stale_s = STALE_S,
                                                .entries_max = entries_max,
                                                .hash_key = {1, 2, 3}};
    return revocations_create(&options);
}

static struct uuid session(uint32_t number)
{
    struct uuid id = {{0}};
    memcpy(id.bytes, &number, sizeof number);
    return id;
}

static void judged(struct revocations *revocations, uint32_t number, int64_t issued_s,
                   int64_t clock_ms, enum revocations_verdict verdict)
{
    struct uuid id = session(number);
    assert_int_equal(revocations_judge(revocations, &id, issued_s, NOW, clock_ms), verdict);
}

static void ended(struct revocations *revocations, uint32_t number, int64_t at_us)
{
    struct uuid id = session(number);
    revocations_add(revocations, &id, at_us, NOW);
}

// ---- the feed -----------------------------------------------------------------------------------

static void nothing_is_good_before_the_feed_was_whole(void **state)
{
    (void)state;
    struct revocations *r = made(MOST);
    judged(r, 1, now_s, 0, REVOCATIONS_UNKNOWN);
    int64_t feed = revocations_next_feed(r, NOW);
    assert_int_equal(feed, NOW);
    revocations_began(r, feed, 2, 0);
    assert_int_equal(revocations_feed(r), REVOCATIONS_CATCHING_UP);
    ended(r, 1, NOW);
    revocations_delivered(r, 1, 1, 10);
    judged(r, 1, now_s, 10, REVOCATIONS_ENDED); // known is known
    judged(r, 2, now_s, 10, REVOCATIONS_UNKNOWN);
    revocations_delivered(r, 2, 0, 20);
    assert_int_equal(revocations_feed(r), REVOCATIONS_FOLLOWING);
    judged(r, 2, now_s, 20, REVOCATIONS_OPEN);
    judged(r, 1, now_s, 20, REVOCATIONS_ENDED);
    revocations_destroy(&r);
    assert_null(r);
    r = made(MOST);
    revocations_began(r, NOW, 0, 0); // nobody's session ended lately
    judged(r, 1, now_s, 0, REVOCATIONS_OPEN);
    revocations_destroy(&r);
}

static void a_gap_loses_the_feed_and_what_was_known_stays_good_for_a_while(void **state)
{
    (void)state;
    struct revocations *r = made(MOST);
    revocations_began(r, NOW, 0, 1000);
    revocations_delivered(r, 1, 0, 1000);
    revocations_delivered(r, 3, 0, 2000);
    assert_int_equal(revocations_feed(r), REVOCATIONS_LOST);
    judged(r, 1, now_s, 1000 + STALE_S * 1000, REVOCATIONS_OPEN);
    judged(r, 1, now_s, 1001 + STALE_S * 1000, REVOCATIONS_UNKNOWN);
    revocations_delivered(r, 4, 0, 3000); // nothing of it counts any more
    revocations_idle(r, NOW, 4, 3000);
    assert_int_equal(revocations_feed(r), REVOCATIONS_LOST);
    revocations_began(r, revocations_next_feed(r, NOW), 0, 70000);
    judged(r, 1, now_s, 70000, REVOCATIONS_OPEN);
    revocations_destroy(&r);
}

static void a_heartbeat_says_that_nothing_was_missed_or_that_something_was(void **state)
{
    (void)state;
    struct revocations *r = made(MOST);
    revocations_began(r, NOW, 0, 0);
    revocations_idle(r, NOW, 0, 50000);
    judged(r, 1, now_s, 50000 + STALE_S * 1000, REVOCATIONS_OPEN);
    revocations_idle(r, NOW, 1, 51000); // the first delivery never came
    assert_int_equal(revocations_feed(r), REVOCATIONS_LOST);
    revocations_began(r, NOW + 1, 5, 52000);
    revocations_idle(r, NOW + 1, 0, 53000); // fewer were there than were said: all came
    assert_int_equal(revocations_feed(r), REVOCATIONS_FOLLOWING);
    revocations_lose(r);
    assert_string_equal(revocations_feed_name(revocations_feed(r)), "lost");
    revocations_destroy(&r);
}

static void an_older_feed_says_nothing_and_a_newer_one_is_taken_over(void **state)
{
    (void)state;
    struct revocations *r = made(MOST);
    revocations_delivered(r, 57, 0, 0); // of a process of before
    assert_int_equal(revocations_feed(r), REVOCATIONS_LOST);
    revocations_began(r, NOW, 1, 0);
    revocations_delivered(r, 58, 0, 0);
    revocations_idle(r, NOW - 5, 58, 0);
    assert_int_equal(revocations_feed(r), REVOCATIONS_CATCHING_UP);
    revocations_delivered(r, 1, 0, 0);
    assert_int_equal(revocations_feed(r), REVOCATIONS_FOLLOWING);
    // Another process begins it: first what there is, then what is new, at last its name.
    revocations_delivered(r, 1, 2, 0);
    assert_int_equal(revocations_feed(r), REVOCATIONS_CATCHING_UP);
    revocations_delivered(r, 2, 1, 0);
    revocations_delivered(r, 3, 0, 0);
    assert_int_equal(revocations_feed(r), REVOCATIONS_FOLLOWING);
    revocations_idle(r, NOW + 7, 3, 0);
    assert_int_equal(revocations_feed(r), REVOCATIONS_FOLLOWING);
    assert_int_equal(revocations_newest_feed(r), NOW + 7);
    revocations_idle(r, NOW + 9, 0, 0); // begun again, with nothing in it
    assert_int_equal(revocations_feed(r), REVOCATIONS_FOLLOWING);
    assert_int_equal(revocations_next_feed(r, NOW), NOW + 10); // a slow clock is no older one
    revocations_delivered(r, 1, 0, 0);
    revocations_idle(r, NOW + 9, 1, 0);
    revocations_idle(r, NOW + 20, 1, 0); // whose number 1 is another, and did not come
    assert_int_equal(revocations_feed(r), REVOCATIONS_LOST);
    revocations_began(r, NOW, 0, 0); // somebody was later: that one counts
    assert_int_equal(revocations_feed(r), REVOCATIONS_LOST);
    revocations_destroy(&r);
}

// ---- what is kept -------------------------------------------------------------------------------

static void a_token_that_is_older_than_what_is_known_is_refused(void **state)
{
    (void)state;
    struct revocations *r = made(MOST);
    revocations_began(r, NOW, 0, 0);
    const int64_t oldest_s = now_s - LIFETIME_S - JWT_CLOCK_SKEW_S;
    judged(r, 1, oldest_s, 0, REVOCATIONS_OPEN);
    judged(r, 1, oldest_s - 1, 0, REVOCATIONS_TOO_OLD);
    // The feed begins before the oldest token that is taken, by more than clocks may differ.
    assert_true(revocations_from_us(r, NOW) / SECOND <= oldest_s - JWT_CLOCK_SKEW_S);
    revocations_destroy(&r);
}

static void an_end_is_forgotten_once_no_token_can_concern_it(void **state)
{
    (void)state;
    struct revocations *r = made(MOST);
    revocations_began(r, NOW, 0, 0);
    ended(r, 1, NOW);
    ended(r, 1, NOW + SECOND);                                        // once more is no more
    ended(r, 2, NOW - (LIFETIME_S + 10 * JWT_CLOCK_SKEW_S) * SECOND); // a stream that is refilled
    assert_int_equal(revocations_count(r), 1);
    int64_t last_us = NOW + (LIFETIME_S + 3 * JWT_CLOCK_SKEW_S) * SECOND;
    revocations_forget(r, last_us);
    assert_int_equal(revocations_count(r), 1);
    revocations_forget(r, last_us + 1);
    assert_int_equal(revocations_count(r), 0);
    struct uuid id = session(1);
    assert_int_equal(revocations_judge(r, &id, now_s, last_us + 1, 0), REVOCATIONS_TOO_OLD);
    revocations_destroy(&r);
}

static void past_its_bound_older_tokens_are_refused_and_no_end_is_missed(void **state)
{
    (void)state;
    struct revocations *r = made(MOST);
    revocations_began(r, NOW - 100 * SECOND, 0, 0);
    for (uint32_t i = 0; i < MOST + 10; i++)
        ended(r, i, NOW - (100 - i) * SECOND);
    assert_int_equal(revocations_count(r), MOST);
    // Session 9's end, 91 s ago, is the newest that was forgotten.
    int64_t known_s = now_s - 91 + JWT_CLOCK_SKEW_S;
    judged(r, 9, known_s - 1, 0, REVOCATIONS_TOO_OLD);
    judged(r, 1000, known_s - 1, 0, REVOCATIONS_TOO_OLD);
    judged(r, 1000, known_s, 0, REVOCATIONS_OPEN);
    for (uint32_t i = 10; i < MOST + 10; i++)
        judged(r, i, known_s, 0, REVOCATIONS_ENDED);
    revocations_destroy(&r);
}

static void many_ends_are_each_found_while_they_come_and_go(void **state)
{
    (void)state;
    enum { MANY = 20000 };
    struct revocations *r = made(MANY);
    revocations_began(r, NOW, 0, 0);
    for (uint32_t i = 0; i < MANY; i++)
        ended(r, i * 2654435761u, NOW + i);
    int64_t life_us = (LIFETIME_S + 3 * JWT_CLOCK_SKEW_S) * SECOND;
    for (uint32_t gone = 0; gone < MANY; gone += 997) {
        revocations_forget(r, NOW + gone + life_us);
        assert_int_equal(revocations_count(r), MANY - gone);
        for (uint32_t i = 0; i < MANY; i += 7) {
            struct uuid id = session(i * 2654435761u);
            bool is_there = revocations_judge(r, &id, now_s, NOW, 0) == REVOCATIONS_ENDED;
            assert_int_equal(is_there, i >= gone);
        }
    }
    revocations_destroy(&r);
}

// ---- histories ----------------------------------------------------------------------------------

enum { HISTORIES = 2000, STEPS = 200, ENDS_MAX = STEPS, QUEUE_MAX = 4 * STEPS };

struct message {
    int64_t feed, delivery, behind;
    uint32_t session;
    bool is_idle;
};

// A stream, the one durable that two processes share, and what is under way to one of them.
struct world {
    uint64_t random;
    int64_t now_us;
    int64_t at_us[ENDS_MAX]; // of each end
    uint32_t ends;
    int64_t feed, delivered; // of the durable
    uint32_t next;           // the end that it delivers next
    struct message queue[QUEUE_MAX];
    uint32_t first, last;
    struct revocations *here;
};

static uint32_t draw(struct world *world, uint32_t below) // xorshift64*
{
    world->random ^= world->random >> 12;
    world->random ^= world->random << 25;
    world->random ^= world->random >> 27;
    return (uint32_t)((world->random * 2685821657736338717u) >> 33) % below;
}

static void send(struct world *world, struct message message)
{
    if (world->last < QUEUE_MAX && draw(world, 20) != 0) // one in 20 is lost
        world->queue[world->last++] = message;
}

static void durable_is_made(struct world *world, int64_t feed)
{
    int64_t from_us = revocations_from_us(world->here, feed);
    world->feed = feed;
    world->delivered = 0;
    world->next = 0;
    while (world->next < world->ends && world->at_us[world->next] < from_us)
        world->next++;
}

static void durable_delivers(struct world *world)
{
    if (world->feed == 0)
        return;
    if (world->next == world->ends) {
        send(world, (struct message){world->feed, world->delivered, 0, 0, true});
        return;
    }
    struct message message = {world->feed, ++world->delivered,
                              (int64_t)(world->ends - world->next - 1), world->next, false};
    world->next++;
    send(world, message);
}

static void receive(struct world *world)
{
    if (world->first == world->last)
        return;
    const struct message *message = &world->queue[world->first++];
    if (message->is_idle) {
        revocations_idle(world->here, message->feed, message->delivery, 0);
        return;
    }
    struct uuid id = session(message->session);
    revocations_add(world->here, &id, world->at_us[message->session], world->now_us);
    revocations_delivered(world->here, message->delivery, message->behind, 0);
}

static void step(struct world *world)
{
    world->now_us += draw(world, 120) * SECOND;
    switch (draw(world, 8)) {
    case 0:
        world->at_us[world->ends++] = world->now_us;
        break;
    case 1: // the other process missed something
        if (draw(world, 4) == 0)
            durable_is_made(world, world->feed + 1 + world->now_us % 3);
        break;
    case 2:
        if (revocations_feed(world->here) == REVOCATIONS_LOST) {
            int64_t feed = revocations_next_feed(world->here, world->now_us);
            if (feed <= world->feed)
                feed = world->feed + 1;
            durable_is_made(world, feed);
            revocations_began(world->here, feed, world->ends - world->next, 0);
        }
        break;
    case 3:
        revocations_forget(world->here, world->now_us);
        break;
    case 4:
    case 5:
        durable_delivers(world);
        break;
    default:
        receive(world);
    }
}

// What a verifier that follows says is the truth, once nothing is under way to it.
static void is_the_truth(struct world *world)
{
    bool follows = revocations_feed(world->here) == REVOCATIONS_FOLLOWING;
    if (!follows || world->first != world->last || world->next != world->ends ||
        world->delivered == 0)
        return;
    // A heartbeat settles it, if it comes.
    revocations_idle(world->here, world->feed, world->delivered, 0);
    if (revocations_feed(world->here) != REVOCATIONS_FOLLOWING)
        return;
    for (uint32_t i = 0; i < world->ends; i++) {
        struct uuid id = session(i);
        int64_t issued_s = world->at_us[i] / SECOND - 1;
        enum revocations_verdict verdict =
            revocations_judge(world->here, &id, issued_s, world->now_us, 0);
        if (verdict != REVOCATIONS_ENDED && verdict != REVOCATIONS_TOO_OLD)
            fail_msg("session %u ended, and its token is judged %d", i, verdict);
    }
    struct uuid open = session(1 << 30);
    assert_int_equal(
        revocations_judge(world->here, &open, world->now_us / SECOND, world->now_us, 0),
        REVOCATIONS_OPEN);
}

static void in_every_history_a_verifier_that_follows_knows_every_end(void **state)
{
    (void)state;
    uint32_t looked = 0;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        struct world world = {.random = seed * 0x9e3779b97f4a7c15u, .now_us = NOW};
        world.here = made(ENDS_MAX);
        for (int i = 0; i < STEPS; i++) {
            step(&world);
            is_the_truth(&world);
            looked += revocations_feed(world.here) == REVOCATIONS_FOLLOWING;
        }
        revocations_destroy(&world.here);
    }
    print_message("# followed in %u of %d steps\n", looked, HISTORIES * STEPS);
    assert_true(looked > HISTORIES * STEPS / 20);
}

int main(void)
{
    struct error err;
    if (seal_start(&err) != NOVA_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_good_before_the_feed_was_whole),
        cmocka_unit_test(a_gap_loses_the_feed_and_what_was_known_stays_good_for_a_while),
        cmocka_unit_test(a_heartbeat_says_that_nothing_was_missed_or_that_something_was),
        cmocka_unit_test(an_older_feed_says_nothing_and_a_newer_one_is_taken_over),
        cmocka_unit_test(a_token_that_is_older_than_what_is_known_is_refused),
        cmocka_unit_test(an_end_is_forgotten_once_no_token_can_concern_it),
        cmocka_unit_test(past_its_bound_older_tokens_are_refused_and_no_end_is_missed),
        cmocka_unit_test(many_ends_are_each_found_while_they_come_and_go),
        cmocka_unit_test(in_every_history_a_verifier_that_follows_knows_every_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
