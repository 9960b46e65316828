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
#include "bus/patience.h"
#include "outbox-relay/compare.h"
#include "outbox-relay/outbox.h"
#include "outbox-relay/stream.h"

enum { VERIFY_N = 5000, STEP_N = 50000, ALIVE_EVERY = 5000 };

struct relay {
    const struct settings *settings;
    const char *service;
    char name[96], advice[96];
    struct relay_state state;
    enum relay_phase told; // the phase that was logged last
    struct uuid owner;
    struct bus_connection *connection;
    int64_t epoch;       // of the lease, when it was last ours
    uint64_t reconnects; // of the connection, as the machine knows it
    struct pg *pg;
    struct outbox outbox;
    struct outbox_batch batch; // of the last look, in `arena`
    struct stream *stream;
    struct arena *arena;
    natsSubscription *bell;
    int bell_fd;
    int64_t alive_ms;
    struct error blocked; // why the next event cannot be published; status NOVA_OK: it can
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

// What an operator wants to know of a change of phase.
static void relay_tell(struct relay *relay)
{
    const struct relay_state *state = &relay->state;
    if (state->phase == relay->told)
        return;
    if (state->phase == RELAY_MAKE_AGAIN)
        log_error("relay: the stream is damaged, it is made again and filled",
                  LOG_TEXT("service", relay->service), LOG_TEXT("why", state->why));
    if (state->phase == RELAY_STOPPED)
        log_error("relay: the outbox does not hold all of the stream's events. PostgreSQL was "
                  "restored from an older copy: take the stream's events back, or start a new log "
                  "id",
                  LOG_TEXT("service", relay->service), LOG_INT("n", state->end.last_n),
                  LOG_TEXT("command", relay->advice));
    const char *from = relay_phase_name(relay->told), *to = relay_phase_name(state->phase);
    if (strcmp(from, to) != 0)
        log_info("relay: state", LOG_TEXT("from", from), LOG_TEXT("to", to),
                 LOG_TEXT("why", state->why), LOG_INT("n", state->n));
    relay->told = state->phase;
}

static void relay_alive(void *context)
{
    struct relay *relay = context;
    if (now_ms() - relay->alive_ms < 1000)
        return;
    relay->alive_ms = now_ms();
    notify_watchdog();
    bool stopped = relay->state.phase == RELAY_STOPPED, blocked = relay->blocked.status != NOVA_OK;
    char trouble[ERROR_TEXT_BYTES_MAX] = "";
    if (stopped)
        snprintf(trouble, sizeof trouble,
                 "publishes nothing: its outbox is older than its stream; %s", relay->advice);
    else if (blocked)
        snprintf(trouble, sizeof trouble, "%s", relay->blocked.text);
    notify_trouble(trouble);
    notify_status("%s, %" PRId64 " events%s%s",
                  blocked ? "blocked" : relay_phase_name(relay->state.phase), relay->state.n,
                  stopped || blocked ? ": " : "",
                  stopped   ? relay->advice
                  : blocked ? relay->blocked.text
                            : "");
    metrics_save(settings_text(relay->settings, SETTING_HOME), "relay", relay->service);
}

static void relay_on_message(void *context, const struct stream_message *message)
{
    if (message->event.n % ALIVE_EVERY == 0)
        relay_alive(context);
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

struct relay_connecting {
    struct relay *relay;
    const struct bus_options *bus;
    const char *postgres_url;
};

static enum nova_status relay_try_bus(void *context, struct error *err)
{
    struct relay_connecting *connecting = context;
    return bus_connect(&connecting->relay->connection, connecting->bus, err);
}

static enum nova_status relay_try_postgres(void *context, struct error *err)
{
    struct relay_connecting *connecting = context;
    return pg_connect(&connecting->relay->pg, connecting->postgres_url, connecting->relay->name,
                      err);
}

static bool relay_is_stopped(void)
{
    return stop;
}

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
    struct bus_options options = {url, relay->name, user, seed, 0};
    struct relay_connecting connecting = {relay, &options, NULL};
    status = patience(relay_try_bus, &connecting, "NATS", relay_is_stopped, err);
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
    struct relay_connecting connecting = {relay, NULL, url};
    if (status == NOVA_OK)
        status = patience(relay_try_postgres, &connecting, "PostgreSQL", relay_is_stopped, err);
    explicit_bzero(url, sizeof url);
    if (status != NOVA_OK)
        return status;
    outbox_open(&relay->outbox, relay->service, relay->pg);
    return outbox_check(&relay->outbox, err);
}

// ---- what the machine asks for ------------------------------------------------------------------

// A relay that is paused has nothing under way any more: the next renewal says so.
static enum nova_status relay_lease(struct outbox_leased *out, struct relay *relay,
                                    struct error *err)
{
    const struct relay_state *state = &relay->state;
    const struct outbox_leaser leaser = {
        &relay->owner, relay->name, state->limits.lease_ms, relay_phase_name(state->phase),
        state->why,    state->n,    state->settle.cursor};
    if (state->phase == RELAY_PAUSED)
        stream_flush(relay->stream);
    enum nova_status status = outbox_lease(out, &relay->outbox, &leaser, err);
    if (status != NOVA_OK)
        return status;
    relay_was_leased(&relay->state, out->held, now_ms());
    if (out->held && out->epoch != relay->epoch)
        relay_was_away(&relay->state);
    relay->epoch = out->held ? out->epoch : relay->epoch;
    if (out->held)
        relay_is_held(&relay->state, out->paused, out->restored);
    return NOVA_OK;
}

static enum nova_status relay_do_lease(struct relay *relay, struct error *err)
{
    struct outbox_leased leased;
    return relay_lease(&leased, relay, err);
}

static enum nova_status relay_do_inspect(struct relay *relay, struct error *err)
{
    struct relay_stream_seen seen;
    enum nova_status status = stream_inspect(&seen, relay->stream, err);
    metrics_add(METRIC_RELAY_RESYNCHRONISATIONS, 1);
    if (status == NOVA_OK)
        relay_was_inspected(&relay->state, &seen);
    return status;
}

static enum nova_status relay_do_verify(struct relay *relay, const struct relay_step *step,
                                        struct error *err)
{
    const char *damage = NULL;
    enum nova_status status = stream_walk(&damage, relay->stream, step->first_n, step->last_n,
                                          relay_on_message, relay, err);
    if (status == NOVA_OK)
        relay_was_verified(&relay->state, damage);
    return status;
}

static enum nova_status relay_do_compare(struct relay *relay, const struct relay_step *step,
                                         struct error *err)
{
    struct relay_compared compared;
    arena_reset(relay->arena);
    enum nova_status status = relay_compare(&compared, relay->stream, &relay->outbox, step,
                                            relay_alive, relay, relay->arena, err);
    if (status == NOVA_OK)
        relay_was_compared(&relay->state, &compared, now_ms());
    return status;
}

static enum nova_status relay_do_make_again(struct relay *relay, const struct relay_step *step,
                                            struct error *err)
{
    // Asks PostgreSQL first: who does not hold the lease any more deletes nothing, and a server
    // that was restored meanwhile has lost this connection.
    struct outbox_leased leased;
    enum nova_status status = relay_lease(&leased, relay, err);
    if (status != NOVA_OK || !leased.held || leased.paused)
        return status;
    struct relay_stream_seen now = {0};
    status = stream_inspect(&now, relay->stream, err);
    if (status == NOVA_OK && now.last_n != step->last_n) { // what came was compared with nothing
        relay_has_changed(&relay->state);
        return NOVA_OK;
    }
    if (status == NOVA_OK)
        status = stream_make_again(relay->stream, err);
    if (status == NOVA_OK) {
        metrics_add(METRIC_RELAY_HEALS, 1);
        relay_was_made_again(&relay->state);
    }
    return status;
}

// A look that is not full has seen the head; after a full one it is asked for.
static enum nova_status relay_note_lag(struct relay *relay, int64_t settled, bool full,
                                       struct error *err)
{
    int64_t cursor = relay->state.settle.cursor, head = cursor;
    metrics_add(METRIC_RELAY_VOID_POSITIONS, cursor - settled - (int64_t)relay->batch.count);
    enum nova_status status = full ? outbox_head(&head, &relay->outbox, err) : NOVA_OK;
    metrics_set(METRIC_RELAY_LAG, head > cursor ? head - cursor : 0);
    return status;
}

static enum nova_status relay_do_look(struct relay *relay, struct error *err)
{
    int32_t limit = (int32_t)settings_int(relay->settings, SETTING_RELAY_BATCH);
    int64_t settled = relay->state.settle.cursor;
    arena_reset(relay->arena);
    enum nova_status status = outbox_look_at(&relay->batch, &relay->outbox, &relay->state.settle,
                                             limit, relay->arena, err);
    if (status == NOVA_OK)
        status = relay_note_lag(relay, settled, relay->batch.count >= (size_t)limit, err);
    if (status == NOVA_OK)
        relay_was_looked(&relay->state, (uint32_t)relay->batch.count, now_ms());
    return status;
}

// A row that no message can carry: everything behind it waits for an operator, as the order is the
// log's. The process goes on: started again and again it would say no more, and hide why.
static void relay_block(struct relay *relay, uint32_t published, const struct error *why)
{
    log_error("relay: an event cannot be published, it and all behind it wait: mend or remove the "
              "row as superuser",
              LOG_TEXT("service", relay->service),
              LOG_INT("position", relay->batch.rows[published].event.position), LOG_ERROR(why));
    relay->blocked = *why;
    relay_was_blocked(&relay->state, published, now_ms());
}

static enum nova_status relay_do_publish(struct relay *relay, const struct relay_step *step,
                                         struct error *err)
{
    size_t i = 0;
    enum nova_status status = NOVA_OK;
    for (; i < relay->batch.count && status == NOVA_OK; i += status == NOVA_OK) {
        struct outbox_row *row = &relay->batch.rows[i];
        row->event.n = step->first_n + (int64_t)i;
        status = stream_publish(relay->stream, &row->event, step->expected_n + (int64_t)i,
                                &row->extra, relay->arena, err);
        relay_alive(relay); // a slow server makes a batch last
    }
    if (status == NOVA_DATA_LOSS) {
        relay_block(relay, (uint32_t)i, err);
        return NOVA_OK;
    }
    if (status == NOVA_OK) {
        relay->blocked = (struct error){0};
        relay_has_published(&relay->state, now_ms());
    }
    return status;
}

static enum nova_status relay_do_end_stuck(struct relay *relay, struct error *err)
{
    int ended;
    enum nova_status status =
        outbox_end_stuck(&ended, &relay->outbox, relay->state.limits.stuck_ms, err);
    metrics_add(METRIC_RELAY_STUCK_WRITERS, ended);
    if (status == NOVA_OK)
        relay_has_ended_stuck(&relay->state, now_ms());
    return status;
}

static enum nova_status relay_do_admit(struct relay *relay, struct error *err)
{
    enum nova_status status = outbox_admit(&relay->outbox, err);
    if (status != NOVA_OK)
        return status;
    relay_has_admitted(&relay->state);
    log_info("relay: the restored outbox agrees with its stream: its service may append",
             LOG_TEXT("service", relay->service));
    return NOVA_OK;
}

static enum nova_status relay_do(struct relay *relay, struct error *err)
{
    struct relay_step step = relay_next(&relay->state, now_ms());
    switch (step.action) {
    case RELAY_DO_LEASE:
        return relay_do_lease(relay, err);
    case RELAY_DO_INSPECT:
        return relay_do_inspect(relay, err);
    case RELAY_DO_VERIFY:
        return relay_do_verify(relay, &step, err);
    case RELAY_DO_COMPARE:
        return relay_do_compare(relay, &step, err);
    case RELAY_DO_MAKE_AGAIN:
        return relay_do_make_again(relay, &step, err);
    case RELAY_DO_LOOK:
        return relay_do_look(relay, err);
    case RELAY_DO_PUBLISH:
        return relay_do_publish(relay, &step, err);
    case RELAY_DO_END_STUCK:
        return relay_do_end_stuck(relay, err);
    case RELAY_DO_ADMIT:
        return relay_do_admit(relay, err);
    case RELAY_DO_WAIT:
        relay_wait(relay, step.wait_ms);
        relay_has_waited(&relay->state);
        return NOVA_OK;
    }
    return NOVA_OK;
}

// ---- the loop -----------------------------------------------------------------------------------

// The connections, before the machine is asked: what it saw on an old one proves nothing.
static enum nova_status relay_check(struct relay *relay, struct error *err)
{
    enum nova_status status = bus_connection_check(relay->connection, err);
    if (status == NOVA_OK && !pg_is_connected(relay->pg)) {
        status = pg_reconnect(relay->pg, err);
        if (status == NOVA_OK)
            status = outbox_check(&relay->outbox, err);
        if (status == NOVA_OK)
            relay_has_reconnected_outbox(&relay->state);
    }
    uint64_t reconnects = bus_connection_reconnects(relay->connection);
    if (reconnects != relay->reconnects)
        relay_has_reconnected(&relay->state);
    relay->reconnects = reconnects;
    int64_t acknowledged_n;
    if (!stream_is_good(relay->stream, &acknowledged_n))
        relay_publish_has_failed(&relay->state, acknowledged_n);
    return status;
}

static enum nova_status relay_step(struct relay *relay, struct error *err)
{
    enum nova_status status = relay_check(relay, err);
    if (status == NOVA_OK)
        status = relay_do(relay, err);
    return status;
}

// Transient failures are tried again for ever; anything else ends the process with its reason.
static enum nova_status relay_loop(struct relay *relay, struct error *err)
{
    while (!stop) {
        relay_alive(relay);
        enum nova_status status = relay_step(relay, err);
        if (status != NOVA_OK && !err->transient)
            return status;
        if (status != NOVA_OK) {
            log_warn("relay: tries again", LOG_ERROR(err));
            relay_has_failed(&relay->state);
        }
        relay_tell(relay);
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
    relay_state_init(
        &relay.state,
        &(struct relay_limits){.lease_ms = settings_int(settings, SETTING_RELAY_LEASE_MS),
                               .check_ms = settings_int(settings, SETTING_RELAY_CHECK_MS),
                               .poll_ms = settings_int(settings, SETTING_RELAY_POLL_MS),
                               .stuck_ms = settings_int(settings, SETTING_RELAY_STUCK_WRITER_MS),
                               .verify_n = VERIFY_N,
                               .step_n = STEP_N});
    struct sigaction action = {.sa_handler = relay_on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    snprintf(relay.name, sizeof relay.name, "relay/%s/%d", name, (int)getpid());
    snprintf(relay.advice, sizeof relay.advice, "./nova relay recover %s --dry-run", name);
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
    if (status == NOVA_CANCELLED)
        status = NOVA_OK;
    if (status != NOVA_OK)
        log_error("relay: ends", LOG_ERROR(&err));
    relay_close(&relay);
    close(relay.bell_fd);
    return status == NOVA_OK ? 0 : 1;
}
