// connection.c - see connection.h.
#include "bus/connection.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "bus/nkey.h"
#include "bus/topology.h"

enum { RECONNECT_WAIT_MS = 250, RECONNECT_JITTER_MS = 100, PING_MS = 5000 };
enum { UNSUBSCRIBE_MS = 2000 };

struct bus_connection {
    natsConnection *nats;
    char user[64];
    char *seed_file;
    _Atomic uint64_t reconnects;
    _Atomic bool unsendable;   // the last signature; see connection_sign
    _Atomic bool bell_refused; // it was said
    pthread_mutex_t lock;
    pthread_cond_t has_closed;
    bool closed, refused; // under the lock
    char refusal[256];
};

enum nova_status bus_error(struct error *err, natsStatus status, const char *what)
{
    const char *text = natsStatus_GetText(status);
    switch (status) {
    case NATS_OK:
        return NOVA_OK;
    case NATS_TIMEOUT:
        return error_set_transient(err, NOVA_DEADLINE_EXCEEDED, "%s: %s", what, text);
    case NATS_NOT_PERMITTED:
        return error_set(err, NOVA_PERMISSION_DENIED, "%s: %s", what, text);
    case NATS_NOT_FOUND:
        return error_set(err, NOVA_NOT_FOUND, "%s: %s", what, text);
    case NATS_MAX_PAYLOAD:
    case NATS_INVALID_ARG:
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s: %s", what, text);
    default:
        return error_set_transient(err, NOVA_UNAVAILABLE, "%s: %s", what, text);
    }
}

// A responder may answer while its permission to answer lives: 30 s, and only on the connection
// that took the request. An answer after that helps nobody, and is no wrong permission.
static bool is_late_answer(const char *text)
{
    return strstr(text, "Publish to \"_INBOX.") != NULL ||
           strstr(text, "Publish to \"_R_.") != NULL;
}

// A doorbell may be lost: the relay's poll stands behind it. Said once, or each command would.
static bool is_doorbell(struct bus_connection *connection, const char *text)
{
    if (strstr(text, "Publish to \"nova.bell.") == NULL)
        return false;
    if (!atomic_exchange(&connection->bell_refused, true))
        log_warn("bus: a doorbell is refused; the relay finds events by its poll",
                 LOG_TEXT("server_says", text), LOG_TEXT("user", connection->user));
    return true;
}

// Called on nats.c's threads. The only sign of a refused publish or subscription.
static void connection_on_error(natsConnection *nats, natsSubscription *sub, natsStatus status,
                                void *context)
{
    (void)sub;
    struct bus_connection *connection = context;
    const char *lent = NULL;
    char text[sizeof connection->refusal];
    if (status != NATS_NOT_PERMITTED)
        return;
    natsConnection_GetLastError(nats, &lent); // changes with the next error, so look at it once
    snprintf(text, sizeof text, "%s", lent == NULL ? "refused" : lent);
    if (is_late_answer(text)) {
        log_warn("bus: an answer came too late", LOG_TEXT("server_says", text),
                 LOG_TEXT("user", connection->user));
        return;
    }
    if (is_doorbell(connection, text))
        return;
    pthread_mutex_lock(&connection->lock);
    if (!connection->refused)
        memcpy(connection->refusal, text, sizeof text);
    connection->refused = true;
    pthread_mutex_unlock(&connection->lock);
    log_error("bus: the server refused a subject", LOG_TEXT("server_says", text),
              LOG_TEXT("user", connection->user));
}

static void connection_on_reconnect(natsConnection *nats, void *context)
{
    (void)nats;
    struct bus_connection *connection = context;
    atomic_fetch_add(&connection->reconnects, 1);
    log_info("bus: connected again", LOG_TEXT("user", connection->user));
}

static void connection_on_disconnect(natsConnection *nats, void *context)
{
    struct bus_connection *connection = context;
    if (!natsConnection_IsClosed(nats)) // we closed it
        log_warn("bus: connection lost", LOG_TEXT("user", connection->user));
}

static void connection_on_close(natsConnection *nats, void *context)
{
    (void)nats;
    struct bus_connection *connection = context;
    pthread_mutex_lock(&connection->lock);
    connection->closed = true;
    pthread_cond_signal(&connection->has_closed);
    pthread_mutex_unlock(&connection->lock);
}

// Signs the server's nonce, at every connect anew, so that no secret stays in memory. nats.c
// (3.4.1) takes a signature for a C string: one that begins with a zero byte, 1 in 256, is not
// sent, and the server refuses the connection as if the key were wrong. An I/O error instead makes
// nats.c, or connection_open, connect again, and the server's next nonce has another signature.
static natsStatus connection_sign(char **error_text, unsigned char **signature, int *len,
                                  const char *nonce, void *context)
{
    struct bus_connection *connection = context;
    uint8_t secret[NKEY_SECRET_BYTES];
    char public_key[NKEY_PUBLIC_TEXT_BYTES];
    struct error err;
    *signature = malloc(crypto_sign_BYTES); // nats.c frees it, and the text
    if (*signature == NULL)
        return NATS_NO_MEMORY;
    if (nkey_read_seed(secret, public_key, connection->seed_file, &err) != NOVA_OK) {
        free(*signature);
        *signature = NULL;
        *error_text = strdup(err.text);
        return NATS_CONNECTION_AUTH_FAILED;
    }
    crypto_sign_detached(*signature, NULL, (const unsigned char *)nonce, strlen(nonce), secret);
    sodium_memzero(secret, sizeof secret);
    *len = crypto_sign_BYTES;
    if ((*signature)[0] != 0)
        return NATS_OK;
    free(*signature);
    *signature = NULL;
    atomic_store(&connection->unsendable, true);
    *error_text = strdup("a signature nats.c cannot send");
    return NATS_IO_ERROR;
}

static natsStatus connection_options(natsOptions **out, struct bus_connection *connection,
                                     const struct bus_options *options, const char *public_key)
{
    char inbox[96];
    snprintf(inbox, sizeof inbox, "_INBOX.%s", options->user);
    natsOptions *opts = NULL;
    natsStatus s = natsOptions_Create(&opts);
    s = s ? s : natsOptions_SetURL(opts, options->url);
    s = s ? s : natsOptions_SetName(opts, options->name);
    s = s ? s : natsOptions_SetCustomInboxPrefix(opts, inbox);
    s = s ? s : natsOptions_SetSendAsap(opts, true);
    s = s ? s : natsOptions_SetMaxReconnect(opts, -1);
    s = s ? s : natsOptions_SetReconnectWait(opts, RECONNECT_WAIT_MS);
    s = s ? s : natsOptions_SetReconnectJitter(opts, RECONNECT_JITTER_MS, RECONNECT_JITTER_MS);
    s = s ? s : natsOptions_SetReconnectBufSize(opts, BUS_RECONNECT_BYTES_MAX);
    s = s ? s : natsOptions_SetPingInterval(opts, PING_MS);
    s = s ? s : natsOptions_SetMaxPingsOut(opts, 2);
    s = s ? s : natsOptions_SetErrorHandler(opts, connection_on_error, connection);
    s = s ? s : natsOptions_SetReconnectedCB(opts, connection_on_reconnect, connection);
    s = s ? s : natsOptions_SetDisconnectedCB(opts, connection_on_disconnect, connection);
    s = s ? s : natsOptions_SetClosedCB(opts, connection_on_close, connection);
    s = s ? s : natsOptions_SetNKey(opts, public_key, connection_sign, connection);
    *out = opts;
    return s;
}

// Tries until the wait is over: a server that is just starting is no reason to fail.
static enum nova_status connection_open(struct bus_connection *connection, natsOptions *opts,
                                        const struct bus_options *options, struct error *err)
{
    int64_t until_ms = nats_Now() + options->wait_ms;
    for (;;) {
        natsStatus s = natsConnection_Connect(&connection->nats, opts);
        if (s == NATS_OK)
            return NOVA_OK;
        if (s == NATS_CONNECTION_AUTH_FAILED)
            return error_set(err, NOVA_UNAUTHENTICATED, "%s does not know the key of %s",
                             options->url, options->user);
        if (atomic_exchange(&connection->unsendable, false))
            continue;
        if (nats_Now() >= until_ms) {
            bus_error(err, s, "connecting to NATS");
            return error_while(err, "%s", options->url);
        }
        nats_Sleep(100);
    }
}

enum nova_status bus_connect(struct bus_connection **out, const struct bus_options *options,
                             struct error *err)
{
    struct error own_err;
    uint8_t secret[NKEY_SECRET_BYTES];
    char public_key[NKEY_PUBLIC_TEXT_BYTES];
    err = err == NULL ? &own_err : err;
    enum nova_status status = nkey_read_seed(secret, public_key, options->seed_file, err);
    sodium_memzero(secret, sizeof secret);
    if (status != NOVA_OK)
        return status;
    struct bus_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL || (connection->seed_file = strdup(options->seed_file)) == NULL) {
        free(connection);
        return error_set(err, NOVA_RESOURCE_EXHAUSTED, "no memory");
    }
    snprintf(connection->user, sizeof connection->user, "%s", options->user);
    pthread_mutex_init(&connection->lock, NULL);
    pthread_cond_init(&connection->has_closed, NULL);
    natsOptions *opts = NULL;
    natsStatus s = connection_options(&opts, connection, options, public_key);
    status = s == NATS_OK ? connection_open(connection, opts, options, err)
                          : bus_error(err, s, "setting up NATS");
    natsOptions_Destroy(opts);
    if (status != NOVA_OK)
        bus_connection_destroy(&connection);
    *out = connection;
    return status;
}

void bus_connection_destroy(struct bus_connection **connection)
{
    if (connection == NULL || *connection == NULL)
        return;
    struct bus_connection *gone = *connection;
    *connection = NULL;
    if (gone->nats != NULL) {
        // nats.c calls our handlers on a thread of its own; the closing one is the last.
        natsConnection_Close(gone->nats);
        pthread_mutex_lock(&gone->lock);
        while (!gone->closed)
            pthread_cond_wait(&gone->has_closed, &gone->lock);
        pthread_mutex_unlock(&gone->lock);
        natsConnection_Destroy(gone->nats);
    }
    pthread_cond_destroy(&gone->has_closed);
    pthread_mutex_destroy(&gone->lock);
    free(gone->seed_file);
    free(gone);
}

natsConnection *bus_connection_nats(const struct bus_connection *connection)
{
    return connection->nats;
}

const char *bus_connection_user(const struct bus_connection *connection)
{
    return connection->user;
}

enum nova_status bus_connection_check(const struct bus_connection *connection, struct error *err)
{
    struct bus_connection *c = (struct bus_connection *)connection;
    enum nova_status status = NOVA_OK;
    pthread_mutex_lock(&c->lock);
    if (c->refused)
        status = error_set(err, NOVA_PERMISSION_DENIED, "%s: %s", c->user, c->refusal);
    pthread_mutex_unlock(&c->lock);
    return status;
}

uint64_t bus_connection_reconnects(const struct bus_connection *connection)
{
    return atomic_load(&((struct bus_connection *)connection)->reconnects);
}

void bus_unsubscribe(const struct bus_connection *connection, natsSubscription **subscription)
{
    if (*subscription == NULL)
        return;
    natsSubscription_Unsubscribe(*subscription);
    // The answer comes through the thread that may still deliver; not connected: it delivers
    // nothing.
    natsConnection_FlushTimeout(connection->nats, UNSUBSCRIBE_MS);
    natsSubscription_Destroy(*subscription);
    *subscription = NULL;
}

void bus_unsubscribe_callback(natsSubscription **subscription)
{
    if (*subscription == NULL)
        return;
    if (natsSubscription_Drain(*subscription) == NATS_OK)
        natsSubscription_WaitForDrainCompletion(*subscription, UNSUBSCRIBE_MS);
    natsSubscription_Destroy(*subscription);
    *subscription = NULL;
}

const char *bus_api_prefix(const struct bus_connection *connection)
{
    const char *prefix = topology_api_prefix(connection->user);
    assert(prefix != NULL); // no process of ours is a subscriber
    return prefix;
}

enum nova_status bus_jetstream(jsCtx **out, const struct bus_connection *connection,
                               struct error *err)
{
    jsOptions options;
    jsOptions_Init(&options);
    options.Wait = 5000;
    options.PublishAsync.MaxPending = 4096;
    options.Prefix = bus_api_prefix(connection);
    natsStatus s = natsConnection_JetStream(out, connection->nats, &options);
    return s == NATS_OK ? NOVA_OK : bus_error(err, s, "opening JetStream");
}
