// outbox_reader.c - see outbox_reader.h.
#include "inbox/outbox_reader.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/limits.h"
#include "bus/cloudevents.h"
#include "pg/event_row.h"

enum { SQL_BYTES = 1536, BATCHES = 2 };

struct outbox_reader {
    const char *source;
    int64_t until;
    struct pg *pg;
    char rows[SQL_BYTES], count[SQL_BYTES];
    int64_t position, n; // of the last event that was given
    int64_t end_n;       // of the last one that there is up to `until`
    size_t turn;
    struct arena *arenas[BATCHES]; // of the last batches that brought any
};

enum nova_status outbox_reader_create(struct outbox_reader **out, const char *url,
                                      const char *source, int64_t until, struct error *err)
{
    struct outbox_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        abort();
    reader->source = source;
    reader->until = until;
    for (size_t i = 0; i < BATCHES; i++)
        reader->arenas[i] = arena_create();
    // As many as fit; the first one always does.
    int len = snprintf(reader->rows, SQL_BYTES,
                       "SELECT " EVENT_ROW_COLUMNS ", " EVENT_ROW_EXTRA
                       " FROM (SELECT *, sum(octet_length(payload)) OVER (ORDER BY position)"
                       " - octet_length(payload) AS before FROM (SELECT " EVENT_ROW_COLUMNS
                       ", " EVENT_ROW_EXTRA " FROM %s.outbox WHERE position > $1 AND position <= $2"
                       " ORDER BY position LIMIT $3) AS few) AS fewer WHERE before < %d"
                       " ORDER BY position",
                       source, READER_BATCH_BYTES_MAX);
    assert(len < SQL_BYTES);
    snprintf(reader->count, SQL_BYTES,
             "SELECT count(*) FROM %s.outbox WHERE position > $1 AND position <= $2", source);
    enum nova_status status = pg_connect(&reader->pg, url, "nova rebuild", err);
    *out = reader;
    if (status != NOVA_OK)
        outbox_reader_destroy(out);
    return status;
}

void outbox_reader_destroy(struct outbox_reader **reader)
{
    if (!*reader)
        return;
    pg_destroy(&(*reader)->pg);
    for (size_t i = 0; i < BATCHES; i++)
        arena_destroy(&(*reader)->arenas[i]);
    free(*reader);
    *reader = NULL;
}

enum nova_status outbox_reader_seek(struct outbox_reader *reader,
                                    const struct inbox_checkpoint *checkpoint, struct error *err)
{
    struct pg_result *row = NULL;
    const struct pg_param params[] = {pg_int8(checkpoint->position), pg_int8(reader->until)};
    enum nova_status status = pg_ensure_connected(reader->pg, err);
    if (status == NOVA_OK)
        status = pg_query(&row, reader->pg, reader->count, params, 2, err);
    if (status == NOVA_OK) {
        reader->end_n = checkpoint->n + pg_get_int8(row, 0, 0);
        // So that the checkpoint's own comes first; of none the first one.
        reader->n = checkpoint->n > 0 ? checkpoint->n - 1 : 0;
        reader->position = checkpoint->n > 0 ? checkpoint->position - 1 : 0;
    }
    pg_result_destroy(&row);
    return status;
}

static enum nova_status message_of(struct reader_message *out, struct outbox_reader *reader,
                                   const struct pg_result *rows, size_t row, struct arena *arena,
                                   struct error *err)
{
    struct event event = event_row_of(rows, row);
    const struct cloudevents_extra extra = {
        .traceparent = event_row_traceparent(rows, row),
        .command_index = event_row_command_index(rows, row),
        .command_digest = event_row_command_digest(rows, row),
    };
    event.n = reader->n + (int64_t)row + 1;
    enum nova_status status =
        cloudevents_encode(&out->message, arena, reader->source, &event, &extra, err);
    // Decoded again, as what it points to then lives as long as the message.
    return status == NOVA_OK
               ? cloudevents_decode(&out->event, NULL, arena, reader->source, out->message, err)
               : status;
}

enum nova_status outbox_reader_next(struct reader_batch *out, struct outbox_reader *reader,
                                    size_t max, int64_t wait_ms, struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_int8(reader->position), pg_int8(reader->until),
                                      pg_int8((int64_t)max)};
    *out = (struct reader_batch){NULL, 0};
    enum nova_status status = pg_query(&rows, reader->pg, reader->rows, params, 3, err);
    size_t count = pg_rows(rows);
    if (status == NOVA_OK && count == 0) // nothing comes later
        nanosleep(&(struct timespec){0, wait_ms * 1000000}, NULL);
    if (count > 0) {
        struct arena *arena = reader->arenas[reader->turn++ % BATCHES];
        arena_reset(arena);
        out->messages = arena_alloc(arena, count * sizeof *out->messages);
        for (size_t row = 0; row < count && status == NOVA_OK; row++)
            status = message_of(&out->messages[row], reader, rows, row, arena, err);
    }
    if (status == NOVA_OK && count > 0) {
        out->count = count;
        reader->n += (int64_t)count;
        reader->position = out->messages[count - 1].event.position;
    }
    pg_result_destroy(&rows);
    return status;
}

struct reader_look outbox_reader_look(const struct outbox_reader *reader)
{
    return (struct reader_look){.delivered_n = reader->n, .pending = reader->end_n - reader->n};
}
