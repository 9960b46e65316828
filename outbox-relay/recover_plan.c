// recover_plan.c - see recover_plan.h.
#include "outbox-relay/recover_plan.h"

#include <assert.h>
#include <stddef.h>

static void see_missing(struct recover_seen *seen, const struct recover_place *message)
{
    if (seen->missing++ == 0)
        seen->first_missing = *message;
    seen->last_missing = *message;
    seen->differs = true;
}

static void see_foreign(struct recover_seen *seen)
{
    seen->foreign++;
    seen->differs = true;
}

enum recover_take recover_see(struct recover_seen *seen, const struct recover_place *row,
                              const struct recover_place *message)
{
    assert(row != NULL || message != NULL);
    if (row == NULL || (message != NULL && message->position < row->position)) {
        see_missing(seen, message);
        return RECOVER_TAKE_MESSAGE;
    }
    if (message == NULL || row->position < message->position) {
        see_foreign(seen);
        return RECOVER_TAKE_ROW;
    }
    if (uuid_equal(&row->event_id, &message->event_id)) {
        seen->shared++;
        if (!seen->differs)
            seen->common = *message;
    } else {
        see_missing(seen, message);
        see_foreign(seen);
    }
    return RECOVER_TAKE_BOTH;
}

void recover_see_unreadable(struct recover_seen *seen)
{
    seen->unreadable++;
    seen->differs = true;
}

// ---- import -------------------------------------------------------------------------------------

static bool is_relogged(const struct recover_state *state)
{
    return !uuid_is_nil(&state->forked_from) && !uuid_is_nil(&state->stream_log) &&
           uuid_equal(&state->forked_from, &state->stream_log);
}

const char *recover_import_refused(const struct recover_state *state)
{
    if (state->forking || is_relogged(state))
        return "a fork was begun here: run it to its end with --fork";
    if (state->seen.missing == 0)
        return "the outbox holds every event of the stream: there is nothing to take back";
    if (state->stream_mixed)
        return "the stream carries several log ids and is none of ours: use --fork";
    if (state->seen.unreadable > 0)
        return "messages of the stream cannot be read, so that events would be left out: use "
               "--fork";
    if (state->seen.foreign > 0)
        return "events were appended since the restore, and the stream does not hold them: use "
               "--fork";
    return NULL;
}

// ---- fork ---------------------------------------------------------------------------------------

const char *recover_fork_refused(const struct recover_state *state)
{
    if (!state->forking && !is_relogged(state) && state->seen.missing == 0 &&
        state->seen.unreadable == 0)
        return "the outbox holds every event of the stream: there is nothing to fork from";
    return NULL;
}

struct recover_fork_steps recover_fork_next(const struct recover_state *state)
{
    bool old = !uuid_is_nil(&state->stream_log) || state->seen.unreadable > 0;
    bool same_log = uuid_equal(&state->stream_log, &state->outbox_log);
    bool different = state->seen.missing > 0 || state->seen.unreadable > 0;
    // The stream is empty, or was made again under the new log id: the rest is the relay's.
    if (!old || (same_log && !different))
        return (struct recover_fork_steps){0};
    return (struct recover_fork_steps){
        .keep = different, .relog = !is_relogged(state), .empty = true};
}
