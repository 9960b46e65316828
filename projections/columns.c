// columns.c - see columns.h.
#include "projections/columns.h"

#include "projections/text.h"

void columns_of(struct columns *out, const struct inbox_batch *batch, const char *type)
{
    out->arena = batch->arena;
    out->count = inbox_batch_of(&out->events, batch, type);
}

void columns_last_of(struct columns *out, const struct inbox_batch *batch, const char *type)
{
    out->arena = batch->arena;
    out->count = inbox_batch_last_of(&out->events, batch, type);
}

struct pg_param columns_ids(const struct columns *columns)
{
    struct uuid *ids = arena_alloc(columns->arena, columns->count * sizeof *ids);
    for (size_t i = 0; i < columns->count; i++)
        ids[i] = columns->events[i]->event.aggregate_id;
    return pg_uuid_array(columns->arena, ids, columns->count);
}

struct pg_param columns_times(const struct columns *columns)
{
    int64_t *times_us = arena_alloc(columns->arena, columns->count * sizeof *times_us);
    for (size_t i = 0; i < columns->count; i++)
        times_us[i] = columns->events[i]->event.occurred_at_us;
    return pg_time_us_array(columns->arena, times_us, columns->count);
}

struct pg_param columns_positions(const struct columns *columns)
{
    int64_t *positions = arena_alloc(columns->arena, columns->count * sizeof *positions);
    for (size_t i = 0; i < columns->count; i++)
        positions[i] = columns->events[i]->event.position;
    return pg_int8_array(columns->arena, positions, columns->count);
}

static const void *field_of(const ProtobufCMessage *message, size_t offset)
{
    return (const char *)message + offset;
}

static const char *text_of(const ProtobufCMessage *message, size_t offset)
{
    return *(const char *const *)field_of(message, offset);
}

struct pg_param columns_texts(const struct columns *columns, size_t offset)
{
    const char **texts = arena_alloc(columns->arena, columns->count * sizeof *texts);
    for (size_t i = 0; i < columns->count; i++) {
        const ProtobufCMessage *personal = columns->events[i]->personal;
        texts[i] = personal != NULL ? text_of(personal, offset) : NULL;
    }
    return pg_text_array(columns->arena, texts, columns->count);
}

struct pg_param columns_text_lists(const struct columns *columns, size_t count_offset,
                                   size_t offset)
{
    struct arena *arena = columns->arena;
    const char **lists = arena_alloc(arena, columns->count * sizeof *lists);
    for (size_t i = 0; i < columns->count; i++) {
        const ProtobufCMessage *personal = columns->events[i]->personal;
        lists[i] = personal != NULL
                       ? text_array(arena, *(const char *const *const *)field_of(personal, offset),
                                    *(const size_t *)field_of(personal, count_offset))
                       : NULL;
    }
    return pg_text_array(arena, lists, columns->count);
}

enum nova_status columns_uuids(struct pg_param *out, const struct columns *columns, size_t offset,
                               const char *name, bool empty_ok, struct error *err)
{
    struct uuid *ids = arena_alloc(columns->arena, columns->count * sizeof *ids);
    enum nova_status status = NOVA_OK;
    for (size_t i = 0; i < columns->count && status == NOVA_OK; i++) {
        const struct inbox_event *event = columns->events[i];
        status =
            inbox_event_id(&ids[i], event, name, text_of(event->payload, offset), empty_ok, err);
    }
    if (status == NOVA_OK)
        *out = pg_uuid_array(columns->arena, ids, columns->count);
    return status;
}
