// reply.h - columns of a row as fields of a reply.
//
// Ownership: texts live in the arena.
// Threads:   one at a time per arena. Errors: none; a wrong type of column is our bug (an assert).
#pragma once
#include "pg/pg.h"

// A uuid as text; NULL where the column is.
char *reply_id(struct arena *arena, const struct pg_result *rows, size_t row, int column);
// A copy of a text; NULL where the column is.
char *reply_text(struct arena *arena, const struct pg_result *rows, size_t row, int column);
// Unix microseconds.
int64_t reply_time_us(const struct pg_result *rows, size_t row, int column); // 0: NULL
// text[]; NULL is none.
size_t reply_texts(char ***out, struct arena *arena, const struct pg_result *rows, size_t row,
                   int column);
