// run.c - one consumer as a process: connect, then tick, watch and tell until it is ended.
#include "projections/run.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/access.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/notify.h"
#include "bus/patience.h"
#include "bus/topology.h"
#include "inbox/inbox.h"
#include "inbox/keys_rpc.h"
#include "projections/consumers.h"

enum { TICK_MS_MAX = 250, TELL_EVERY_MS = 1000 };

struct run {
    const struct settings *settings;
    const struct inbox_consumer *consumer;
    const struct topology_reader *reader; // one of its rows; user and durable are the same in all
    char postgres_url[ACCESS_URL_BYTES];
    char nats_url[ACCESS_URL_BYTES];
    char seed_path[PATH_MAX];
    char owner_name[128];
    struct bus_connection *connection;
    struct process_token *token;
    struct keys_rpc keys;
    struct inbox *inbox;
};

static const struct topology_reader *find_reader(const char *consumer)
{
    for (size_t i = 0; i < topology_reader_count(); i++)
        if (strcmp(topology_reader_at(i)->consumer, consumer) == 0)
            return topology_reader_at(i);
    return NULL;
}

struct run_connecting {
    struct run *run;
    const struct bus_options *options;
};

static enum nova_status run_try_bus(void *context, struct error *err)
{
    struct run_connecting *connecting = context;
    return bus_connect(&connecting->run->connection, connecting->options, err);
}

static enum nova_status run_connect(struct run *run, struct error *err)
{
    char role[ACCESS_NAME_BYTES], process[128];
    snprintf(role, sizeof role, "%s_consumer", run->consumer->service);
    snprintf(process, sizeof process, "consumer/%s", run->consumer->name);
    enum nova_status status =
        access_postgres_url(run->postgres_url, run->settings, run->consumer->service, role, err);
    if (status == NOVA_OK)
        status = access_nats_url(run->nats_url, run->settings, err);
    if (status == NOVA_OK)
        status = access_nats_seed_path(run->seed_path, run->settings, run->reader->user, err);
    if (status == NOVA_OK)
        status = process_token_create(&run->token, run->reader->user, run->seed_path, err);
    const struct bus_options options = {run->nats_url, process, run->reader->user, run->seed_path,
                                        0};
    struct run_connecting connecting = {run, &options};
    return status == NOVA_OK ? patience(run_try_bus, &connecting, "NATS", NULL, err) : status;
}

static void run_begin(struct run *run)
{
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    snprintf(run->owner_name, sizeof run->owner_name, "%s:%ld", host, (long)getpid());
    run->keys = (struct keys_rpc){run->connection, run->token};
    run->inbox = inbox_create(&(struct inbox_options){
        .owner_name = run->owner_name,
        .worker = {
            .consumer = run->consumer,
            .name = run->consumer->name,
            .postgres_url = run->postgres_url,
            .connection = run->connection,
            .durable = run->reader->durable,
            .fetch_keys = keys_rpc_fetch,
            .keys_context = &run->keys,
            .upcasters = upcasters,
            .batch_max = (uint32_t)settings_int(run->settings, SETTING_INBOX_BATCH),
            .retry_ms_max = settings_int(run->settings, SETTING_INBOX_RETRY_MS_MAX),
            .lease_ms = settings_int(run->settings, SETTING_INBOX_LEASE_MS),
        }});
}

// One line for people, and the gauges.
static void run_tell(struct run *run)
{
    struct inbox_status status;
    int64_t parked = 0, unknown = 0;
    inbox_status(&status, run->inbox);
    for (size_t i = 0; i < status.source_count; i++) {
        parked += status.sources[i].parked_events;
        unknown += status.sources[i].unknown_events;
    }
    metrics_set(METRIC_INBOX_PARKED, parked);
    metrics_set(METRIC_INBOX_LAG, status.pending < 0 ? 0 : status.pending);
    notify_trouble(status.active && status.failing ? status.trouble : "");
    if (!status.active)
        notify_status("standby");
    else if (status.failing)
        notify_status("failing: %s", status.trouble);
    else if (status.trouble[0] != '\0')
        notify_status("trying again: %s", status.trouble);
    else if (status.pending < 0)
        notify_status("starting");
    else if (unknown > 0)
        notify_status("lag %" PRId64 " events, parked %" PRId64 ", passed over %" PRId64
                      " of types it does not know",
                      status.pending, parked, unknown);
    else
        notify_status("lag %" PRId64 " events, parked %" PRId64, status.pending, parked);
    metrics_save(settings_text(run->settings, SETTING_HOME), "consumer", run->consumer->name);
    if (status.is_alive)
        notify_watchdog();
}

static enum nova_status run_loop(struct run *run, const sigset_t *signals, struct error *err)
{
    int64_t told_ms = 0, lease_ms = settings_int(run->settings, SETTING_INBOX_LEASE_MS);
    int64_t tick_ms = lease_ms / 5 < TICK_MS_MAX ? lease_ms / 5 : TICK_MS_MAX;
    const struct timespec tick = {0, tick_ms * 1000000};
    notify_ready();
    log_info("inbox: ready; it works while it holds the lease",
             LOG_TEXT("consumer", run->consumer->name));
    for (;;) {
        enum nova_status status = bus_connection_check(run->connection, err);
        if (status == NOVA_OK)
            status = inbox_tick(run->inbox, err);
        if (status != NOVA_OK)
            return status;
        if (worker_now_ms() - told_ms >= TELL_EVERY_MS) {
            told_ms = worker_now_ms();
            run_tell(run);
        }
        int signal = sigtimedwait(signals, NULL, &tick);
        if (signal > 0) {
            log_info("inbox: ending", LOG_TEXT("signal", strsignal(signal)));
            return NOVA_OK;
        }
    }
}

int consumer_run(const struct settings *settings, const char *name)
{
    struct error err = {0};
    sigset_t signals;
    struct run run = {
        .settings = settings, .consumer = consumer_find(name), .reader = find_reader(name)};
    assert(run.consumer && run.reader); // cli/process.def names what the two tables hold
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); // before the first thread: only the loop takes them
    enum nova_status status = seal_start(&err);
    if (status == NOVA_OK)
        status = run_connect(&run, &err);
    if (status == NOVA_OK) {
        run_begin(&run);
        status = run_loop(&run, &signals, &err);
    }
    if (status == NOVA_CANCELLED)
        status = NOVA_OK;
    if (status != NOVA_OK)
        log_error("inbox: cannot go on", LOG_TEXT("consumer", name), LOG_ERROR(&err));
    inbox_destroy(&run.inbox);
    process_token_destroy(&run.token);
    bus_connection_destroy(&run.connection);
    return status == NOVA_OK ? 0 : 1;
}
