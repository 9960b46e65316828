// connection.h - a NATS connection of one Nova process: nkey user, own inbox, no silent failure.
//
// nats-server reports a refused publish or subscription only to the connection's error handler;
// everything else just times out. So a permission error marks the connection as failed, and every
// loop asks bus_connection_check. Two are harmless and only logged: an answer that came too late,
// and a doorbell, which may be lost.
//
// Ownership: bus_connection_nats lends the natsConnection; it lives as long as the connection.
// Threads:   safe from any thread after bus_connect returned.
// Errors:    bus_connect waits for the first connection until wait_ms (transient UNAVAILABLE);
// later
//            losses reconnect for ever. Refused: PERMISSION_DENIED, and the process should end.
#pragma once
#include <nats/nats.h>

#include "base/error.h"

struct bus_connection;

struct bus_options {
    const char *url;       // "nats://127.0.0.1:14222"
    const char *name;      // the process: "service/identity"; shown by the server
    const char *user;      // the topology's user: "identity_service"; its inbox is _INBOX.<user>
    const char *seed_file; // nkey seed, mode 0600
    int64_t wait_ms;       // for the first connection
};

MUST_CHECK enum nova_status bus_connect(struct bus_connection **out,
                                        const struct bus_options *options, struct error *err);
void bus_connection_destroy(struct bus_connection **connection);

natsConnection *bus_connection_nats(const struct bus_connection *connection);
// The topology's user; lives as long as the connection.
const char *bus_connection_user(const struct bus_connection *connection);

// NOVA_OK; PERMISSION_DENIED with the server's words once anything was refused.
MUST_CHECK enum nova_status bus_connection_check(const struct bus_connection *connection,
                                                 struct error *err);
// How often the connection was lost and found again; a reader compares it to notice.
uint64_t bus_connection_reconnects(const struct bus_connection *connection);

// Ends a subscription, and frees it once nats.c's reading thread is past it: nats.c 3.4.1 otherwise
// may deliver into freed memory (its issue 637). With a callback: no call runs any more when this
// returns, so what it points to may be freed. A consumer that nats.c made for the subscription is
// deleted, which wants the permission. NULL is fine. Threads: not from a callback.
void bus_unsubscribe(const struct bus_connection *connection, natsSubscription **subscription);
void bus_unsubscribe_callback(natsSubscription **subscription);

// JetStream's context for processes in the BUS account (the relays) and, through the imports'
// prefix, for those in all others. To be destroyed by jsCtx_Destroy.
MUST_CHECK enum nova_status bus_jetstream(jsCtx **out, const struct bus_connection *connection,
                                          struct error *err);

// What JetStream's API is called under for this connection: "$JS.API" or the imports' name.
const char *bus_api_prefix(const struct bus_connection *connection);

// The status of a nats.c call as ours; sets the text "what: nats.c's words". Time-outs and lost
// connections are transient.
enum nova_status bus_error(struct error *err, natsStatus status, const char *what);
