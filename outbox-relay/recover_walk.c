// recover_walk.c - see recover_internal.h: both sides are read once, side by side, piece by piece.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "outbox-relay/recover_internal.h"
#include "proto/contract.h"
#include "proto/sealed.h"

enum { ROWS_AT_ONCE = 5000 };

// The outbox's rows in order, as the transaction saw them when they were first asked for: rows that
// are taken back meanwhile are not among them.
struct rows {
    struct recover *recover;
    struct pg_result *page;
    size_t at;
    bool ended;
};

static enum nova_status rows_begin(struct rows *rows, struct recover *recover, struct error *err)
{
    char sql[RECOVER_SQL_BYTES];
    *rows = (struct rows){.recover = recover};
    snprintf(sql, sizeof sql,
             "DECLARE recover_rows NO SCROLL CURSOR FOR"
             " SELECT position, event_id FROM %s.outbox ORDER BY position",
             recover->service);
    return pg_exec(recover->pg, sql, err);
}

static enum nova_status rows_end(struct rows *rows, enum nova_status status, struct error *err)
{
    pg_result_destroy(&rows->page);
    return status == NOVA_OK ? pg_exec(rows->recover->pg, "CLOSE recover_rows", err) : status;
}

// *there false: no more.
static enum nova_status rows_head(struct recover_place *out, bool *there, struct rows *rows,
                                  struct error *err)
{
    if (rows->at == pg_rows(rows->page) && !rows->ended) {
        char sql[64];
        snprintf(sql, sizeof sql, "FETCH %d FROM recover_rows", ROWS_AT_ONCE);
        pg_result_destroy(&rows->page);
        rows->at = 0;
        enum nova_status status = pg_query(&rows->page, rows->recover->pg, sql, NULL, 0, err);
        if (status != NOVA_OK)
            return status;
        rows->ended = pg_rows(rows->page) == 0;
    }
    *there = !rows->ended;
    if (*there)
        *out = (struct recover_place){.position = pg_get_int8(rows->page, rows->at, 0),
                                      .event_id = pg_get_uuid(rows->page, rows->at, 1)};
    return NOVA_OK;
}

// ---- messages -----------------------------------------------------------------------------------

static char *copy_text(struct arena *arena, const char *text)
{
    return text == NULL ? NULL : arena_strdup(arena, text);
}

static struct bytes copy_bytes(struct arena *arena, struct bytes bytes)
{
    return (struct bytes){arena_memdup(arena, bytes.data, bytes.len), bytes.len};
}

static void chunk_add(void *context, const struct stream_message *message)
{
    struct recover *recover = context;
    struct arena *arena = recover->chunk_arena;
    struct stream_message *out = &recover->chunk[recover->chunk_count++];
    *out = *message;
    out->event.type = copy_text(arena, message->event.type);
    out->event.aggregate_type = copy_text(arena, message->event.aggregate_type);
    out->event.actor = copy_text(arena, message->event.actor);
    out->event.payload = copy_bytes(arena, message->event.payload);
    out->extra.traceparent = copy_text(arena, message->extra.traceparent);
    out->extra.command_digest = copy_bytes(arena, message->extra.command_digest);
    out->body = copy_bytes(arena, message->body);
}

// One by one, past what cannot be read.
static enum nova_status chunk_read_damaged(struct recover_state *state, struct recover *recover,
                                           int64_t first_n, int64_t last_n, int64_t position,
                                           struct error *err)
{
    enum nova_status status = NOVA_OK;
    for (int64_t n = first_n; n <= last_n && status == NOVA_OK; n++) {
        const char *wrong = NULL;
        struct stream_message message;
        status = stream_read(&message, &wrong, recover->stream, n, recover->chunk_arena, err);
        if (status == NOVA_OK && wrong == NULL)
            wrong = relay_message_wrong(n, message.event.n, position, message.event.position);
        if (status != NOVA_OK)
            break;
        if (wrong != NULL) {
            recover_see_unreadable(&state->seen);
            continue;
        }
        position = message.event.position;
        recover->chunk[recover->chunk_count++] = message;
    }
    return status;
}

static enum nova_status chunk_read(struct recover_state *state, struct recover *recover,
                                   int64_t first_n, int64_t last_n, int64_t position,
                                   struct error *err)
{
    const char *damage = NULL;
    arena_reset(recover->chunk_arena);
    recover->chunk_count = 0;
    enum nova_status status =
        stream_walk(&damage, recover->stream, first_n, last_n, chunk_add, recover, err);
    if (status == NOVA_OK && damage == NULL && recover->chunk_count > 0 &&
        recover->chunk[0].event.position <= position)
        damage = "its messages are not in order";
    if (status != NOVA_OK || damage == NULL)
        return status;
    arena_reset(recover->chunk_arena);
    recover->chunk_count = 0;
    return chunk_read_damaged(state, recover, first_n, last_n, position, err);
}

// ---- both ---------------------------------------------------------------------------------------

static void note_log(struct recover_state *state, const struct uuid *log_id)
{
    if (!uuid_is_nil(&state->stream_log) && !uuid_equal(&state->stream_log, log_id))
        state->stream_mixed = true;
    state->stream_log = *log_id;
}

static enum nova_status walk_chunk(struct recover_state *state, struct rows *rows,
                                   const struct recover_visitor *visitor, struct error *err)
{
    struct recover *recover = rows->recover;
    enum nova_status status = NOVA_OK;
    for (size_t i = 0; i < recover->chunk_count && status == NOVA_OK;) {
        const struct stream_message *message = &recover->chunk[i];
        const struct event *event = &message->event;
        const struct recover_place place = {event->n, event->position, event->event_id};
        struct recover_place row;
        bool there;
        int64_t missing = state->seen.missing;
        status = rows_head(&row, &there, rows, err);
        if (status != NOVA_OK)
            break;
        enum recover_take take = recover_see(&state->seen, there ? &row : NULL, &place);
        rows->at += take != RECOVER_TAKE_MESSAGE;
        if (take == RECOVER_TAKE_ROW)
            continue;
        note_log(state, &event->log_id);
        if (state->seen.missing > missing && visitor != NULL)
            status =
                visitor->visit(visitor->context, recover->pg, message, recover->chunk_arena, err);
        i++;
    }
    return status;
}

static enum nova_status walk_both(struct recover_state *state, struct rows *rows,
                                  const struct recover_visitor *visitor, struct error *err)
{
    struct recover *recover = rows->recover;
    struct relay_stream_seen end;
    struct recover_place row;
    int64_t position = 0;
    bool there = true;
    enum nova_status status = stream_account(&end, recover->stream, err);
    for (int64_t n = 1; n <= end.last_n && status == NOVA_OK; n += RECOVER_CHUNK) {
        int64_t last_n = end.last_n - n < RECOVER_CHUNK ? end.last_n : n + RECOVER_CHUNK - 1;
        status = chunk_read(state, recover, n, last_n, position, err);
        if (recover->chunk_count > 0)
            position = recover->chunk[recover->chunk_count - 1].event.position;
        if (status == NOVA_OK)
            status = walk_chunk(state, rows, visitor, err);
    }
    while (status == NOVA_OK && there) {
        status = rows_head(&row, &there, rows, err);
        if (status == NOVA_OK && there)
            rows->at += recover_see(&state->seen, &row, NULL) == RECOVER_TAKE_ROW;
    }
    return status;
}

// The newest log id, which one it is a fork of, and whether a fork is under way.
static enum nova_status walk_logs(struct recover_state *state, struct recover *recover,
                                  struct error *err)
{
    struct pg_result *row = NULL;
    char from[UUID_TEXT_BYTES] = "";
    enum nova_status status = recover_query(
        &row, recover, NULL, 0, err,
        "SELECT log_id, reason, (SELECT coalesce(recovery = 'fork', false) FROM %s.relay_lease)"
        " FROM %s.log ORDER BY started_at DESC LIMIT 1");
    if (status == NOVA_OK) {
        const char *reason = pg_get_text(row, 0, 1);
        size_t len = strlen(RECOVER_FORK_OF);
        state->outbox_log = pg_get_uuid(row, 0, 0);
        state->forking = pg_get_bool(row, 0, 2);
        if (strncmp(reason, RECOVER_FORK_OF, len) == 0)
            snprintf(from, sizeof from, "%s", reason + len);
        if (!uuid_parse(&state->forked_from, from))
            state->forked_from = (struct uuid){{0}};
    }
    pg_result_destroy(&row);
    return status;
}

enum nova_status recover_walk(struct recover_state *out, struct recover *recover,
                              const struct recover_visitor *visitor, struct error *err)
{
    struct rows rows;
    *out = (struct recover_state){0};
    enum nova_status status = walk_logs(out, recover, err);
    if (status == NOVA_OK)
        status = rows_begin(&rows, recover, err);
    if (status != NOVA_OK)
        return status;
    status = walk_both(out, &rows, visitor, err);
    return rows_end(&rows, status, err);
}

// ---- keys ---------------------------------------------------------------------------------------

enum nova_status recover_keys_begin(struct recover *recover, struct error *err)
{
    return pg_exec(
        recover->pg,
        "CREATE TEMPORARY TABLE recover_lost (key_id uuid PRIMARY KEY, aggregate_id"
        " uuid NOT NULL, aggregate_type text NOT NULL, n bigint NOT NULL) ON COMMIT DROP",
        err);
}

// An erased person's key is not lost: its row is there, without the key.
enum nova_status recover_note_key(struct recover *recover, const struct stream_message *message,
                                  struct arena *arena, struct error *err)
{
    const struct event *event = &message->event;
    const struct contract_event *type = contract_event_find(recover->service, event->type);
    if (type == NULL || type->personal == NULL)
        return NOVA_OK;
    const ProtobufCMessage *payload = message_unpack(arena, type->payload, event->payload);
    const Nova__Common__V1__Sealed *sealed =
        payload == NULL ? NULL : contract_sealed_of(type, payload);
    struct uuid key_id;
    if (sealed == NULL || sealed->key_id.len != sizeof key_id.bytes)
        return NOVA_OK;
    memcpy(key_id.bytes, sealed->key_id.data, sizeof key_id.bytes);
    const struct pg_param params[] = {pg_uuid(&key_id), pg_uuid(&event->aggregate_id),
                                      pg_text(event->aggregate_type), pg_int8(event->n)};
    return recover_query(NULL, recover, params, 4, err,
                         "INSERT INTO recover_lost SELECT $1, $2, $3, $4 WHERE NOT EXISTS"
                         " (SELECT FROM %s.person_key WHERE key_id = $1) ON CONFLICT DO NOTHING");
}

enum nova_status recover_keys_lost(struct recover_lost_keys *out, struct recover *recover,
                                   struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param most = pg_int4(RECOVER_NAMES_MAX);
    enum nova_status status =
        pg_query(&rows, recover->pg,
                 "SELECT key_id, aggregate_id, aggregate_type, count(*) OVER () FROM recover_lost"
                 " ORDER BY n LIMIT $1",
                 &most, 1, err);
    out->named = pg_rows(rows);
    out->count = out->named > 0 ? pg_get_int8(rows, 0, 3) : 0;
    for (size_t i = 0; i < out->named; i++) {
        out->at[i].key_id = pg_get_uuid(rows, i, 0);
        out->at[i].aggregate_id = pg_get_uuid(rows, i, 1);
        snprintf(out->at[i].aggregate_type, sizeof out->at[i].aggregate_type, "%s",
                 pg_get_text(rows, i, 2));
    }
    pg_result_destroy(&rows);
    return status;
}
