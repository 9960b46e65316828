// sim_replay_stream.c - what nats-server answered, asked of the model of it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/sim/replay.h"

static struct nats *nats_of(struct replay *replay)
{
    return &replay->world->nats;
}

// A kill may bring back any state that the durable has had since it was made.
static void durable_note(struct replay *replay)
{
    if (replay->earlier_count == REPLAY_DURABLES)
        memmove(&replay->earlier[0], &replay->earlier[1],
                --replay->earlier_count * sizeof replay->earlier[0]);
    replay->earlier[replay->earlier_count++] = nats_of(replay)->durable;
}

// A step has told whether a message behind a spoiled end is read.
static void settle_unsure(struct replay *replay, int64_t n, bool is_read)
{
    if (replay->unsure[n])
        nats_of(replay)->messages[n].readable = is_read;
    replay->unsure[n] = false;
}

static void done(struct replay *replay)
{
    replay_say(replay, "done");
}

// ---- the stream ---------------------------------------------------------------------------------

static void make_again(struct replay *replay, const char *asked)
{
    (void)asked;
    sim_nats_make_again(nats_of(replay));
    replay->earlier_count = 0;
    replay->damaged = replay->miscounts = false;
    memset(replay->unsure, 0, sizeof replay->unsure);
    done(replay);
}

static void publish(struct replay *replay, const char *asked)
{
    struct nats *nats = nats_of(replay);
    struct publish publish = {.expected_n = (int16_t)replay_number(asked, "expected", -1),
                              .message = {.event = (uint16_t)replay_number(asked, "event", 0),
                                          .there = true,
                                          .readable = true,
                                          .ours = true}};
    bool corrupt = nats->last > 0 && !nats->messages[nats->last].readable;
    if (corrupt && strcmp(replay->told, "refused (corrupt)") == 0) {
        replay_say(replay, "refused (corrupt)"); // it may find the last message unreadable
    } else if (sim_nats_store(nats, &publish)) {
        replay->unsure[nats->last] = nats->spoiled;
        replay_say(replay, "stored as %d", (int)nats->last);
    } else if (publish.expected_n >= 0 && publish.expected_n != nats->last)
        replay_say(replay, "refused (last is %d)", (int)nats->last);
    else
        replay_say(replay, "refused (full)");
}

static void info(struct replay *replay, const char *asked)
{
    (void)asked;
    const struct nats *nats = nats_of(replay);
    if (nats->last == 0)
        replay_say(replay, "empty");
    else
        replay_say(replay, "first %d last %d messages %d", (int)nats->first, (int)nats->last,
                   (int)(replay->miscounts ? replay_number(replay->told, "messages", -1)
                                           : nats->messages_there));
}

static void get(struct replay *replay, const char *asked)
{
    struct nats *nats = nats_of(replay);
    int64_t n = strtoll(asked, NULL, 10), event = replay_number(replay->told, "event", 0);
    bool is_there = n >= 1 && n <= nats->last, unsure = is_there && replay->unsure[n];
    if (unsure && event > 0) // it may be one of before
        nats->messages[n].event = (uint16_t)event;
    if (unsure)
        settle_unsure(replay, n, event > 0);
    if (is_there && sim_message_is_read(nats, n))
        replay_say(replay, "event %u", nats->messages[n].event);
    else
        replay_say(replay, unsure && strcmp(replay->told, "garbage") == 0 ? "garbage" : "nothing");
}

static void trim(struct replay *replay, const char *asked)
{
    struct nats *nats = nats_of(replay);
    int64_t first_n = nats->first, more = nats->messages_there - strtoll(asked, NULL, 10);
    for (; more > 0; first_n++)
        more -= nats->messages[first_n].there;
    sim_nats_trim(nats, first_n);
    info(replay, asked);
}

// ---- kills and damage ---------------------------------------------------------------------------

// "first 1 last 9 lost 4 5 unread 7": what is not there, and what is counted but cannot be read.
struct told_store {
    int64_t last, lost_count, unread_count;
    int64_t lost[MESSAGES], unread[MESSAGES];
};

static int64_t told_numbers(int64_t *out, const char *told, const char *word)
{
    int64_t count = 0;
    char *at = strstr(told, word);
    at = at == NULL ? NULL : at + strlen(word);
    for (char *end; at != NULL && count < MESSAGES; at = end) {
        int64_t number = strtoll(at, &end, 10);
        if (end == at)
            break;
        out[count++] = number;
    }
    return count;
}

static void told_store_read(struct told_store *out, const struct nats *nats, const char *told)
{
    out->last = replay_number(told, "last", -1);
    int64_t first = replay_number(told, "first", 1), all = told_numbers(out->lost, told, " lost");
    int64_t listed[MESSAGES];
    memcpy(listed, out->lost, (size_t)all * sizeof *listed);
    out->lost_count = 0;
    for (int64_t n = nats->first; n < first && n <= out->last; n++)
        out->lost[out->lost_count++] = n;
    for (int64_t i = 0; i < all; i++) // only what was there before
        if (listed[i] <= nats->last && nats->messages[listed[i]].there)
            out->lost[out->lost_count++] = listed[i];
    all = told_numbers(out->unread, told, " unread");
    out->unread_count = 0;
    for (int64_t i = 0; i < all; i++)
        if (out->unread[i] <= nats->last && nats->messages[out->unread[i]].readable)
            out->unread[out->unread_count++] = out->unread[i];
}

// Those that a restart tells of.
static void store_settle_unsure(struct replay *replay)
{
    int64_t numbers[MESSAGES], last = replay_number(replay->told, "last", 0);
    int64_t count = told_numbers(numbers, replay->told, " unread");
    for (int64_t i = 0; i < count; i++)
        if (numbers[i] >= 1 && numbers[i] <= MESSAGES)
            settle_unsure(replay, numbers[i], false);
    for (int64_t n = 1; n <= last && n <= MESSAGES; n++)
        settle_unsure(replay, n, true);
}

// Which losses each kind of damage explains.
static bool damage_explains(const char *asked, const struct told_store *told,
                            const struct nats *nats)
{
    bool tail = told->lost_count == 0 || (told->lost_count == 1 && told->lost[0] == told->last);
    if (told->last < 0 || told->last > nats->last)
        return false;
    if (strcmp(asked, " tail") == 0) // a number may stay taken without a message
        return tail && told->unread_count == 0;
    if (strcmp(asked, " bit") == 0) // in the newest block the server cuts there, as a tail
        return (tail && told->unread_count == 0) ||
               (told->last == nats->last && told->lost_count == 0 && told->unread_count == 1);
    if (strcmp(asked, " all") == 0)
        return told->last == 0;
    if (strcmp(asked, " block") == 0) {
        for (int64_t i = 1; i < told->lost_count; i++)
            if (told->lost[i] != told->lost[i - 1] + 1)
                return false;
        return told->unread_count == 0;
    }
    return told->last == nats->last && told->lost_count == 0 && told->unread_count == 0;
}

static void say_store(struct replay *replay)
{
    const struct nats *nats = nats_of(replay);
    replay_say(replay, "first %d last %d lost", nats->last == 0 ? 0 : (int)nats->first,
               (int)nats->last);
    for (int64_t n = nats->first; n <= nats->last; n++)
        if (!nats->messages[n].there)
            replay_say(replay, "%d", (int)n);
    replay_say(replay, "unread");
    for (int64_t n = nats->first; n <= nats->last; n++)
        if (nats->messages[n].there && !nats->messages[n].readable)
            replay_say(replay, "%d", (int)n);
}

// "kill", "damage tail", "damage block", "damage all", "damage bit": killed, damaged meanwhile,
// started again.
static void damage(struct replay *replay, const char *asked)
{
    static struct told_store told;
    struct nats *nats = nats_of(replay);
    store_settle_unsure(replay);
    told_store_read(&told, nats, replay->told);
    if (damage_explains(asked, &told, nats)) {
        replay->damaged |= told.last < nats->last || told.lost_count > 0 || told.unread_count > 0;
        replay->miscounts |=
            told.last < nats->last && (told.last == 0 || strcmp(asked, " bit") == 0);
        nats->spoiled |= told.last == 0 && nats->last > 0 &&
                         (strcmp(asked, " tail") == 0 || strcmp(asked, " bit") == 0);
        sim_nats_truncate(nats, told.last);
        for (int64_t i = 0; i < told.lost_count; i++)
            sim_nats_lose(nats, told.lost[i]);
        for (int64_t i = 0; i < told.unread_count; i++)
            nats->messages[told.unread[i]].readable = false;
    }
    say_store(replay);
}

// ---- the durable --------------------------------------------------------------------------------

static void durable_make(struct replay *replay, const char *asked)
{
    sim_durable_make(nats_of(replay), strtoll(asked, NULL, 10));
    replay->earlier[0] = nats_of(replay)->durable_kept;
    replay->earlier_count = 1;
    durable_note(replay);
    done(replay);
}

// With losses in its stream, what is to come again may be left out silently until its time is over
// once more: the server has looked for a message that was lost, or not stored anew yet.
static void damaged_again(struct durable *durable, int64_t n)
{
    if (durable->state[n] == DELIVERY_PENDING) {
        durable->state[n] = DELIVERY_AGAIN;
        durable->again_count++;
    }
    if (n >= durable->next)
        sim_durable_none_again(durable);
}

static void say_delivery(struct replay *replay, int64_t n)
{
    replay_say(replay, "%d/%d", (int)n, (int)nats_of(replay)->durable.deliveries);
    durable_note(replay);
}

// The message that was told, if the model's durable may deliver it, else the one that it would; 0:
// none.
static int64_t deliver_told(struct replay *replay, int64_t n)
{
    struct nats *nats = nats_of(replay);
    if (replay->damaged && n >= 1 && n <= nats->last)
        damaged_again(&nats->durable, n);
    if (n >= 1 && n <= nats->last)
        settle_unsure(replay, n, true);
    if (n >= nats->durable.next && n <= nats->last) {
        for (int64_t before = nats->durable.next; before < n; before++)
            settle_unsure(replay, before, false);
        if (nats->spoiled && nats->durable.again_count == 0)
            sim_durable_pass(nats, n - 1); // it may pass over whole ones in that block as well
    }
    if (!sim_durable_may(nats, n))
        return sim_durable_next(nats, 0);
    sim_durable_deliver(nats, n);
    return n;
}

// A fetch got less than it asked for: is there nothing more that must come? A durable hears of a
// new message some time after its publish was answered; with losses the server's count of what is
// pending is wrong.
static void fetch_end(struct replay *replay, bool all)
{
    struct nats *nats = nats_of(replay);
    if (replay->damaged || (!all && nats->durable.again_count == 0))
        return;
    int64_t n = sim_durable_next(nats, 0);
    if (n > 0)
        say_delivery(replay, n);
}

static void fetch_told(struct replay *replay, const char *asked, bool all)
{
    int64_t most = strtoll(asked, NULL, 10), count = 0, n = 1;
    const char *told = replay->told;
    for (int used; n > 0 && sscanf(told, "%ld/%*d%n", &n, &used) == 1; told += used, count++) {
        n = deliver_told(replay, n);
        if (n > 0)
            say_delivery(replay, n);
    }
    if (count < most && n > 0)
        fetch_end(replay, all);
    if (replay->length == 0)
        replay_say(replay, "nothing");
}

static void fetch(struct replay *replay, const char *asked)
{
    fetch_told(replay, asked, false);
}

// At the end, with time enough.
static void rest(struct replay *replay, const char *asked)
{
    fetch_told(replay, asked, true);
}

static void ack(struct replay *replay, const char *asked)
{
    sim_durable_ack(nats_of(replay), strtoll(asked, NULL, 10), replay_number(asked, "delivery", 0));
    durable_note(replay);
    done(replay);
}

static void expire(struct replay *replay, const char *asked)
{
    (void)asked;
    sim_nats_expire(nats_of(replay));
    done(replay);
}

static void say_durable(struct replay *replay, const struct durable *durable)
{
    if (durable->exists)
        replay_say(replay, "delivered %d floor %d deliveries %d", (int)durable->delivered,
                   (int)durable->ack_floor, (int)durable->deliveries);
    else
        replay_say(replay, "gone");
}

static void durable_state(struct replay *replay, const char *asked)
{
    (void)asked;
    struct nats *nats = nats_of(replay);
    int64_t told = replay_number(replay->told, "delivered", 0), n = nats->durable.next;
    while (n <= told && n <= nats->last && (replay->unsure[n] || !sim_message_is_read(nats, n)))
        settle_unsure(replay, n++, false);
    if (n > told && n > nats->durable.next) { // a fetch has passed lost ones at the end
        sim_durable_pass(nats, told);
        durable_note(replay);
    }
    say_durable(replay, &nats->durable);
}

// Behind a kill: the durable as it was written at some earlier moment.
static void durable_found(struct replay *replay, const char *asked)
{
    (void)asked;
    struct durable *durable = &nats_of(replay)->durable;
    for (uint32_t i = replay->earlier_count; i-- > 0;) {
        const struct durable *earlier = &replay->earlier[i];
        if (earlier->delivered == replay_number(replay->told, "delivered", -1) &&
            earlier->ack_floor == replay_number(replay->told, "floor", -1) &&
            earlier->deliveries == replay_number(replay->told, "deliveries", -1)) {
            sim_durable_find(nats_of(replay), earlier);
            break;
        }
    }
    say_durable(replay, durable);
}

const struct replay_step replay_stream_steps[] = {
    {"make", make_again},
    {"publish", publish},
    {"info", info},
    {"get", get},
    {"trim", trim},
    {"kill", damage},
    {"damage", damage},
    {"durable", durable_make},
    {"fetch", fetch},
    {"rest", rest},
    {"ack", ack},
    {"expire", expire},
    {"state", durable_state},
    {"found", durable_found},
    {NULL, NULL},
};
