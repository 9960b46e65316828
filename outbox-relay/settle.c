// settle.c - see settle.h, which holds the proof. SETTLE_RULE names each rule, so that the tests
// can take one out and see that their simulation notices.
#include "outbox-relay/settle.h"

#include <assert.h>
#include <stdbool.h>

#ifndef SETTLE_RULE
#define SETTLE_RULE(name) true
#endif

void settle_reset(struct settle *settle, int64_t cursor)
{
    settle->state = SETTLE_FOLLOW;
    settle->cursor = cursor;
    settle->horizon = cursor;
    settle->writer_count = 0;
}

static void settle_note_hole(struct settle *settle, const struct outbox_look *look)
{
    if (look->writer_count > SETTLE_WRITERS_MAX)
        return; // cannot note them all; the next look asks again
    settle->horizon = look->highest;
    settle->writer_count =
        SETTLE_RULE(NOTE_ALL_WRITERS) ? look->writer_count : look->writer_count / 2;
    for (uint32_t i = 0; i < settle->writer_count; i++)
        settle->writers[i] = look->writers[i];
    settle->state = SETTLE_WAIT;
}

static bool settle_look_shows_writer(const struct outbox_look *look, uint64_t writer)
{
    for (uint32_t i = 0; i < look->writer_count; i++)
        if (look->writers[i] == writer)
            return true;
    return false;
}

// Keeps those noted writers that still hold the lock. New ones do not matter: they took their
// positions after the horizon was seen, so theirs are above it.
static void settle_drop_ended_writers(struct settle *settle, const struct outbox_look *look)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < settle->writer_count; i++)
        if (settle_look_shows_writer(look, settle->writers[i]))
            settle->writers[kept++] = settle->writers[i];
    settle->writer_count = kept;
}

int64_t settle_look(struct settle *settle, const struct outbox_look *look)
{
    assert(look->prefix_end >= settle->cursor);
    assert(look->highest >= look->prefix_end);

    int64_t limit = look->prefix_end;
    if (settle->state != SETTLE_FOLLOW && look->prefix_end >= settle->horizon)
        settle->state = SETTLE_FOLLOW; // every hole was filled

    switch (settle->state) {
    case SETTLE_FOLLOW:
        if (look->highest > look->prefix_end)
            settle_note_hole(settle, look);
        break;
    case SETTLE_WAIT:
        settle_drop_ended_writers(settle, look);
        if (settle->writer_count == 0 || !SETTLE_RULE(WAIT_FOR_WRITERS)) {
            // These rows were read before the last writer was seen to have ended.
            settle->state = SETTLE_LAST_READ;
            if (!SETTLE_RULE(LAST_READ)) {
                limit = settle->horizon;
                settle->state = SETTLE_FOLLOW;
            }
        }
        break;
    case SETTLE_LAST_READ:
        // These rows were read after the last writer ended: what is missing is void for ever.
        limit = SETTLE_RULE(HORIZON) ? settle->horizon : look->highest;
        settle->state = SETTLE_FOLLOW;
        break;
    }
    if (!SETTLE_RULE(STOP_AT_HOLE))
        limit = look->highest;

    assert(limit >= settle->cursor);
    assert(limit <= look->highest);
    settle->cursor = limit;
    return limit;
}
