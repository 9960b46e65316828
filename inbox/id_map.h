// id_map.h - from an id to a number: the place of what a batch holds about it.
//
// Ownership: lives in the arena.
// Threads:   one at a time per map.
// Bounds:    made for at most `count_max` ids; more is our bug and aborts.
#pragma once
#include "base/arena.h"
#include "base/uuid.h"

struct id_map;

struct id_map *id_map_create(struct arena *arena, size_t count_max);
// The number of `id`; when it is new, *is_new is true and it gets `number`.
size_t id_map_put(struct id_map *map, const struct uuid *id, size_t number, bool *is_new);
// False: it is not in the map.
bool id_map_get(size_t *number, const struct id_map *map, const struct uuid *id);
