// person_keys.c - GetPersonKeys: the keys of persons, for the consumers that the table permits.
#include <string.h>

#include "services/service.h"

enum nova_status service_get_person_keys(struct service_worker *worker, struct service_call *call,
                                         struct error *err)
{
    struct arena *arena = call->request->arena;
    const Nova__Common__V1__GetPersonKeysRequest *request = (const void *)call->request->message;
    if (request->n_key_ids > PERSON_KEYS_PER_CALL_MAX)
        return error_set(err, NOVA_INVALID_ARGUMENT, "key_ids has %zu ids, at most %d are allowed",
                         request->n_key_ids, PERSON_KEYS_PER_CALL_MAX);
    struct uuid *ids = arena_alloc(arena, request->n_key_ids * sizeof *ids);
    for (size_t i = 0; i < request->n_key_ids; i++) {
        if (request->key_ids[i].len != sizeof ids->bytes)
            return error_set(err, NOVA_INVALID_ARGUMENT,
                             "key_ids holds an id that has not 16 bytes");
        memcpy(ids[i].bytes, request->key_ids[i].data, sizeof ids->bytes);
    }
    struct person_key *keys = NULL;
    size_t count = 0;
    enum nova_status status =
        runtime_person_keys(&keys, &count, worker->runtime, ids, request->n_key_ids, arena, err);
    if (status != NOVA_OK)
        return status;
    Nova__Common__V1__GetPersonKeysReply *reply =
        message_new(arena, &nova__common__v1__get_person_keys_reply__descriptor);
    reply->keys = arena_alloc(arena, count * sizeof *reply->keys);
    reply->n_keys = count;
    for (size_t i = 0; i < count; i++) {
        reply->keys[i] = message_new(arena, &nova__common__v1__person_key__descriptor);
        reply->keys[i]->key_id.data = keys[i].key_id.bytes;
        reply->keys[i]->key_id.len = sizeof keys[i].key_id.bytes;
        reply->keys[i]->key.data = keys[i].key.bytes;
        reply->keys[i]->key.len = sizeof keys[i].key.bytes;
    }
    call->request->reply = &reply->base;
    return NOVA_OK;
}
