// users.h - what a batch of identity's events says about users, folded to one row a user, as
// columns for unnest().
//
// Ownership: everything lives in the batch's arena.
#pragma once
#include "inbox/consumer.h"

struct user_columns {
    size_t count;
    struct uuid *ids;
    const char **handles; // created: NULL when erased; updated: "" as it was
    const char **names;
    int64_t *positions; // of the last event
    int64_t *times_us;  // created: when
};

struct user_changes {
    // To be applied in this order; a user is in each at most once.
    struct user_columns created, updated;
    const struct uuid *deleted;
    size_t deleted_count;
};

// The event types that it looks at.
#define USER_EVENTS "user.created", "user.updated", "user.deleted"

void users_of_batch(struct user_changes *out, const struct inbox_batch *batch);
