// person_key.c - the keys of persons: one for each person and service, wrapped by the master key.
#include <stdlib.h>
#include <string.h>

#include "aggregates/runtime/runtime_internal.h"

static enum nova_status person_key_unwrap(struct person_key *out, struct runtime *runtime,
                                          const struct pg_result *rows, size_t row,
                                          struct error *err)
{
    out->key_id = pg_get_uuid(rows, row, 0);
    return seal_key_unwrap(&out->key, runtime->master, pg_get_bytea(rows, row, 1), &out->key_id,
                           err);
}

// A new key for somebody, as its row holds it: wrapped, and under which id.
static void person_key_new(struct uuid *key_id, uint8_t wrapped[SEAL_WRAPPED_BYTES],
                           const struct runtime *runtime)
{
    struct seal_key key;
    *key_id = uuid_v7();
    seal_key_generate(&key);
    seal_key_wrap(wrapped, runtime->master, &key, key_id);
    seal_key_forget(&key);
}

void runtime_key_add(struct runtime *runtime, const struct uuid *person_id)
{
    struct pg_param person = pg_uuid(person_id);
    pg_pipeline_add(runtime->pg, runtime->sql_key_of_person, &person, 1);
}

enum nova_status runtime_key_take(struct person_key *out, bool *found, struct runtime *runtime,
                                  const struct pg_result *rows, size_t row, struct error *err)
{
    *found = row < pg_rows(rows);
    if (!*found)
        return NOVA_OK;
    if (pg_is_null(rows, row, 1)) // the tombstone of somebody who was forgotten
        return error_set(err, NOVA_FAILED_PRECONDITION,
                         "PERSON_ERASED: this person's data was erased for ever");
    return person_key_unwrap(out, runtime, rows, row, err);
}

void runtime_keys_together_add(struct runtime *runtime, const struct uuid *person_ids, size_t count,
                               struct arena *arena)
{
    struct pg_param persons = pg_uuid_array(arena, person_ids, count);
    pg_pipeline_add(runtime->pg, runtime->sql_keys_together, &persons, 1);
}

size_t runtime_keys_together_find(const struct pg_result *rows, const struct uuid *person_id)
{
    enum { KEYS_PERSON_ID = 2 };
    size_t row = runtime_row_of_id(rows, KEYS_PERSON_ID, person_id);
    if (row == pg_rows(rows))
        return row;
    struct uuid found = pg_get_uuid(rows, row, KEYS_PERSON_ID);
    return uuid_equal(&found, person_id) ? row : pg_rows(rows);
}

static int person_order(const void *left, const void *right)
{
    return memcmp(left, right, sizeof(struct uuid));
}

// In the order of the persons' ids, so that two who make keys for the same persons do not wait for
// each other crosswise.
static void keys_together_insert(struct runtime *runtime, struct uuid *person_ids, size_t count,
                                 struct arena *arena)
{
    struct uuid *key_ids = arena_alloc(arena, count * sizeof *key_ids);
    struct bytes *wrapped = arena_alloc(arena, count * sizeof *wrapped);
    qsort(person_ids, count, sizeof *person_ids, person_order);
    for (size_t i = 0; i < count; i++) {
        uint8_t *bytes = arena_alloc(arena, SEAL_WRAPPED_BYTES);
        person_key_new(&key_ids[i], bytes, runtime);
        wrapped[i] = (struct bytes){bytes, SEAL_WRAPPED_BYTES};
    }
    struct pg_param params[] = {pg_uuid_array(arena, person_ids, count),
                                pg_uuid_array(arena, key_ids, count),
                                pg_bytea_array(arena, wrapped, count)};
    pg_pipeline_add(runtime->pg, runtime->sql_keys_add_together, params, 3);
}

enum nova_status runtime_keys_together_make(struct pg_result **keys, struct runtime *runtime,
                                            struct uuid *new_ids, size_t new_count,
                                            const struct uuid *person_ids, size_t count,
                                            struct arena *arena, struct error *err)
{
    struct pg_result *results[2] = {NULL};
    pg_pipeline_begin(runtime->pg);
    keys_together_insert(runtime, new_ids, new_count, arena);
    runtime_keys_together_add(runtime, person_ids, count, arena);
    enum nova_status status = pg_pipeline_end(results, 2, NULL, runtime->pg, err);
    pg_result_destroy(&results[0]);
    *keys = results[1];
    return status;
}

enum nova_status runtime_key_of_person(struct person_key *out, struct runtime *runtime,
                                       const struct uuid *person_id, struct error *err)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        bool found = false;
        struct pg_param person = pg_uuid(person_id);
        struct pg_result *rows = NULL;
        enum nova_status status =
            pg_query(&rows, runtime->pg, runtime->sql_key_of_person, &person, 1, err);
        if (status == NOVA_OK)
            status = runtime_key_take(out, &found, runtime, rows, 0, err);
        pg_result_destroy(&rows);
        if (status != NOVA_OK || found)
            return status;

        struct uuid key_id;
        uint8_t wrapped[SEAL_WRAPPED_BYTES];
        person_key_new(&key_id, wrapped, runtime);
        struct pg_param params[] = {pg_uuid(person_id), pg_uuid(&key_id),
                                    pg_bytea((struct bytes){wrapped, sizeof wrapped})};
        status = pg_query(NULL, runtime->pg, runtime->sql_key_add, params, 3, err);
        if (status != NOVA_OK)
            return status;
    }
    return error_set(err, NOVA_INTERNAL, "a person's key was added and is not there");
}

enum nova_status runtime_person_keys(struct person_key **keys, size_t *count,
                                     struct runtime *runtime, const struct uuid *key_ids,
                                     size_t key_id_count, struct arena *arena, struct error *err)
{
    struct pg_param ids = pg_uuid_array(arena, key_ids, key_id_count);
    struct pg_result *rows = NULL;
    enum nova_status status = pg_query(&rows, runtime->pg, runtime->sql_keys, &ids, 1, err);
    if (status != NOVA_OK)
        return status;
    *count = pg_rows(rows);
    *keys = arena_alloc(arena, *count * sizeof **keys);
    for (size_t row = 0; row < *count && status == NOVA_OK; row++)
        status = person_key_unwrap(&(*keys)[row], runtime, rows, row, err);
    pg_result_destroy(&rows);
    return status;
}

enum nova_status runtime_person_erase(struct runtime *runtime, const struct uuid *person_id,
                                      struct error *err)
{
    struct pg_param person = pg_uuid(person_id);
    return pg_query(NULL, runtime->pg, runtime->sql_key_erase, &person, 1, err);
}
