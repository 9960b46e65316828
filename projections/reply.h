// reply.h - columns of a row as fields of a reply.
//
// Ownership: texts live in the arena.
#pragma once
#include "pg/pg.h"

char *reply_id(struct arena *arena, const struct pg_result *rows, size_t row, int column);
char *reply_text(struct arena *arena, const struct pg_result *rows, size_t row, int column);
int64_t reply_time_us(const struct pg_result *rows, size_t row, int column); // 0: NULL
// text[]; NULL is none.
size_t reply_texts(char ***out, struct arena *arena, const struct pg_result *rows, size_t row,
                   int column);
