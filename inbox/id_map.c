// id_map.c - see id_map.h. Open addressing, at most half full.
#include "inbox/id_map.h"

#include <assert.h>
#include <string.h>

struct slot {
    struct uuid id;
    size_t number;
    bool used;
};

struct id_map {
    size_t mask, count, count_max;
    struct slot *slots;
};

struct id_map *id_map_create(struct arena *arena, size_t count_max)
{
    struct id_map *map = arena_alloc(arena, sizeof *map);
    size_t size = 8;
    while (size < count_max * 2)
        size *= 2;
    map->mask = size - 1;
    map->count_max = count_max;
    map->slots = arena_alloc(arena, size * sizeof *map->slots);
    return map;
}

// A UUIDv7's first bytes are its time, so its random end is taken; mixed, as ids come from outside.
static size_t id_hash(const struct uuid *id)
{
    uint64_t high, low;
    memcpy(&high, id->bytes, sizeof high);
    memcpy(&low, id->bytes + sizeof high, sizeof low);
    uint64_t mixed = (high ^ (low * 0x9E3779B97F4A7C15ull)) * 0xBF58476D1CE4E5B9ull;
    return (size_t)(mixed ^ (mixed >> 29));
}

static struct slot *id_map_slot(const struct id_map *map, const struct uuid *id)
{
    size_t at = id_hash(id) & map->mask;
    while (map->slots[at].used && !uuid_equal(&map->slots[at].id, id))
        at = (at + 1) & map->mask;
    return &map->slots[at];
}

size_t id_map_put(struct id_map *map, const struct uuid *id, size_t number, bool *is_new)
{
    struct slot *slot = id_map_slot(map, id);
    *is_new = !slot->used;
    if (*is_new) {
        assert(map->count < map->count_max);
        map->count++;
        *slot = (struct slot){*id, number, true};
    }
    return slot->number;
}

bool id_map_get(size_t *number, const struct id_map *map, const struct uuid *id)
{
    const struct slot *slot = id_map_slot(map, id);
    if (slot->used)
        *number = slot->number;
    return slot->used;
}
