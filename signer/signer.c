// signer.c - see signer.h.
#include "signer/signer.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/access.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/notify.h"
#include "base/seal.h"
#include "bus/connection.h"
#include "bus/patience.h"
#include "bus/topology.h"
#include "signer/log.h"

enum { LOGS_MAX = 32, SETTLING_MS = 20, LONGEST_WAIT_MS = 1000 };

struct signer {
    const struct settings *settings;
    struct bus_connection *connection;
    uint64_t reconnects;
    jsCtx *js;
    struct signer_log *logs;
    size_t count;
    struct signer_log *connecting;
    sigset_t signals;
};

// ---- start --------------------------------------------------------------------------------------

static enum nova_status signer_try_bus(void *context, struct error *err)
{
    struct signer *signer = context;
    char url[ACCESS_URL_BYTES], seed[PATH_MAX];
    enum nova_status status = access_nats_url(url, signer->settings, err);
    if (status == NOVA_OK)
        status = access_nats_seed_path(seed, signer->settings, "signer", err);
    const struct bus_options options = {url, "signer", "signer", seed, 0};
    return status == NOVA_OK ? bus_connect(&signer->connection, &options, err) : status;
}

static enum nova_status signer_try_stream(void *context, struct error *err)
{
    struct signer *signer = context;
    enum nova_status status = bus_connection_check(signer->connection, err);
    return status == NOVA_OK ? published_make(signer->js, err) : status;
}

static enum nova_status signer_try_postgres(void *context, struct error *err)
{
    struct signer *signer = context;
    return signer_log_connect(signer->connecting, err);
}

static enum nova_status signer_start(struct signer *signer, struct error *err)
{
    enum nova_status status = seal_start(err);
    for (size_t i = 0; i < topology_stream_count() && status == NOVA_OK; i++)
        status = signer_log_read_key(&signer->logs[signer->count++], signer->settings,
                                     topology_stream_service(i), err);
    if (status == NOVA_OK)
        status = patience(signer_try_bus, signer, "NATS", NULL, err);
    if (status == NOVA_OK)
        status = bus_jetstream(&signer->js, signer->connection, err);
    if (status == NOVA_OK)
        status = patience(signer_try_stream, signer, "JetStream", NULL, err);
    for (size_t i = 0; i < signer->count && status == NOVA_OK; i++) {
        signer->connecting = &signer->logs[i];
        status = patience(signer_try_postgres, signer, "PostgreSQL", NULL, err);
    }
    return status;
}

static void signer_stop(struct signer *signer)
{
    for (size_t i = 0; i < signer->count; i++)
        signer_log_close(&signer->logs[i]);
    jsCtx_Destroy(signer->js);
    bus_connection_destroy(&signer->connection);
}

// ---- the loop -----------------------------------------------------------------------------------

static void signer_tell(const struct signer *signer)
{
    size_t signing = 0;
    const char *trouble = "";
    for (size_t i = 0; i < signer->count; i++) {
        signing += signer->logs[i].is_locked && signer->logs[i].may_sign;
        if (*trouble == '\0')
            trouble = signer->logs[i].trouble;
    }
    notify_watchdog();
    notify_trouble(trouble);
    notify_status("signs %zu of %zu logs%s%s", signing, signer->count, *trouble ? ": " : "",
                  trouble);
    metrics_save(settings_text(signer->settings, SETTING_HOME), "signer", "all");
}

// After a lost connection the stream may be another one.
static enum nova_status signer_check_bus(struct signer *signer, struct error *err)
{
    uint64_t reconnects = bus_connection_reconnects(signer->connection);
    for (size_t i = 0; i < signer->count && reconnects != signer->reconnects; i++)
        signer->logs[i].is_open = false;
    signer->reconnects = reconnects;
    return bus_connection_check(signer->connection, err);
}

// One after the other; what is wrong with one log stops no other. *wait_ms: until it looks again.
static enum nova_status signer_work(struct signer *signer, int64_t *wait_ms, struct error *err)
{
    enum nova_status status = signer_check_bus(signer, err);
    *wait_ms = settings_int(signer->settings, SETTING_SIGNER_CHECKPOINT_MS);
    for (size_t i = 0; i < signer->count && status == NOVA_OK; i++) {
        struct signer_log *log = &signer->logs[i];
        bool busy;
        status = signer_log_step(log, signer->js, &busy, err);
        if (status != NOVA_OK && err->transient)
            log_warn("signer: tries again", LOG_TEXT("service", log->service), LOG_ERROR(err));
        if (status == NOVA_DATA_LOSS || (status != NOVA_OK && err->transient))
            status = NOVA_OK;
        else if (busy)
            *wait_ms = 0;
        else if (log->is_locked && log->settle.state != SETTLE_FOLLOW && *wait_ms > SETTLING_MS)
            *wait_ms = SETTLING_MS;
        notify_watchdog();
    }
    return status;
}

// True: SIGTERM or SIGINT came.
static bool signer_is_told_to_end(const struct signer *signer, int64_t wait_ms)
{
    for (;;) {
        int64_t ms = wait_ms < LONGEST_WAIT_MS ? wait_ms : LONGEST_WAIT_MS;
        const struct timespec tick = {ms / 1000, ms % 1000 * 1000000};
        int signal = sigtimedwait(&signer->signals, NULL, &tick);
        if (signal > 0)
            log_info("signer: ending", LOG_TEXT("signal", strsignal(signal)));
        wait_ms -= ms;
        if (signal > 0 || wait_ms <= 0)
            return signal > 0;
        notify_watchdog();
    }
}

static enum nova_status signer_loop(struct signer *signer, struct error *err)
{
    enum nova_status status = NOVA_OK;
    int64_t wait_ms = 0;
    while (status == NOVA_OK && !signer_is_told_to_end(signer, wait_ms)) {
        status = signer_work(signer, &wait_ms, err);
        signer_tell(signer);
    }
    return status;
}

int signer_run(const struct settings *settings, const char *name)
{
    static struct signer_log logs[LOGS_MAX];
    struct error err = {0};
    struct signer signer = {.settings = settings, .logs = logs};
    (void)name;
    sigemptyset(&signer.signals);
    sigaddset(&signer.signals, SIGTERM);
    sigaddset(&signer.signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signer.signals, NULL); // before nats.c's threads
    notify_status("connecting");
    enum nova_status status = signer_start(&signer, &err);
    if (status == NOVA_OK) {
        notify_ready();
        log_info("signer: ready", LOG_INT("logs", signer.count));
        status = signer_loop(&signer, &err);
    }
    if (status == NOVA_CANCELLED)
        status = NOVA_OK;
    if (status != NOVA_OK)
        log_error("signer: ends", LOG_ERROR(&err));
    signer_stop(&signer);
    return status == NOVA_OK ? 0 : 1;
}
