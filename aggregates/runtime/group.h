// group.h - which commands go together into one transaction (group commit, decision 0046). No I/O.
//
// No two that append to one aggregate: the second is to be decided on what the first did. No two of
// one command id: the second is to find the first's events. Within the bounds, so that nobody waits
// for long and the statements stay small. Who is not taken goes with a later group.
//
// Commands are asked in the order of their arrival, twice: before they are loaded, where what they
// append to is known only of those that were decided before; and when they have been decided.
//
// Ownership: a struct group is plain memory of the caller.
// Threads:   one at a time per group.
// Errors:    none.
// Bounds:    COMMANDS_TOGETHER_MAX commands, COMMANDS_TOGETHER_BYTES_MAX bytes; a single command
//            may be larger.
#pragma once
#include "base/limits.h"
#include "base/uuid.h"

// A set of ids: open addressing, the nil id is an empty place. Twice as many places as ids keep the
// ways short; ids that somebody chose to collide only make them longer.
enum { GROUP_PLACES = 512 };
static_assert(GROUP_PLACES >= 2 * COMMANDS_TOGETHER_MAX, "half of the places stay empty");

struct group_ids {
    struct uuid at[GROUP_PLACES];
};

struct group {
    uint32_t count;
    size_t bytes;
    struct group_ids commands, aggregates;
};

void group_begin(struct group *group);

// True: the command is taken, and counts. False: it is not, and the group is as it was.
// command_id: nil for one that is given a new id, which meets nobody's. appends_to: nil while
// nobody knows. bytes: what it brings along, about.
bool group_admit(struct group *group, const struct uuid *command_id, const struct uuid *appends_to,
                 size_t bytes);
