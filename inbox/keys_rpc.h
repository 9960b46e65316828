// keys_rpc.h - keys_fetch over the bus: asks the source service's GetPersonKeys.
//
// Threads: keys_rpc_fetch is safe from any thread.
#pragma once
#include "bus/connection.h"
#include "bus/process_token.h"
#include "inbox/keys.h"

// The context of keys_rpc_fetch.
struct keys_rpc {
    struct bus_connection *connection;
    const struct process_token *token;
};

enum nova_status keys_rpc_fetch(void *context, const char *service, const struct uuid *ids,
                                size_t count, struct seal_key *keys, bool *found,
                                struct error *err);
