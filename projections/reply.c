// reply.c - see reply.h.
#include "projections/reply.h"

char *reply_id(struct arena *arena, const struct pg_result *rows, size_t row, int column)
{
    char *text = arena_alloc(arena, UUID_TEXT_BYTES);
    if (pg_is_null(rows, row, column))
        return text; // ""
    struct uuid id = pg_get_uuid(rows, row, column);
    uuid_format(text, &id);
    return text;
}

char *reply_text(struct arena *arena, const struct pg_result *rows, size_t row, int column)
{
    const char *text = pg_get_text(rows, row, column);
    return arena_strdup(arena, text ? text : "");
}

int64_t reply_time_us(const struct pg_result *rows, size_t row, int column)
{
    return pg_is_null(rows, row, column) ? 0 : pg_get_time_us(rows, row, column);
}

size_t reply_texts(char ***out, struct arena *arena, const struct pg_result *rows, size_t row,
                   int column)
{
    const char *const *texts = NULL;
    size_t count = 0;
    if (!pg_is_null(rows, row, column))
        count = pg_get_text_array(&texts, arena, rows, row, column);
    *out = arena_alloc(arena, count * sizeof **out);
    for (size_t i = 0; i < count; i++)
        (*out)[i] = arena_strdup(arena, texts[i]);
    return count;
}
