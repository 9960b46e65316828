// sim_replay_outbox.c - what PostgreSQL answered, asked of the model of it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/sim/replay.h"

static struct outbox_model *outbox_of(struct replay *replay)
{
    return &replay->world->pg.outbox;
}

static uint32_t writer_number(const char *asked)
{
    unsigned long number = strtoul(asked, NULL, 10);
    if (number < 1 || number > WRITERS) {
        fprintf(stderr, "sim: there is no writer '%s'\n", asked);
        exit(2);
    }
    return (uint32_t)number - 1;
}

static struct writer *writer_of(struct replay *replay, const char *asked)
{
    return &replay->world->writer[writer_number(asked)];
}

static uint16_t field(const char *asked, const char *word, int64_t below)
{
    int64_t number = replay_number(asked, word, -1);
    if (number < 0 || number >= below) {
        fprintf(stderr, "sim: '%s' of '%s' does not fit into the model\n", word, asked);
        exit(2);
    }
    return (uint16_t)number;
}

// ---- transactions -------------------------------------------------------------------------------

static void begin(struct replay *replay, const char *asked)
{
    replay_say(replay, "version %u",
               outbox_of(replay)->version_of[field(asked, "aggregate", AGGREGATES)]);
}

static void try_insert(struct replay *replay, uint32_t number)
{
    struct writer *writer = &replay->world->writer[number];
    switch (sim_outbox_insert(outbox_of(replay), &replay->row[number], &writer->reserved)) {
    case MAY_WAIT:
        replay_say(replay, "waits");
        return;
    case MAY_NOT:
        sim_writer_abort(replay->world, writer);
        replay_say(replay, "refused");
        return;
    case MAY_GO_ON:
        replay_say(replay, "at %d", (int)writer->reserved);
        writer->positions[writer->inserted++] = (int16_t)writer->reserved;
        writer->reserved = 0;
    }
}

static void insert(struct replay *replay, const char *asked)
{
    uint32_t number = writer_number(asked);
    struct writer *writer = &replay->world->writer[number];
    if (outbox_of(replay)->next > POSITIONS || writer->inserted == ROWS_PER_COMMAND) {
        replay_say(replay, "no room in the model");
        return;
    }
    if (writer->transaction == 0)
        writer->transaction = ++replay->world->pg.transactions; // it holds the lock from here on
    replay->row[number] = (struct row){.aggregate = field(asked, "aggregate", AGGREGATES),
                                       .version = field(asked, "version", 256),
                                       .command = field(asked, "command", COMMANDS),
                                       .event = field(asked, "event", EVENTS),
                                       .first = field(asked, "index", 256) == 0};
    try_insert(replay, number);
}

static void woken(struct replay *replay, const char *asked)
{
    try_insert(replay, writer_number(asked));
}

static void writer_commit(struct world *world, struct writer *writer)
{
    for (uint32_t i = 0; i < writer->inserted; i++)
        sim_outbox_commit(world, writer->positions[i]);
    writer->transaction = 0;
    writer->inserted = 0;
}

static void commit(struct replay *replay, const char *asked)
{
    writer_commit(replay->world, writer_of(replay, asked));
    replay_say(replay, "done");
}

static void writer_end(struct replay *replay, const char *asked)
{
    sim_writer_abort(replay->world, writer_of(replay, asked));
    replay_say(replay, "done");
}

// ---- looks --------------------------------------------------------------------------------------

static void say_rows(struct replay *replay, int64_t after, int64_t limit)
{
    const struct outbox_model *outbox = outbox_of(replay);
    replay_say(replay, "rows");
    for (int64_t p = after + 1; p < outbox->next && p <= POSITIONS && limit > 0; p++)
        if (outbox->rows[p].state == ROW_COMMITTED) {
            replay_say(replay, "%d:%u", (int)p, outbox->rows[p].event);
            limit--;
        }
}

static void look(struct replay *replay, const char *asked)
{
    say_rows(replay, replay_number(asked, "after", 0), replay_number(asked, "limit", 0));
    replay_say(replay, "held by");
    for (uint32_t i = 0; i < WRITERS; i++)
        if (replay->world->writer[i].transaction != 0)
            replay_say(replay, "%u", i + 1);
}

// ---- the server ---------------------------------------------------------------------------------

static void connections_end(struct replay *replay)
{
    for (uint32_t i = 0; i < WRITERS; i++)
        sim_writer_abort(replay->world, &replay->world->writer[i]);
}

static bool row_was_told(const char *told, int64_t position)
{
    char text[24];
    snprintf(text, sizeof text, " %d:", (int)position);
    return strstr(told, text) != NULL;
}

// "crash", or "crash commit 2": in the middle of a commit, whose answer nobody heard. Both outcomes
// are good, but for all of its rows together.
static void crash(struct replay *replay, const char *asked)
{
    struct outbox_model *outbox = outbox_of(replay);
    const char *committing = strstr(asked, " commit ");
    if (committing != NULL) {
        struct writer *writer = writer_of(replay, committing + strlen(" commit "));
        if (row_was_told(replay->told, writer->positions[0]))
            writer_commit(replay->world, writer);
    }
    connections_end(replay);
    int64_t least = sim_outbox_next_least(outbox), most = sim_outbox_next_most(outbox);
    int64_t next = replay_number(replay->told, "next", 0);
    if (next < least || next > most) {
        replay_say(replay, "next from %d to %d", (int)least, (int)most);
        return;
    }
    sim_outbox_crash(outbox, next);
    replay_say(replay, "next %d", (int)next);
    say_rows(replay, 0, POSITIONS);
}

static void copy(struct replay *replay, const char *asked)
{
    (void)asked;
    replay->world->pg.backup = *outbox_of(replay);
    replay_say(replay, "done");
}

static void restore(struct replay *replay, const char *asked)
{
    (void)asked;
    connections_end(replay);
    sim_outbox_restore(outbox_of(replay), &replay->world->pg.backup);
    replay_say(replay, "next %d", (int)outbox_of(replay)->next);
    say_rows(replay, 0, POSITIONS);
}

const struct replay_step replay_outbox_steps[] = {
    {"begin", begin},         {"insert", insert},   {"woken", woken}, {"commit", commit},
    {"rollback", writer_end}, {"end", writer_end},  {"look", look},   {"crash", crash},
    {"copy", copy},           {"restore", restore}, {NULL, NULL},
};
