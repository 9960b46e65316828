// arena.h - memory that a batch shares: many small allocations, one release.
//
// Ownership: everything from arena_alloc lives until arena_reset or arena_destroy.
// Threads:   one at a time per arena.
// Errors:    out of memory aborts: nothing sensible can be done, and a supervisor restarts us.
// Bounds:    one allocation is at most ARENA_ALLOC_BYTES_MAX; more is a bug and aborts.
#pragma once
#include <stddef.h>

#include "base/limits.h"

struct arena;

struct arena *arena_create(void);
void arena_destroy(struct arena **arena); // takes NULL and *arena == NULL; sets NULL

// Zeroed, aligned for any type. size 0 gives a valid, unique address.
void *arena_alloc(struct arena *arena, size_t size);
char *arena_strdup(struct arena *arena, const char *text);
void *arena_memdup(struct arena *arena, const void *data, size_t size);
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Forgets all allocations, keeps at most ARENA_KEPT_BYTES for the next batch.
void arena_reset(struct arena *arena);
