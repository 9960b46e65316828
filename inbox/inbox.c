// inbox.c - see inbox.h.
#include "inbox/inbox.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "inbox/books.h"

enum { ALIVE_MS = 120000 }; // longer than a consumer's longest statement

struct lane {
    struct worker *worker;
    const atomic_bool *stop;
    pthread_t thread;
};

struct inbox {
    struct inbox_options options;
    struct uuid owner;
    struct pg *pg; // for the lease; NULL until the first connection
    struct books *books;
    bool active;
    int64_t epoch;
    int64_t renewed_ms;
    atomic_bool stop;
    size_t lane_count; // running
    struct lane lanes[INBOX_SOURCES_MAX];
    struct inbox_status status;
};

struct inbox *inbox_create(const struct inbox_options *options)
{
    struct inbox *inbox = calloc(1, sizeof *inbox);
    if (!inbox)
        abort();
    inbox->options = *options;
    inbox->owner = uuid_v7();
    return inbox;
}

// ---- active -------------------------------------------------------------------------------------

static void *lane_run(void *argument)
{
    struct lane *lane = argument;
    while (!atomic_load(lane->stop) && worker_step(lane->worker))
        ;
    return NULL;
}

static void inbox_begin(struct inbox *inbox, int64_t epoch)
{
    const struct worker_options *common = &inbox->options.worker;
    inbox->epoch = epoch;
    inbox->active = true;
    atomic_store(&inbox->stop, false);
    log_info("inbox: active", LOG_TEXT("consumer", common->name), LOG_INT("epoch", epoch));
    for (size_t i = 0; i < inbox_source_count(common->consumer); i++) {
        struct worker_options options = *common;
        struct lane *lane = &inbox->lanes[inbox->lane_count++];
        options.source = i;
        options.epoch = epoch;
        options.stop = &inbox->stop;
        lane->stop = &inbox->stop;
        lane->worker = worker_create(&options);
        if (pthread_create(&lane->thread, NULL, lane_run, lane) != 0)
            abort(); // no memory for a thread: a supervisor starts us again
    }
}

static void inbox_end(struct inbox *inbox)
{
    atomic_store(&inbox->stop, true);
    for (size_t i = 0; i < inbox->lane_count; i++)
        pthread_join(inbox->lanes[i].thread, NULL);
    for (size_t i = 0; i < inbox->lane_count; i++)
        worker_destroy(&inbox->lanes[i].worker);
    inbox->lane_count = 0;
    if (inbox->active)
        log_info("inbox: standby", LOG_TEXT("consumer", inbox->options.worker.name));
    inbox->active = false;
}

void inbox_destroy(struct inbox **inbox)
{
    struct inbox *gone = *inbox;
    struct error ignored; // a lease that cannot be given back runs out
    if (!gone)
        return;
    bool was_active = gone->active;
    inbox_end(gone);
    if (was_active && gone->books &&
        books_lease_release(gone->books, &gone->owner, gone->epoch, &ignored) != NOVA_OK)
        log_warn("inbox: the lease runs out by itself",
                 LOG_TEXT("consumer", gone->options.worker.name), LOG_ERROR(&ignored));
    if (gone->books)
        books_destroy(&gone->books);
    pg_destroy(&gone->pg);
    free(gone);
    *inbox = NULL;
}

// ---- the lease ----------------------------------------------------------------------------------

static enum nova_status inbox_connect(struct inbox *inbox, struct error *err)
{
    const struct worker_options *options = &inbox->options.worker;
    if (inbox->pg && pg_is_connected(inbox->pg))
        return NOVA_OK;
    enum nova_status status =
        inbox->pg ? pg_reconnect(inbox->pg, err)
                  : pg_connect(&inbox->pg, options->postgres_url, options->name, err);
    if (status == NOVA_OK && !inbox->books)
        inbox->books = books_create(
            &(struct books_options){inbox->pg, options->consumer->service, options->name,
                                    options->consumer->projection, options->generation});
    return status;
}

static enum nova_status inbox_take(struct inbox *inbox, struct error *err)
{
    int64_t epoch = 0;
    enum nova_status status =
        books_lease_take(&epoch, inbox->books, &inbox->owner, inbox->options.owner_name,
                         inbox->options.worker.lease_ms, err);
    if (status == NOVA_OK && epoch != 0) {
        inbox->renewed_ms = worker_now_ms();
        inbox_begin(inbox, epoch);
    }
    return status;
}

static enum nova_status inbox_renew(struct inbox *inbox, struct error *err)
{
    bool held = false;
    int64_t now_ms = worker_now_ms();
    if (now_ms - inbox->renewed_ms < inbox->options.worker.lease_ms / 4)
        return NOVA_OK;
    enum nova_status status = books_lease_renew(&held, inbox->books, &inbox->owner, inbox->epoch,
                                                inbox->options.worker.lease_ms, err);
    if (status != NOVA_OK)
        return status;
    if (held) {
        inbox->renewed_ms = now_ms;
        return NOVA_OK;
    }
    log_warn("inbox: another instance took over", LOG_TEXT("consumer", inbox->options.worker.name));
    inbox_end(inbox);
    return NOVA_OK;
}

// What threads that stopped for good say: fenced ones make this a standby, a strange log ends it.
static enum nova_status inbox_check_lanes(struct inbox *inbox, struct error *err)
{
    for (size_t i = 0; i < inbox->lane_count; i++) {
        struct worker_status status;
        worker_status(&status, inbox->lanes[i].worker);
        if (status.action != INBOX_DO_STOP)
            continue;
        if (status.why == INBOX_WHY_OTHER_LOG)
            return error_set(err, NOVA_FAILED_PRECONDITION, "%s", status.trouble);
        log_warn("inbox: another instance took over",
                 LOG_TEXT("consumer", inbox->options.worker.name));
        inbox_end(inbox);
        return NOVA_OK;
    }
    return NOVA_OK;
}

enum nova_status inbox_tick(struct inbox *inbox, struct error *err)
{
    struct error trouble = {0};
    enum nova_status status = inbox_check_lanes(inbox, err);
    if (status != NOVA_OK)
        return status;
    status = inbox_connect(inbox, &trouble);
    if (status == NOVA_OK)
        status = inbox->active ? inbox_renew(inbox, &trouble) : inbox_take(inbox, &trouble);
    if (status != NOVA_OK && !inbox->active)
        log_warn("inbox: waiting for PostgreSQL", LOG_TEXT("consumer", inbox->options.worker.name),
                 LOG_ERROR(&trouble));
    return NOVA_OK; // it is tried again at the next tick
}

void inbox_status(struct inbox_status *out, struct inbox *inbox)
{
    struct inbox_status *status = &inbox->status;
    int64_t now_ms = worker_now_ms();
    *status = (struct inbox_status){.active = inbox->active,
                                    .epoch = inbox->epoch,
                                    .source_count = inbox->lane_count,
                                    .is_alive = true,
                                    .trouble = ""};
    for (size_t i = 0; i < inbox->lane_count; i++) {
        struct worker_status *source = &status->sources[i];
        worker_status(source, inbox->lanes[i].worker);
        status->failing |= source->failing;
        status->is_alive &= now_ms - source->beat_ms < ALIVE_MS;
        status->pending =
            status->pending < 0 || source->pending < 0 ? -1 : status->pending + source->pending;
        if (status->trouble[0] == '\0')
            status->trouble = source->trouble;
    }
    *out = *status;
    out->trouble = status->trouble;
}
