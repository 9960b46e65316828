// list.h - every aggregate of Nova: one list. A new one is one line in list.c.
//
// Threads: constant data.
#pragma once
#include "aggregates/core/aggregate.h"

size_t aggregate_type_count(void);
const struct aggregate_type *aggregate_type_at(size_t i);
const struct aggregate_type *aggregate_type_find(const char *service,
                                                 const char *name); // NULL: none
