// client.h - a command as a caller on the bus: connected as one of the topology's users, and able
// to prove it in each request.
//
// Threads: client_token is safe from any thread.
#pragma once
#include "base/settings.h"
#include "bus/connection.h"
#include "bus/process_token.h"
#include "bus/rpc.h"
#include "pg/pg.h"

struct client {
    struct bus_connection *connection;
    struct process_token *token;
};

// `user` is "operator_rpc", "importer", "operator" or "auditor". What was opened is closed by
// client_close, also after a failure.
MUST_CHECK enum nova_status client_open(struct client *out, const struct settings *settings,
                                        const char *user, struct error *err);
void client_close(struct client *client);

// As a role of people ("operator", "auditor", ...) to the PostgreSQL that holds a service's schema;
// `name` is what the server shows. Says so when nothing runs in this home.
MUST_CHECK enum nova_status client_postgres(struct pg **out, const struct settings *settings,
                                            const char *service, const char *role, const char *name,
                                            struct error *err);

// "identity", "Register" as descriptors; INVALID_ARGUMENT with what may have been meant.
MUST_CHECK enum nova_status client_find(const struct contract_service **service,
                                        const ProtobufCMethodDescriptor **method,
                                        const char *service_name, const char *method_name,
                                        struct error *err);
