// sim_outbox.c - PostgreSQL as writers and relays see it: transactions that overlap, positions that
// become visible out of order, holes, crashes, an older copy put in its place.
#include <string.h>

#include "test/sim/sim.h"

enum { RESTORE_MS = 1100 };

void sim_outbox_init(struct world *world)
{
    world->pg.outbox.next = 1;
    world->pg.outbox.next_flushed = 1;
    world->pg.outbox.log = 1;
}

int64_t sim_outbox_last(const struct world *world)
{
    int64_t position = world->pg.outbox.next - 1;
    while (position > 0 && world->pg.outbox.rows[position].state != ROW_COMMITTED)
        position--;
    return position;
}

// ---- a row comes and goes -----------------------------------------------------------------------

static void outbox_forget(struct outbox_model *outbox, int64_t position)
{
    struct row *row = &outbox->rows[position];
    if (outbox->version_at[row->aggregate][row->version] == position)
        outbox->version_at[row->aggregate][row->version] = 0;
    if (row->first && outbox->command_at[row->command] == position)
        outbox->command_at[row->command] = 0;
    *row = (struct row){0};
}

void sim_writer_abort(struct world *world, struct writer *writer)
{
    for (uint32_t i = 0; i < writer->inserted; i++)
        outbox_forget(&world->pg.outbox, writer->positions[i]);
    outbox_forget(&world->pg.outbox, writer->reserved); // it may be in one index already
    writer->transaction = 0;
    writer->inserted = 0;
    writer->reserved = 0;
}

void sim_outbox_commit(struct world *world, int64_t position)
{
    struct outbox_model *outbox = &world->pg.outbox;
    struct row *row = &outbox->rows[position];
    row->state = ROW_COMMITTED;
    row->flushed = SIM_RULE(sql, SYNC);
    if (row->flushed)
        outbox->next_flushed = outbox->next; // everything before it is written as well
    if (row->version != outbox->version_of[row->aggregate] + 1)
        sim_broken(world, "aggregate %u goes from version %u to %u", row->aggregate,
                   outbox->version_of[row->aggregate], row->version);
    outbox->version_of[row->aggregate] = row->version;
}

// ---- writers ------------------------------------------------------------------------------------

// What a unique index says: another's open row is waited for.
static enum may outbox_unique(const struct outbox_model *outbox, int64_t position)
{
    if (position == 0)
        return MAY_GO_ON;
    return outbox->rows[position].state == ROW_OPEN ? MAY_WAIT : MAY_NOT;
}

enum may sim_outbox_insert(struct outbox_model *outbox, const struct row *row, int64_t *position)
{
    if (*position == 0)
        *position = outbox->next++;
    int16_t *version_at = &outbox->version_at[row->aggregate][row->version];
    enum may may = MAY_GO_ON;
    if (*version_at != *position && SIM_RULE(sql, VERSION))
        may = outbox_unique(outbox, *version_at);
    if (may != MAY_GO_ON)
        return may;
    // In the one index while it waits for the other: whoever wants this version waits for it.
    outbox->rows[*position] = *row;
    outbox->rows[*position].state = ROW_OPEN;
    outbox->rows[*position].log = outbox->log;
    *version_at = (int16_t)*position;
    if (row->first && SIM_RULE(sql, COMMAND))
        may = outbox_unique(outbox, outbox->command_at[row->command]);
    if (may == MAY_GO_ON && row->first)
        outbox->command_at[row->command] = (int16_t)*position;
    return may;
}

static void writer_command_done(struct world *world, struct writer *writer)
{
    world->acknowledged[writer->command] = 1;
    writer->command = 0;
}

static void writer_begin(struct world *world, struct writer *writer)
{
    const struct outbox_model *outbox = &world->pg.outbox;
    const struct writer *other = &world->writer[draw(world, world->writers)];
    if (world->pg.restored)
        return; // refused, until a relay lets writers in
    if (writer->command == 0) {
        if (world->quiet || outbox->next + 40 > POSITIONS || world->commands + 1 >= COMMANDS ||
            world->events + 8 >= EVENTS)
            return;
        bool twin =
            other != writer && other->command != 0 && sim_fault(world, FAULT_TWIN_COMMAND, 6);
        writer->command = twin ? other->command : (uint16_t)++world->commands;
        writer->aggregate = twin ? other->aggregate : (uint16_t)draw(world, world->aggregates);
        writer->count = twin ? other->count : (uint16_t)(1 + draw(world, ROWS_PER_COMMAND));
        world->command_events[writer->command] = (uint8_t)writer->count;
    }
    if (outbox->next + ROWS_PER_COMMAND > POSITIONS ||
        outbox->version_of[writer->aggregate] + ROWS_PER_COMMAND >= 256) {
        writer->command = 0;
        return;
    }
    int16_t known = outbox->command_at[writer->command];
    if (known != 0 && outbox->rows[known].state == ROW_COMMITTED && SIM_RULE(sql, COMMAND)) {
        writer_command_done(world, writer); // the same answer again
        return;
    }
    writer->version = outbox->version_of[writer->aggregate];
    writer->transaction = ++world->pg.transactions;
    writer->inserted = 0;
    if (sim_fault(world, FAULT_STUCK_WRITER, 400))
        writer->wake_ms = world->now_ms + 60000; // a stopped client, with its lock
}

static void writer_insert(struct world *world, struct writer *writer)
{
    struct row row = {.aggregate = writer->aggregate,
                      .version = (uint16_t)(writer->version + writer->inserted + 1),
                      .command = writer->command,
                      .event = (uint16_t)(world->events + 1),
                      .first = writer->inserted == 0};
    if (writer->reserved == 0 && world->pg.outbox.next > POSITIONS) { // a crash has used them up
        sim_writer_abort(world, writer);
        writer->command = 0;
        return;
    }
    switch (sim_outbox_insert(&world->pg.outbox, &row, &writer->reserved)) {
    case MAY_WAIT:
        return;
    case MAY_NOT: // loads and decides again, or meets its own events
        sim_writer_abort(world, writer);
        return;
    case MAY_GO_ON:
        break;
    }
    world->events++;
    world->event_aggregate[row.event] = row.aggregate;
    world->event_version[row.event] = row.version;
    writer->positions[writer->inserted++] = (int16_t)writer->reserved;
    writer->reserved = 0;
}

static void writer_commit(struct world *world, struct writer *writer)
{
    uint32_t count = writer->count;
    if (!SIM_RULE(sql, ONE_BATCH) && count > 1 && draw(world, 8) == 0)
        count--; // the last one is left out
    for (uint32_t i = 0; i < count; i++)
        sim_outbox_commit(world, writer->positions[i]);
    for (uint32_t i = count; i < writer->count; i++)
        outbox_forget(&world->pg.outbox, writer->positions[i]);
    SAY(world, "command %u committed, %u events at %d and behind", writer->command, count,
        writer->positions[0]);
    writer->transaction = 0;
    writer->inserted = 0;
    if (!sim_fault(world, FAULT_LOST_COMMIT, 12)) // else the client does not know, and repeats it
        writer_command_done(world, writer);
}

void sim_writer_step(struct world *world, struct writer *writer)
{
    if (world->now_ms < world->pg.up_ms)
        return;
    if (writer->pg_epoch != world->pg.epoch) // its transaction went with the server
        writer->pg_epoch = world->pg.epoch;
    if (writer->transaction == 0)
        writer_begin(world, writer);
    else if (writer->inserted < writer->count)
        writer_insert(world, writer);
    else if (sim_fault(world, FAULT_ROLLBACK, 8))
        sim_writer_abort(world, writer);
    else
        writer_commit(world, writer);
}

// ---- the server ---------------------------------------------------------------------------------

void sim_pg_flush(struct world *world)
{
    for (int64_t p = 1; p < world->pg.outbox.next; p++)
        world->pg.outbox.rows[p].flushed |= world->pg.outbox.rows[p].state == ROW_COMMITTED;
    world->pg.outbox.next_flushed = world->pg.outbox.next;
}

static void pg_connections_end(struct world *world)
{
    for (uint32_t i = 0; i < WRITERS; i++) {
        sim_writer_abort(world, &world->writer[i]);
        world->writer[i].wake_ms = 0;
    }
    world->pg.epoch++;
    world->pg.up_ms = world->now_ms + draw(world, 2000);
}

static void outbox_recount(struct outbox_model *outbox)
{
    memset(outbox->version_of, 0, sizeof outbox->version_of);
    for (int64_t p = 1; p < outbox->next; p++)
        if (outbox->rows[p].state == ROW_COMMITTED &&
            outbox->rows[p].version > outbox->version_of[outbox->rows[p].aggregate])
            outbox->version_of[outbox->rows[p].aggregate] = outbox->rows[p].version;
}

// What no commit has flushed may be handed out once more: nobody has seen a row there.
int64_t sim_outbox_next_least(const struct outbox_model *outbox)
{
    return outbox->next_flushed;
}

int64_t sim_outbox_next_most(const struct outbox_model *outbox)
{
    return outbox->next + SEQUENCE_AHEAD;
}

void sim_outbox_crash(struct outbox_model *outbox, int64_t next)
{
    for (int64_t p = 1; p < outbox->next; p++)
        if (outbox->rows[p].state == ROW_OPEN || !outbox->rows[p].flushed)
            outbox_forget(outbox, p);
    outbox->next = outbox->next_flushed = next;
    outbox_recount(outbox);
}

void sim_outbox_restore(struct outbox_model *outbox, const struct outbox_model *copy)
{
    *outbox = *copy;
    for (int64_t p = 1; p < outbox->next; p++)
        if (outbox->rows[p].state == ROW_OPEN)
            outbox_forget(outbox, p);
}

void sim_pg_crash(struct world *world)
{
    struct outbox_model *outbox = &world->pg.outbox;
    SAY(world, "PostgreSQL crashes");
    pg_connections_end(world);
    for (int64_t p = 1; p < outbox->next; p++)
        if (outbox->rows[p].state == ROW_COMMITTED && !outbox->rows[p].flushed) {
            uint16_t command = outbox->rows[p].command;
            if (world->acknowledged[command])
                sim_broken(world, "command %u was acknowledged and is lost", command);
        }
    int64_t least = sim_outbox_next_least(outbox), most = sim_outbox_next_most(outbox);
    int64_t next = least + draw(world, (uint32_t)(most - least) + 1);
    sim_outbox_crash(outbox, next <= POSITIONS ? next : outbox->next);
}

void sim_pg_restore(struct world *world)
{
    struct pg *pg = &world->pg;
    SAY(world, "PostgreSQL is restored from an older copy");
    pg_connections_end(world);
    // Putting a copy in place takes longer than a relay acts without asking for its lease. (When it
    // does not, and every copy of what is published then is destroyed before an operator came,
    // nobody can know of it any more: one history in some ten thousand. So only rules are tried
    // that way.)
    pg->up_ms =
        world->now_ms + (sim_rule_taken_out == RULE_NONE ? RESTORE_MS : 0) + draw(world, 2000);
    world->nats.flight_count = world->nats.late_count = 0;
    for (uint32_t i = 0; i < RELAYS; i++)
        world->relay[i].lost_answers = world->relay[i].in_flight;
    sim_outbox_restore(&pg->outbox, &pg->backup);
    pg->restores++;
    pg->restored = draw(world, 2) == 0; // else by hand, and nobody is kept from appending
    memset(world->acknowledged, 0, sizeof world->acknowledged);
    for (int64_t p = 1; p < pg->outbox.next; p++)
        if (pg->outbox.rows[p].state == ROW_COMMITTED)
            world->acknowledged[pg->outbox.rows[p].command] = 1;
    for (uint32_t i = 0; i < WRITERS; i++)
        world->writer[i].command = 0;
    pg->lease_owner = 0;
    pg->lease_until_ms = 0;
}
