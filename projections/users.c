// users.c - see users.h.
#include "projections/users.h"

#include <string.h>

#include "inbox/id_map.h"
#include "nova/identity/v2/identity.pb-c.h"

static void columns_create(struct user_columns *out, struct arena *arena, size_t count_max)
{
    out->count = 0;
    out->ids = arena_alloc(arena, count_max * sizeof *out->ids);
    out->handles = arena_alloc(arena, count_max * sizeof *out->handles);
    out->names = arena_alloc(arena, count_max * sizeof *out->names);
    out->positions = arena_alloc(arena, count_max * sizeof *out->positions);
    out->times_us = arena_alloc(arena, count_max * sizeof *out->times_us);
}

static void columns_add(struct user_columns *columns, const struct inbox_event *event,
                        const char *handle, const char *name)
{
    size_t row = columns->count++;
    columns->ids[row] = event->event.aggregate_id;
    columns->handles[row] = handle;
    columns->names[row] = name;
    columns->positions[row] = event->event.position;
    columns->times_us[row] = event->event.occurred_at_us;
}

static void columns_change(struct user_columns *columns, size_t row,
                           const struct inbox_event *event)
{
    const Nova__Identity__V2__UserUpdatedPersonal *personal = (const void *)event->personal;
    columns->positions[row] = event->event.position;
    if (personal && personal->handle[0] != '\0')
        columns->handles[row] = personal->handle;
    if (personal && personal->display_name[0] != '\0')
        columns->names[row] = personal->display_name;
}

void users_of_batch(struct user_changes *out, const struct inbox_batch *batch)
{
    const struct inbox_event *const *created, *const *updated;
    size_t created_count = inbox_batch_of(&created, batch, "user.created");
    size_t updated_count = inbox_batch_of(&updated, batch, "user.updated");
    struct id_map *rows = id_map_create(batch->arena, updated_count);
    columns_create(&out->created, batch->arena, created_count);
    columns_create(&out->updated, batch->arena, updated_count);
    for (size_t i = 0; i < created_count; i++) {
        const Nova__Identity__V2__UserCreatedPersonal *personal =
            (const void *)created[i]->personal;
        columns_add(&out->created, created[i], personal ? personal->handle : NULL,
                    personal ? personal->display_name : NULL);
    }
    for (size_t i = 0; i < updated_count; i++) {
        bool is_new;
        size_t row = id_map_put(rows, &updated[i]->event.aggregate_id, out->updated.count, &is_new);
        if (is_new)
            columns_add(&out->updated, updated[i], "", "");
        columns_change(&out->updated, row, updated[i]);
    }
    out->deleted_count = inbox_batch_aggregates(&out->deleted, batch, "user.deleted");
}
