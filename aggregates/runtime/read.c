// read.c - what a service reads of its own log for queries: events with personal parts opened.
#include <string.h>

#include "aggregates/runtime/runtime_internal.h"
#include "proto/sealed.h"

enum read_column {
    READ_AGGREGATE_ID,
    READ_VERSION,
    READ_TYPE,
    READ_PAYLOAD,
    READ_OCCURRED_AT,
    READ_EVENT_ID,
};

static enum nova_status read_event(struct opened_event *out, struct runtime *runtime,
                                   const struct pg_result *rows, size_t row, struct arena *arena,
                                   struct error *err)
{
    const char *name = pg_get_text(rows, row, READ_TYPE);
    out->recorded.type = contract_event_find(runtime->service, name);
    if (out->recorded.type == NULL)
        return error_set(err, NOVA_DATA_LOSS, "the outbox holds an event type %s of no contract",
                         name);
    out->recorded.payload =
        message_unpack(arena, out->recorded.type->payload, pg_get_bytea(rows, row, READ_PAYLOAD));
    if (out->recorded.payload == NULL)
        return error_set(err, NOVA_DATA_LOSS, "the payload of a %s is damaged", name);
    out->recorded.aggregate_id = pg_get_uuid(rows, row, READ_AGGREGATE_ID);
    out->recorded.version = pg_get_int8(rows, row, READ_VERSION);
    out->recorded.occurred_at_us = pg_get_time_us(rows, row, READ_OCCURRED_AT);
    return NOVA_OK;
}

// Collects the key ids of the events' sealed parts; returns how many.
static size_t read_key_ids(struct uuid *ids, const struct opened_event *events, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        const Nova__Common__V1__Sealed *sealed =
            contract_sealed_of(events[i].recorded.type, events[i].recorded.payload);
        if (sealed != NULL && sealed->key_id.len == sizeof ids->bytes)
            memcpy(ids[found++].bytes, sealed->key_id.data, sizeof ids->bytes);
    }
    return found;
}

static const struct seal_key *read_key_find(const struct person_key *keys, size_t count,
                                            const Nova__Common__V1__Sealed *sealed)
{
    for (size_t i = 0; i < count; i++)
        if (sealed->key_id.len == sizeof keys->key_id.bytes &&
            memcmp(keys[i].key_id.bytes, sealed->key_id.data, sealed->key_id.len) == 0)
            return &keys[i].key;
    return NULL;
}

static enum nova_status read_open(struct opened_event *events, size_t count,
                                  const struct pg_result *rows, struct runtime *runtime,
                                  struct arena *arena, struct error *err)
{
    struct uuid *ids = arena_alloc(arena, count * sizeof *ids);
    struct person_key *keys = NULL;
    size_t key_count = 0;
    enum nova_status status = runtime_person_keys(&keys, &key_count, runtime, ids,
                                                  read_key_ids(ids, events, count), arena, err);
    for (size_t i = 0; i < count && status == NOVA_OK; i++) {
        const Nova__Common__V1__Sealed *sealed =
            contract_sealed_of(events[i].recorded.type, events[i].recorded.payload);
        const struct seal_key *key = sealed == NULL ? NULL : read_key_find(keys, key_count, sealed);
        struct uuid event_id = pg_get_uuid(rows, i, READ_EVENT_ID);
        ProtobufCMessage *personal = NULL;
        if (key != NULL)
            status =
                sealed_open(&personal, arena, events[i].recorded.type, &event_id, sealed, key, err);
        events[i].personal = personal;
    }
    for (size_t i = 0; i < key_count; i++)
        seal_key_forget(&keys[i].key);
    return status;
}

static enum nova_status read_by(struct opened_event **events, size_t *count,
                                struct runtime *runtime, const char *sql, const struct uuid *ids,
                                size_t id_count, struct arena *arena, struct error *err)
{
    struct pg_param param = pg_uuid_array(arena, ids, id_count);
    struct pg_result *rows = NULL;
    enum nova_status status = pg_query(&rows, runtime->pg, sql, &param, 1, err);
    if (status != NOVA_OK)
        return status;
    *count = pg_rows(rows);
    *events = arena_alloc(arena, *count * sizeof **events);
    for (size_t row = 0; row < *count && status == NOVA_OK; row++)
        status = read_event(&(*events)[row], runtime, rows, row, arena, err);
    if (status == NOVA_OK)
        status = read_open(*events, *count, rows, runtime, arena, err);
    pg_result_destroy(&rows);
    return status;
}

enum nova_status runtime_read_many(struct opened_event **events, size_t *count,
                                   struct runtime *runtime, const struct uuid *ids, size_t id_count,
                                   struct arena *arena, struct error *err)
{
    return read_by(events, count, runtime, runtime->sql_read_many, ids, id_count, arena, err);
}

enum nova_status runtime_read_first(struct opened_event **events, size_t *count,
                                    struct runtime *runtime, const struct uuid *ids,
                                    size_t id_count, struct arena *arena, struct error *err)
{
    return read_by(events, count, runtime, runtime->sql_read_first, ids, id_count, arena, err);
}
