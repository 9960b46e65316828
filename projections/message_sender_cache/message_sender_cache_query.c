// message_sender_cache_query.c - see message_sender_cache_query.h.
#include "projections/message_sender_cache/message_sender_cache_query.h"

#include "projections/reply.h"

enum nova_status message_sender_cache_get(struct sender **out, struct pg *pg,
                                          const struct uuid *ids, size_t count, struct arena *arena,
                                          struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_uuid_array(arena, ids, count)};
    *out = arena_alloc(arena, count * sizeof **out);
    enum nova_status status =
        pg_query(&rows, pg,
                 "SELECT u.place, s.user_id IS NOT NULL, s.handle, s.display_name"
                 " FROM unnest($1) WITH ORDINALITY AS u (user_id, place)"
                 " LEFT JOIN communication.message_sender_cache s USING (user_id)"
                 " LEFT JOIN communication.message_sender_gone g USING (user_id)"
                 " WHERE s.user_id IS NOT NULL OR g.user_id IS NOT NULL",
                 params, 1, err);
    for (size_t i = 0; i < count; i++)
        (*out)[i] = (struct sender){SENDER_UNKNOWN, "", ""};
    for (size_t row = 0; row < pg_rows(rows); row++) {
        struct sender *sender = &(*out)[pg_get_int8(rows, row, 0) - 1];
        sender->state = pg_get_bool(rows, row, 1) ? SENDER_KNOWN : SENDER_GONE;
        if (sender->state == SENDER_GONE)
            continue;
        sender->handle = reply_text(arena, rows, row, 2);
        sender->display_name = reply_text(arena, rows, row, 3);
    }
    pg_result_destroy(&rows);
    return status;
}
