// keys_rpc.c - see keys_rpc.h.
#include "inbox/keys_rpc.h"

#include <assert.h>
#include <string.h>

#include "bus/rpc.h"
#include "inbox/id_map.h"

static void keys_take(const Nova__Common__V1__GetPersonKeysReply *reply,
                      const struct id_map *places, struct seal_key *keys, bool *found)
{
    for (size_t i = 0; i < reply->n_keys; i++) {
        struct uuid id;
        size_t place;
        const Nova__Common__V1__PersonKey *key = reply->keys[i];
        if (key->key_id.len != sizeof id.bytes || key->key.len != SEAL_KEY_BYTES)
            continue;
        memcpy(id.bytes, key->key_id.data, sizeof id.bytes);
        if (!id_map_get(&place, places, &id))
            continue; // nobody asked for it
        memcpy(keys[place].bytes, key->key.data, SEAL_KEY_BYTES);
        found[place] = true;
    }
}

enum nova_status keys_rpc_fetch(void *context, const char *service, const struct uuid *ids,
                                size_t count, struct seal_key *keys, bool *found, struct error *err)
{
    const struct keys_rpc *rpc = context;
    struct arena *arena = arena_create();
    struct id_map *places = id_map_create(arena, count);
    Nova__Common__V1__GetPersonKeysRequest request =
        NOVA__COMMON__V1__GET_PERSON_KEYS_REQUEST__INIT;
    request.n_key_ids = count;
    request.key_ids = arena_alloc(arena, count * sizeof *request.key_ids);
    for (size_t i = 0; i < count; i++) {
        bool is_new;
        id_map_put(places, &ids[i], i, &is_new);
        assert(is_new); // a second place would look like an erased key
        request.key_ids[i].len = sizeof ids[i].bytes;
        request.key_ids[i].data = (uint8_t *)(uintptr_t)ids[i].bytes;
    }
    const struct rpc_headers headers = {.token = process_token_text(rpc->token, arena)};
    ProtobufCMessage *reply = NULL;
    enum nova_status status = rpc_call(&reply, NULL, rpc->connection, service, "GetPersonKeys",
                                       &request.base, &headers, arena, err);
    if (status == NOVA_OK)
        keys_take((const void *)reply, places, keys, found);
    arena_destroy(&arena); // the keys in it go with the process's memory only; see seal_key_forget
    return status;
}
