// import_window.h - which commands of a file may be in flight at once: a command waits for every
// earlier one that names one of its ids and is not done.
//
// So what happens to one aggregate, or by one user, happens in the file's order, and all else at
// the same time. Pure: no I/O.
//
// Ownership: copies the ids.
// Threads:   one at a time per window.
// Bounds:    `size` commands at once, IMPORT_IDS_MAX ids each (more: it waits for all before it,
//            and all behind it wait for it).
#pragma once
#include <stddef.h>

#include "base/uuid.h"

enum { IMPORT_IDS_MAX = 64 };

struct import_window;

struct import_window *import_window_create(uint32_t size);
void import_window_destroy(struct import_window **window);

bool import_window_is_full(const struct import_window *window);
bool import_window_is_empty(const struct import_window *window);
// Takes a command in; not when it is full. Returns its place, which is its own until
// import_window_done.
uint32_t import_window_add(struct import_window *window, const struct uuid *ids, size_t count);
// The next place that may start, in the order in which they became free. False: none just now.
bool import_window_next(uint32_t *place, struct import_window *window);
// It is done: those that waited only for it may start.
void import_window_done(struct import_window *window, uint32_t place);
