// batch.c - a batch as handlers look at it. See consumer.h.
#include <inttypes.h>
#include <string.h>

#include "inbox/consumer.h"
#include "inbox/id_map.h"

size_t inbox_source_count(const struct inbox_consumer *consumer)
{
    size_t count = 0;
    while (count < INBOX_SOURCES_MAX && consumer->sources[count].service)
        count++;
    return count;
}

bool inbox_source_wants(const struct inbox_source *source, const char *type)
{
    for (size_t i = 0; i < INBOX_TYPES_MAX && source->types[i]; i++)
        if (strcmp(source->types[i], type) == 0)
            return true;
    return false;
}

size_t inbox_batch_of(const struct inbox_event *const **out, const struct inbox_batch *batch,
                      const char *type)
{
    const struct inbox_event **found = arena_alloc(batch->arena, batch->count * sizeof *found);
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++)
        if (strcmp(batch->events[i]->type->type, type) == 0)
            found[count++] = batch->events[i];
    *out = found;
    return count;
}

size_t inbox_batch_last_of(const struct inbox_event *const **out, const struct inbox_batch *batch,
                           const char *type)
{
    const struct inbox_event *const *all;
    size_t all_count = inbox_batch_of(&all, batch, type), count = 0;
    const struct inbox_event **last = arena_alloc(batch->arena, all_count * sizeof *last);
    struct id_map *places = id_map_create(batch->arena, all_count);
    for (size_t i = 0; i < all_count; i++) {
        bool is_new;
        size_t place = id_map_put(places, &all[i]->event.aggregate_id, count, &is_new);
        last[place] = all[i];
        count += is_new;
    }
    *out = last;
    return count;
}

size_t inbox_batch_aggregates(const struct uuid **out, const struct inbox_batch *batch,
                              const char *type)
{
    const struct inbox_event *const *events;
    size_t count = inbox_batch_last_of(&events, batch, type);
    struct uuid *ids = arena_alloc(batch->arena, count * sizeof *ids);
    for (size_t i = 0; i < count; i++)
        ids[i] = events[i]->event.aggregate_id;
    *out = ids;
    return count;
}

enum nova_status inbox_event_id(struct uuid *out, const struct inbox_event *event,
                                const char *field, const char *text, bool empty_ok,
                                struct error *err)
{
    *out = (struct uuid){{0}};
    if ((empty_ok && text[0] == '\0') || uuid_parse(out, text))
        return NOVA_OK;
    return error_set(err, NOVA_INVALID_ARGUMENT, "%s at position %" PRId64 ": its %s is no UUID",
                     event->type->type, event->event.position, field);
}
