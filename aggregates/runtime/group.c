// group.c - see group.h.
#include "aggregates/runtime/group.h"

#include <string.h>

// By the last bytes, which are random in every version of UUID but those of a machine's address.
static size_t group_place_first(const struct uuid *id)
{
    return (size_t)(id->bytes[14] << 8 | id->bytes[15]) % GROUP_PLACES;
}

// Where the id is, or the empty place where it would be.
static size_t group_place(const struct group_ids *ids, const struct uuid *id)
{
    size_t place = group_place_first(id);
    while (!uuid_is_nil(&ids->at[place]) && !uuid_equal(&ids->at[place], id))
        place = (place + 1) % GROUP_PLACES;
    return place;
}

// The nil id stands for nobody: its place is an empty one, before and after it is put there.
static bool group_holds(const struct group_ids *ids, const struct uuid *id)
{
    return !uuid_is_nil(&ids->at[group_place(ids, id)]);
}

static void group_put(struct group_ids *ids, const struct uuid *id)
{
    ids->at[group_place(ids, id)] = *id;
}

void group_begin(struct group *group)
{
    memset(group, 0, sizeof *group);
}

bool group_admit(struct group *group, const struct uuid *command_id, const struct uuid *appends_to,
                 size_t bytes)
{
    if (group->count == COMMANDS_TOGETHER_MAX)
        return false;
    if (group->count > 0 && group->bytes + bytes > COMMANDS_TOGETHER_BYTES_MAX)
        return false;
    if (group_holds(&group->commands, command_id) || group_holds(&group->aggregates, appends_to))
        return false;
    group_put(&group->commands, command_id);
    group_put(&group->aggregates, appends_to);
    group->count++;
    group->bytes += bytes;
    return true;
}
