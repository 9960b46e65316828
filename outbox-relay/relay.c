// relay.c - see relay.h.
#include "outbox-relay/relay.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/access.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/notify.h"
#include "outbox-relay/outbox.h"
#include "outbox-relay/stream.h"

enum { CONNECT_MS = 60000, PAUSE_MS = 500, VERIFY_STEP = 5000 };

enum relay_state { RELAY_STANDBY, RELAY_INSPECT, RELAY_FOLLOW, RELAY_STOPPED };
static const char *const state_names[] = {"standby", "inspecting", "following", "stopped"};

struct relay {
    const struct settings *settings;
    const char *service;
    char name[96];
    enum relay_state state;
    struct uuid owner;
    struct bus_connection *connection;
    struct pg *pg;
    struct outbox outbox;
    struct stream *stream;
    struct settle settle;
    struct arena *arena;
    natsSubscription *bell;
    int bell_fd;
    int64_t n; // events published or queued
    int64_t alive_ms, lease_ms, check_ms, verified_reconnects, waiting_since_ms;
    int64_t verified_n; // where the next check goes on reading
    bool verified;
};

static volatile sig_atomic_t stop;

static void relay_on_signal(int signal)
{
    (void)signal;
    stop = 1;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// The one place where the state changes.
static void relay_enter(struct relay *relay, enum relay_state state, const char *why)
{
    if (relay->state != state)
        log_info("relay: state", LOG_TEXT("from", state_names[relay->state]),
                 LOG_TEXT("to", state_names[state]), LOG_TEXT("why", why), LOG_INT("n", relay->n));
    relay->state = state;
}

static void relay_alive(void *context)
{
    struct relay *relay = context;
    if (now_ms() - relay->alive_ms < 1000)
        return;
    relay->alive_ms = now_ms();
    notify_watchdog();
    notify_status("%s, %" PRId64 " events", state_names[relay->state], relay->n);
}

// Waits for the doorbell, a signal, or the time.
static void relay_wait(struct relay *relay, int64_t ms)
{
    struct pollfd bell = {relay->bell_fd, POLLIN, 0};
    uint64_t rings;
    if (poll(&bell, 1, (int)ms) > 0 && read(relay->bell_fd, &rings, sizeof rings) < 0)
        return; // nobody rang after all
}

static void relay_on_bell(natsConnection *nats, natsSubscription *sub, natsMsg *msg, void *context)
{
    (void)nats;
    (void)sub;
    const struct relay *relay = context;
    uint64_t one = 1;
    natsMsg_Destroy(msg);
    if (write(relay->bell_fd, &one, sizeof one) < 0)
        return; // it is ringing already
}

// ---- connections --------------------------------------------------------------------------------

static enum nova_status relay_connect_bus(struct relay *relay, struct error *err)
{
    char url[ACCESS_URL_BYTES], seed[PATH_MAX], user[64], subject[64];
    snprintf(user, sizeof user, "%s_relay", relay->service);
    snprintf(subject, sizeof subject, "nova.bell.%s", relay->service);
    enum nova_status status = access_nats_url(url, relay->settings, err);
    if (status == NOVA_OK)
        status = access_nats_seed_path(seed, relay->settings, user, err);
    if (status != NOVA_OK)
        return status;
    struct bus_options options = {url, relay->name, user, seed, CONNECT_MS};
    status = bus_connect(&relay->connection, &options, err);
    if (status != NOVA_OK)
        return status;
    natsStatus s = natsConnection_Subscribe(&relay->bell, bus_connection_nats(relay->connection),
                                            subject, relay_on_bell, relay);
    if (s != NATS_OK)
        return bus_error(err, s, "listening to the doorbell");
    return stream_create(&relay->stream, relay->connection, relay->service, err);
}

static enum nova_status relay_connect_postgres(struct relay *relay, struct error *err)
{
    char url[ACCESS_URL_BYTES], role[64];
    snprintf(role, sizeof role, "%s_relay", relay->service);
    enum nova_status status = access_postgres_url(url, relay->settings, relay->service, role, err);
    if (status == NOVA_OK)
        status = pg_connect(&relay->pg, url, relay->name, err);
    explicit_bzero(url, sizeof url);
    if (status != NOVA_OK)
        return status;
    outbox_open(&relay->outbox, relay->service, relay->pg);
    return outbox_check(&relay->outbox, err);
}

// ---- inspecting ---------------------------------------------------------------------------------

static enum nova_status relay_make_again(struct relay *relay, const char *why, struct error *err)
{
    log_error("relay: the stream is damaged, it is made again and filled",
              LOG_TEXT("service", relay->service), LOG_TEXT("why", why));
    relay->verified = false;
    return stream_make_again(relay->stream, err);
}

// What the stream ends with must be in the outbox: else PostgreSQL was restored from an older copy.
static enum nova_status relay_compare(struct relay *relay, const struct stream_end *end, bool *same,
                                      struct error *err)
{
    bool found;
    struct uuid event_id, log_id;
    *same = true;
    if (end->n == 0)
        return NOVA_OK;
    enum nova_status status =
        outbox_identity(&found, &event_id, &log_id, &relay->outbox, end->position, err);
    if (status == NOVA_OK)
        *same = found && uuid_equal(&event_id, &end->event_id) && uuid_equal(&log_id, &end->log_id);
    return status;
}

static bool relay_must_verify(const struct relay *relay)
{
    return !relay->verified ||
           relay->verified_reconnects != (int64_t)bus_connection_reconnects(relay->connection);
}

// A restarted server may have lost blocks or bits that its own counters do not show: after a
// connect every message is read. A running one's disk rots as well: each check reads some more.
static enum nova_status relay_verify(struct relay *relay, enum stream_condition *condition,
                                     const char **why, int64_t last_n, struct error *err)
{
    bool whole = relay_must_verify(relay);
    int64_t reconnects = (int64_t)bus_connection_reconnects(relay->connection);
    int64_t first = whole || relay->verified_n >= last_n ? 1 : relay->verified_n + 1;
    int64_t last = whole || last_n - first < VERIFY_STEP ? last_n : first + VERIFY_STEP - 1;
    enum nova_status status =
        stream_verify(condition, why, relay->stream, first, last, relay_alive, relay, err);
    if (status != NOVA_OK || *condition != STREAM_WHOLE)
        return status;
    relay->verified_n = last;
    relay->verified = true;
    relay->verified_reconnects = reconnects;
    return NOVA_OK;
}

static enum nova_status relay_inspect(struct relay *relay, struct error *err)
{
    enum stream_condition condition;
    const char *why = NULL;
    struct stream_end end;
    bool same = false;
    enum nova_status status = stream_inspect(&condition, &why, &end, relay->stream, err);
    if (status == NOVA_OK && condition == STREAM_WHOLE)
        status = relay_verify(relay, &condition, &why, end.n, err);
    if (status == NOVA_OK && condition == STREAM_DAMAGED)
        return relay_make_again(relay, why, err);
    if (status == NOVA_OK)
        status = relay_compare(relay, &end, &same, err);
    if (status != NOVA_OK)
        return status;
    relay->n = end.n;
    relay->check_ms = now_ms();
    settle_reset(&relay->settle, end.position);
    if (same) {
        relay_enter(relay, RELAY_FOLLOW, "the stream is whole");
        return NOVA_OK;
    }
    log_error("relay: the outbox does not hold the stream's last event. PostgreSQL was restored "
              "from an older copy: take the stream's events back, or start a new log id",
              LOG_TEXT("service", relay->service), LOG_INT("n", end.n),
              LOG_INT("position", end.position));
    relay_enter(relay, RELAY_STOPPED, "the outbox is older than the stream");
    return NOVA_OK;
}

// ---- following ----------------------------------------------------------------------------------

static enum nova_status relay_publish(struct relay *relay, struct outbox_batch *batch,
                                      struct error *err)
{
    enum nova_status status = NOVA_OK;
    for (size_t i = 0; i < batch->count && status == NOVA_OK; i++) {
        batch->rows[i].event.n = relay->n + 1;
        status = stream_publish(relay->stream, &batch->rows[i].event, &batch->rows[i].extra,
                                relay->arena, err);
        relay->n += status == NOVA_OK;
    }
    return status;
}

static enum nova_status relay_bound_writers(struct relay *relay, struct error *err)
{
    int64_t limit_ms = settings_int(relay->settings, SETTING_RELAY_STUCK_WRITER_MS);
    if (relay->settle.state == SETTLE_FOLLOW) {
        relay->waiting_since_ms = 0;
        return NOVA_OK;
    }
    if (relay->waiting_since_ms == 0)
        relay->waiting_since_ms = now_ms();
    if (now_ms() - relay->waiting_since_ms < limit_ms)
        return NOVA_OK;
    int ended;
    return outbox_end_stuck(&ended, &relay->outbox, limit_ms, err);
}

static enum nova_status relay_follow(struct relay *relay, struct error *err)
{
    struct outbox_batch batch = {0};
    int64_t acknowledged;
    arena_reset(relay->arena);
    enum nova_status status = outbox_look_at(
        &batch, &relay->outbox, &relay->settle,
        (int32_t)settings_int(relay->settings, SETTING_RELAY_BATCH), relay->arena, err);
    if (status == NOVA_OK)
        status = relay_publish(relay, &batch, err);
    if (status == NOVA_OK)
        status = relay_bound_writers(relay, err);
    if (status != NOVA_OK || !stream_is_good(relay->stream, &acknowledged)) {
        relay_enter(relay, RELAY_INSPECT, status == NOVA_OK ? "a publish failed" : "an error");
        return status;
    }
    if (now_ms() - relay->check_ms > settings_int(relay->settings, SETTING_RELAY_CHECK_MS) ||
        relay->verified_reconnects != (int64_t)bus_connection_reconnects(relay->connection))
        relay_enter(relay, RELAY_INSPECT, "time to check");
    else if (relay->settle.state != SETTLE_FOLLOW)
        relay_wait(relay, 5); // a hole: its writer may end any moment
    else if (batch.count == 0)
        relay_wait(relay, settings_int(relay->settings, SETTING_RELAY_POLL_MS));
    return NOVA_OK;
}

// ---- the loop -----------------------------------------------------------------------------------

static enum nova_status relay_lease(struct relay *relay, struct error *err)
{
    bool held;
    int64_t lease_ms = settings_int(relay->settings, SETTING_RELAY_LEASE_MS);
    if (relay->state != RELAY_STANDBY && now_ms() - relay->lease_ms < lease_ms / 4)
        return NOVA_OK;
    enum nova_status status =
        outbox_lease(&held, &relay->outbox, &relay->owner, relay->name, lease_ms, err);
    if (status != NOVA_OK)
        return status;
    relay->lease_ms = now_ms();
    if (held && relay->state == RELAY_STANDBY)
        relay_enter(relay, RELAY_INSPECT, "took the lease");
    else if (!held)
        relay_enter(relay, RELAY_STANDBY, "another relay holds the lease");
    return NOVA_OK;
}

static enum nova_status relay_step(struct relay *relay, struct error *err)
{
    enum nova_status status = bus_connection_check(relay->connection, err);
    if (status == NOVA_OK && !pg_is_connected(relay->pg)) {
        status = pg_reconnect(relay->pg, err);
        if (status == NOVA_OK)
            status = outbox_check(&relay->outbox, err);
        if (relay->state == RELAY_FOLLOW)
            relay_enter(relay, RELAY_INSPECT, "PostgreSQL's connection was lost");
    }
    if (status == NOVA_OK)
        status = relay_lease(relay, err);
    if (status != NOVA_OK)
        return status;
    switch (relay->state) {
    case RELAY_STANDBY:
        relay_wait(relay, PAUSE_MS);
        return NOVA_OK;
    case RELAY_INSPECT:
        return relay_inspect(relay, err);
    case RELAY_FOLLOW:
        return relay_follow(relay, err);
    case RELAY_STOPPED:
        relay_wait(relay, PAUSE_MS);
        return NOVA_OK;
    }
    return NOVA_OK;
}

// Transient failures are tried again for ever; anything else ends the process with its reason.
static enum nova_status relay_loop(struct relay *relay, struct error *err)
{
    while (!stop) {
        relay_alive(relay);
        enum nova_status status = relay_step(relay, err);
        if (status == NOVA_OK)
            continue;
        if (!err->transient)
            return status;
        log_warn("relay: tries again", LOG_ERROR(err));
        if (relay->state == RELAY_FOLLOW)
            relay_enter(relay, RELAY_INSPECT, "an error");
        relay_wait(relay, PAUSE_MS);
    }
    return NOVA_OK;
}

static void relay_close(struct relay *relay)
{
    stream_destroy(&relay->stream);
    bus_unsubscribe_callback(&relay->bell);
    bus_connection_destroy(&relay->connection);
    outbox_close(&relay->outbox);
    pg_destroy(&relay->pg);
    arena_destroy(&relay->arena);
}

int relay_run(const struct settings *settings, const char *name)
{
    struct error err = {0};
    struct relay relay = {.settings = settings, .service = name, .owner = uuid_v7()};
    struct sigaction action = {.sa_handler = relay_on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    snprintf(relay.name, sizeof relay.name, "relay/%s/%d", name, (int)getpid());
    relay.arena = arena_create();
    relay.bell_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    notify_status("connecting");
    enum nova_status status = relay_connect_bus(&relay, &err);
    if (status == NOVA_OK)
        status = relay_connect_postgres(&relay, &err);
    if (status == NOVA_OK) {
        notify_ready();
        log_info("relay: ready", LOG_TEXT("service", name));
        status = relay_loop(&relay, &err);
    }
    if (status != NOVA_OK)
        log_error("relay: ends", LOG_ERROR(&err));
    relay_close(&relay);
    close(relay.bell_fd);
    return status == NOVA_OK ? 0 : 1;
}
