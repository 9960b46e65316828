// worker.c - see worker.h. One function an action of the machine; what is decided is decided there.
#include "inbox/worker.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/metrics.h"
#include "inbox/books.h"

enum {
    FETCH_WAIT_MS = 300,
    FETCH_QUICK_MS = 20,
    WAIT_SLICE_MS = 50,
    LOOK_EVERY_MS = 1000,
};

// What was read, and how the reading ended. Two of them: while PostgreSQL commits one batch, the
// next one is read and decoded.
struct hand {
    bool is_filled; // and not taken yet
    struct reader_batch read;
    struct decoded *batch;
    struct arena *arena;
    enum nova_status status;
    struct error failure;
};

struct worker {
    struct worker_options options;
    const struct inbox_source *source;
    struct pg *pg; // NULL until the first connection
    struct books *books;
    struct keys *keys;
    struct feed *feed;  // NULL until the first attempt
    int32_t generation; // of the checkpoint
    bool path_is_set;   // the search path is that generation's
    struct hand hands[2];
    struct hand *hand;     // the batch that the machine is told of
    struct arena *attempt; // of one attempt to apply it
    struct inbox_seen *seen;
    int64_t looked_ms;
    bool quick;       // more is likely there: fetch many without waiting
    bool seen_beyond; // of the end that `until` sets
    struct inbox_state state;
    struct error failure;               // why the last step failed
    char refused[ERROR_TEXT_BYTES_MAX]; // why a handler last refused an event
    pthread_mutex_t lock;               // of status
    struct worker_status status;
};

int64_t worker_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct worker *worker_create(const struct worker_options *options)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        abort();
    assert(options->batch_max > 0 && options->batch_max <= INBOX_BATCH_MAX);
    worker->options = *options;
    worker->source = &options->consumer->sources[options->source];
    worker->keys = keys_create(worker->source->service, options->fetch_keys, options->keys_context);
    worker->hand = &worker->hands[0];
    for (size_t i = 0; i < 2; i++)
        worker->hands[i].arena = arena_create();
    worker->attempt = arena_create();
    worker->status.pending = -1;
    worker->status.beat_ms = worker_now_ms();
    pthread_mutex_init(&worker->lock, NULL);
    inbox_state_init(&worker->state, false, options->retry_ms_max);
    return worker;
}

void worker_destroy(struct worker **worker)
{
    struct worker *w = *worker;
    if (!w)
        return;
    feed_destroy(&w->feed);
    if (w->books)
        books_destroy(&w->books);
    pg_destroy(&w->pg);
    keys_destroy(&w->keys);
    for (size_t i = 0; i < 2; i++)
        arena_destroy(&w->hands[i].arena);
    arena_destroy(&w->attempt);
    pthread_mutex_destroy(&w->lock);
    free(w);
    *worker = NULL;
}

// ---- what others see ----------------------------------------------------------------------------

// Every failure is logged when it begins, and then each time its attempts have doubled.
static void worker_note_failure(struct worker *worker, const char *doing)
{
    uint32_t attempts = worker->state.attempts;
    if ((attempts & (attempts - 1)) == 0)
        log_warn("inbox: trying again", LOG_TEXT("consumer", worker->options.name),
                 LOG_TEXT("source", worker->source->service), LOG_TEXT("doing", doing),
                 LOG_INT("attempt", attempts), LOG_ERROR(&worker->failure));
    metrics_add(METRIC_INBOX_RETRIES, 1);
    pthread_mutex_lock(&worker->lock);
    snprintf(worker->status.trouble, sizeof worker->status.trouble, "%s: %.400s", doing,
             worker->failure.text);
    pthread_mutex_unlock(&worker->lock);
}

static void worker_note_failing(struct worker *worker)
{
    error_set(&worker->failure, NOVA_FAILED_PRECONDITION,
              "more than %d aggregates are parked: the handler must be wrong; mend it, then ./nova "
              "dlq retry "
              "or ./nova dlq discard",
              INBOX_PARKED_MAX);
    worker_note_failure(worker, "failing");
}

static int64_t worker_until(const struct worker *worker)
{
    const int64_t *until = worker->options.until;
    return until != NULL ? until[worker->options.source] : INT64_MAX;
}

// Nothing is left to be applied before the end that `until` sets.
static bool worker_is_at_end(const struct worker *worker)
{
    return worker->state.next == INBOX_DO_READ &&
           (worker->seen_beyond || worker->state.checkpoint.position >= worker_until(worker));
}

static void worker_publish(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    struct worker_status *status = &worker->status;
    status->is_caught_up |= worker_is_at_end(worker);
    status->action = worker->state.next;
    status->why = worker->state.why;
    status->failing = worker->state.failing;
    status->checkpoint = worker->state.checkpoint;
    status->generation = worker->generation;
    status->parked_aggregates = worker->state.parked_count;
    status->beat_ms = worker_now_ms();
    if (worker->state.attempts == 0 && !worker->state.failing)
        status->trouble[0] = '\0';
    pthread_mutex_unlock(&worker->lock);
}

void worker_status(struct worker_status *out, struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    *out = worker->status;
    pthread_mutex_unlock(&worker->lock);
}

static void worker_publish_pending(struct worker *worker, int64_t pending)
{
    pthread_mutex_lock(&worker->lock);
    worker->status.pending = pending;
    worker->status.head_n = worker->state.checkpoint.n + (pending > 0 ? pending : 0);
    // With an end the relay may not have published all that lies before it.
    worker->status.is_caught_up = pending == 0 && worker->options.until == NULL;
    pthread_mutex_unlock(&worker->lock);
}

static void worker_publish_parked(struct worker *worker, int64_t events)
{
    pthread_mutex_lock(&worker->lock);
    worker->status.parked_events = events;
    pthread_mutex_unlock(&worker->lock);
}

// ---- load ---------------------------------------------------------------------------------------

static enum nova_status worker_connect(struct worker *worker, struct error *err)
{
    const struct worker_options *options = &worker->options;
    enum nova_status status = NOVA_OK;
    if (worker->pg && pg_is_connected(worker->pg))
        return NOVA_OK;
    worker->path_is_set = false;
    if (worker->pg)
        status = pg_reconnect(worker->pg, err);
    else
        status = pg_connect(&worker->pg, options->postgres_url, options->name, err);
    if (status == NOVA_OK && !worker->books)
        worker->books = books_create(
            &(struct books_options){worker->pg, options->consumer->service, options->name,
                                    options->consumer->projection, options->generation});
    return status == NOVA_OK ? books_ready_session(worker->books, options->lease_ms, err) : status;
}

// Handlers find the tables of the checkpoint's generation by the search path.
static enum nova_status worker_set_path(struct worker *worker, struct error *err)
{
    char sql[256];
    const struct inbox_consumer *consumer = worker->options.consumer;
    if (worker->path_is_set)
        return NOVA_OK;
    if (consumer->kind == INBOX_PROJECTION)
        snprintf(sql, sizeof sql, "SET search_path = %s_g%" PRId32 ", %s", consumer->projection,
                 worker->generation, consumer->service);
    else
        snprintf(sql, sizeof sql, "SET search_path = %s", consumer->service);
    enum nova_status status = pg_exec(worker->pg, sql, err);
    worker->path_is_set = status == NOVA_OK;
    return status;
}

static void worker_load(struct worker *worker)
{
    struct error *err = &worker->failure;
    struct inbox_checkpoint checkpoint;
    struct uuid parked[INBOX_PARKED_MAX + 1];
    uint32_t parked_count = 0;
    int32_t generation = 0;
    int64_t parked_events = 0;
    enum nova_status status = worker_connect(worker, err);
    if (status == NOVA_OK)
        status = books_load(&checkpoint, &generation, worker->books, worker->source->service, err);
    if (status == NOVA_OK && generation != worker->generation) {
        worker->generation = generation;
        worker->path_is_set = false;
    }
    if (status == NOVA_OK)
        status = worker_set_path(worker, err);
    if (status == NOVA_OK)
        status = books_parked(parked, &parked_count, &parked_events, worker->books,
                              worker->source->service, err);
    if (status != NOVA_OK) {
        inbox_has_failed(&worker->state);
        worker_note_failure(worker, "loading the checkpoint");
        return;
    }
    worker_publish_parked(worker, parked_events);
    inbox_was_loaded(&worker->state, &checkpoint, parked, parked_count);
    if (worker->state.next == INBOX_DO_WAIT)
        worker_note_failing(worker);
}

// ---- attach and read ----------------------------------------------------------------------------

static enum nova_status worker_open(struct worker *worker, struct error *err)
{
    const struct worker_options *options = &worker->options;
    const struct feed_options feed = {
        .source = worker->source->service,
        .connection = options->connection,
        .durable = options->durable,
        .outbox_url = options->outbox_urls != NULL ? options->outbox_urls[options->source] : NULL,
        .until = worker_until(worker),
    };
    return worker->feed != NULL ? NOVA_OK : feed_create(&worker->feed, &feed, err);
}

static void worker_attach(struct worker *worker)
{
    struct error *err = &worker->failure;
    enum nova_status status = worker_open(worker, err);
    worker->hands[0].is_filled = worker->hands[1].is_filled = false;
    worker->seen_beyond = false;
    if (status == NOVA_OK)
        status = feed_seek(worker->feed, &worker->state.checkpoint, err);
    worker->quick = status == NOVA_OK;
    if (status != NOVA_OK) {
        inbox_has_failed(&worker->state);
        worker_note_failure(worker, "making the reader");
        return;
    }
    inbox_was_attached(&worker->state, 0);
}

// Where the checkpoint stands in the database. Another generation's is no place of ours.
static enum nova_status worker_place(struct inbox_checkpoint *there, struct worker *worker,
                                     struct error *err)
{
    int32_t generation = 0;
    enum nova_status status = worker_connect(worker, err);
    if (status == NOVA_OK)
        status = books_load(there, &generation, worker->books, worker->source->service, err);
    if (status == NOVA_OK && generation != worker->generation)
        there->n = -1;
    return status;
}

// An operator may have settled what was parked.
static enum nova_status worker_count_parked(struct worker *worker, struct error *err)
{
    struct uuid parked[INBOX_PARKED_MAX + 1];
    uint32_t count;
    int64_t events;
    enum nova_status status =
        books_parked(parked, &count, &events, worker->books, worker->source->service, err);
    if (status == NOVA_OK)
        worker_publish_parked(worker, events);
    return status;
}

// Asks the source how far it believes it delivered. Only a hint about lag when messages come; when
// none come, also the sign of one that was lost.
static enum nova_status worker_look(struct worker *worker, bool idle, struct error *err)
{
    struct reader_look look;
    int64_t now_ms = worker_now_ms();
    if (now_ms - worker->looked_ms < LOOK_EVERY_MS)
        return NOVA_OK;
    enum nova_status status = feed_look(&look, worker->feed, err);
    if (status != NOVA_OK)
        return status;
    worker->looked_ms = now_ms;
    // What was delivered but is not committed yet is pending, too.
    worker_publish_pending(worker, look.delivered_n + look.pending - worker->state.checkpoint.n);
    struct inbox_checkpoint there;
    if (idle)
        status = worker_place(&there, worker, err);
    if (idle && status == NOVA_OK)
        status = worker_count_parked(worker, err);
    if (idle && status == NOVA_OK)
        inbox_was_idle(&worker->state, look.delivered_n, 0, &there);
    return status;
}

// Nothing of what was read was taken: why?
static void worker_note_refusal(struct worker *worker, const struct event *first)
{
    char log_id[UUID_TEXT_BYTES], known[UUID_TEXT_BYTES];
    const struct inbox_checkpoint *checkpoint = &worker->state.checkpoint;
    bool same_log = uuid_equal(&first->log_id, &checkpoint->log_id);
    uuid_format(log_id, same_log ? &first->event_id : &first->log_id);
    uuid_format(known, same_log ? &checkpoint->event_id : &checkpoint->log_id);
    if (worker->state.next == INBOX_DO_STOP)
        error_set(&worker->failure, NOVA_FAILED_PRECONDITION,
                  "the stream carries %s %s, the checkpoint knows %s: PostgreSQL was restored from "
                  "an older copy; rebuild the projection",
                  same_log ? "event" : "log", log_id, known);
    else if (worker->state.next == INBOX_DO_WAIT)
        error_set(&worker->failure, NOVA_DATA_LOSS,
                  "event %" PRId64 " at position %" PRId64 " cannot follow event %" PRId64
                  " at position %" PRId64,
                  first->n, first->position, worker->state.checkpoint.n,
                  worker->state.checkpoint.position);
    else
        return;
    worker_note_failure(worker, "reading the stream");
}

static void worker_note_unknown(struct worker *worker, size_t count)
{
    size_t i = 0;
    while (i < count && !worker->seen[i].stops)
        i++;
    const struct event *event = &worker->hand->batch[i].inbox.event;
    error_set(&worker->failure, NOVA_FAILED_PRECONDITION,
              "event %" PRId64 " is a %.64s, which this version does not know, and the consumer is "
              "declared to stop at such: start a newer version",
              event->n, event->type);
    worker_note_failure(worker, "reading the stream");
}

static void worker_fill(struct worker *worker, struct hand *hand, size_t most, int64_t wait_ms)
{
    arena_reset(hand->arena);
    hand->read = (struct reader_batch){NULL, 0};
    hand->status = feed_next(&hand->read, worker->feed, most, wait_ms, &hand->failure);
    hand->batch = arena_alloc(hand->arena, hand->read.count * sizeof *hand->batch);
    for (size_t i = 0; i < hand->read.count; i++)
        decode_envelope(&hand->batch[i], &hand->read.messages[i].event,
                        hand->read.messages[i].message, worker->source, worker->options.upcasters);
    hand->is_filled = true;
}

static struct hand *worker_other_hand(struct worker *worker)
{
    return &worker->hands[worker->hand == &worker->hands[0]];
}

// While PostgreSQL commits: takes what is there already, and decodes it. Whatever fails here is met
// when its turn comes.
static void worker_read_ahead(struct worker *worker)
{
    struct error ignored;
    struct hand *hand = worker_other_hand(worker);
    if (hand->is_filled || !worker->quick || worker->state.after_batch != INBOX_DO_READ)
        return;
    worker_fill(worker, hand, worker->options.batch_max, 0);
    worker->quick = hand->read.count > 0;
    if (hand->read.count == 0 && hand->status == NOVA_OK)
        hand->is_filled = false; // nothing is there: it is waited for
    else if (decode_batch(hand->batch, hand->read.count, worker->keys, worker->options.upcasters,
                          hand->arena, &ignored) != NOVA_OK)
        return; // no keys now: asked for again before it is committed
}

static void worker_take(struct worker *worker)
{
    int64_t skipped = 0;
    const struct hand *hand = worker->hand;
    size_t count = hand->read.count;
    worker->seen = arena_alloc(hand->arena, count * sizeof *worker->seen);
    for (size_t i = 0; i < count; i++) {
        const struct decoded *decoded = &hand->batch[i];
        const struct event *event = &decoded->inbox.event;
        if (event->position > worker_until(worker)) {
            worker->seen_beyond = true;
            count = i;
            break;
        }
        skipped += event->n <= worker->state.checkpoint.n;
        worker->seen[i] = (struct inbox_seen){
            .n = event->n,
            .position = event->position,
            .event_id = event->event_id,
            .log_id = event->log_id,
            .aggregate_id = event->aggregate_id,
            .wanted = decoded->wanted,
            .stops = decoded->unknown && worker->source->on_unknown == INBOX_UNKNOWN_STOP,
        };
    }
    metrics_add(METRIC_INBOX_SKIPPED, skipped);
    inbox_was_read(&worker->state, worker->seen, (uint32_t)count);
    if (worker->state.next == INBOX_DO_WAIT && worker->state.why == INBOX_WHY_UNKNOWN)
        worker_note_unknown(worker, count);
    else
        worker_note_refusal(worker, &hand->batch[0].inbox.event);
}

static enum nova_status worker_ack(struct worker *worker, struct error *err)
{
    const struct reader_batch *read = &worker->hand->read;
    return feed_ack(worker->feed, &read->messages[read->count - 1], err);
}

// A fetch of many waits for all of them, so only what is there already is fetched like that; when
// nothing is, one message is waited for.
static void worker_read(struct worker *worker)
{
    struct error *err = &worker->failure;
    size_t most = worker->quick ? worker->options.batch_max : 1;
    struct hand *hand = worker->hand = worker_other_hand(worker);
    if (!hand->is_filled)
        worker_fill(worker, hand, most, worker->quick ? FETCH_QUICK_MS : FETCH_WAIT_MS);
    hand->is_filled = false;
    enum nova_status status = hand->status;
    if (status != NOVA_OK)
        *err = hand->failure;
    worker->quick = hand->read.count > 0;
    // What came before a failure is taken; the failure is met again behind it.
    if (hand->read.count > 0)
        worker_take(worker);
    else if (status == NOVA_OK && most == 1)
        status = worker_look(worker, true, err);
    // Nothing of it was new: the source need not bring it a third time.
    if (status == NOVA_OK && hand->read.count > 0 && worker->state.next == INBOX_DO_READ)
        status = worker_ack(worker, err);
    if (status != NOVA_OK && worker->state.next == INBOX_DO_READ) {
        inbox_has_failed(&worker->state);
        worker_note_failure(worker, "reading the stream");
    }
}

// ---- commit -------------------------------------------------------------------------------------

// Fails as permanent only through an event: it cannot be read, or its handler refused it.
// Who is to be forgotten is forgotten in former generations, too. A rebuild's own is no former one.
static enum nova_status worker_forget(struct worker *worker, const struct inbox_batch *batch,
                                      struct error *err)
{
    const char *type = worker->options.consumer->forgets;
    bool asked = false;
    for (size_t i = 0; i < batch->count && type != NULL && worker->options.generation == 0; i++)
        asked |= strcmp(batch->events[i]->type->type, type) == 0;
    return asked ? books_forget_former(worker->books, err) : NOVA_OK;
}

static enum inbox_outcome worker_apply(struct worker *worker, const struct inbox_step *step)
{
    struct error *err = &worker->failure;
    const struct inbox_event **events =
        arena_alloc(worker->attempt, (step->to - step->from) * sizeof *events);
    struct inbox_batch batch = {worker->source->service, worker->attempt, events, 0};
    for (uint32_t i = step->from; i < step->to; i++) {
        if (inbox_verdict_of(&worker->state, i) != INBOX_APPLY)
            continue;
        if (worker->hand->batch[i].bad) {
            *err = *worker->hand->batch[i].bad;
            return INBOX_PERMANENT;
        }
        events[batch.count++] = &worker->hand->batch[i].inbox;
    }
    enum nova_status status =
        batch.count == 0 ? NOVA_OK : worker->source->apply(&batch, worker->pg, err);
    if (status == NOVA_OK)
        status = worker_forget(worker, &batch, err);
    if (status == NOVA_OK)
        return INBOX_DONE;
    return err->transient ? INBOX_TRANSIENT : INBOX_PERMANENT;
}

// Events wait behind what is parked of their aggregate; if an operator has just settled that, the
// machine must judge again.
static enum nova_status worker_check_parked(struct worker *worker, const struct inbox_step *step,
                                            enum inbox_outcome *outcome, struct error *err)
{
    struct uuid parked[INBOX_PARKED_MAX + 1];
    uint32_t count = 0;
    int64_t events;
    bool looked = false;
    for (uint32_t i = step->from; i < step->to && *outcome == INBOX_DONE; i++) {
        if (inbox_verdict_of(&worker->state, i) != INBOX_PARK_BEHIND)
            continue;
        enum nova_status status = looked ? NOVA_OK
                                         : books_parked(parked, &count, &events, worker->books,
                                                        worker->source->service, err);
        if (status != NOVA_OK)
            return status;
        looked = true;
        bool found = false;
        for (uint32_t k = 0; k < count && k <= INBOX_PARKED_MAX && !found; k++)
            found = uuid_equal(&parked[k], &worker->seen[i].aggregate_id);
        if (!found)
            *outcome = INBOX_MOVED;
    }
    return NOVA_OK;
}

static enum nova_status worker_park(struct worker *worker, const struct inbox_step *step,
                                    struct error *err)
{
    enum nova_status status = NOVA_OK;
    for (uint32_t i = step->from; i < step->to && status == NOVA_OK; i++) {
        enum inbox_verdict verdict = inbox_verdict_of(&worker->state, i);
        const struct decoded *decoded = &worker->hand->batch[i];
        if (verdict == INBOX_PARK_FAILED) {
            log_error("inbox: an event is parked", LOG_TEXT("consumer", worker->options.name),
                      LOG_TEXT("source", worker->source->service),
                      LOG_INT("n", decoded->inbox.event.n),
                      LOG_INT("position", decoded->inbox.event.position),
                      LOG_UUID("aggregate", &decoded->inbox.event.aggregate_id),
                      LOG_TEXT("err", worker->refused));
            status = books_park(worker->books, worker->source->service, decoded, worker->refused, 1,
                                err);
        } else if (verdict == INBOX_PARK_BEHIND) {
            status = books_park(worker->books, worker->source->service, decoded,
                                "an earlier event of its aggregate is parked", 0, err);
        }
    }
    return status;
}

// Everything up to COMMIT is sent without a wait between, unless a handler or a parked aggregate
// wants rows.
static enum inbox_outcome worker_transact(struct worker *worker, const struct inbox_step *step)
{
    struct error *err = &worker->failure;
    enum inbox_outcome outcome = INBOX_DONE;
    enum nova_status status = worker_connect(worker, err);
    if (status == NOVA_OK)
        status = worker_set_path(worker, err);
    if (status != NOVA_OK)
        return INBOX_TRANSIENT;
    books_begin(worker->books, worker->source->service, worker->generation, worker->options.epoch,
                &worker->state.checkpoint, &step->up);
    status = worker_check_parked(worker, step, &outcome, err);
    size_t handler_from = pg_defer_count(worker->pg);
    if (status == NOVA_OK && outcome == INBOX_DONE)
        outcome = worker_apply(worker, step);
    size_t handler_to = pg_defer_count(worker->pg);
    if (status == NOVA_OK && outcome == INBOX_DONE)
        status = worker_park(worker, step, err);
    if (status != NOVA_OK)
        outcome = INBOX_TRANSIENT;
    if (outcome == INBOX_DONE) {
        books_commit(worker->books);
        worker_read_ahead(worker);
    }
    books_end(&outcome, worker->books, worker->options.epoch, handler_from, handler_to, err);
    return outcome;
}

static void worker_committed(struct worker *worker, const struct inbox_step *step)
{
    int64_t applied = 0, parked = 0, unknown = 0;
    for (uint32_t i = step->from; i < step->to; i++) {
        enum inbox_verdict verdict = inbox_verdict_of(&worker->state, i);
        applied += verdict == INBOX_APPLY;
        unknown += worker->hand->batch[i].unknown;
        parked += verdict == INBOX_PARK_FAILED || verdict == INBOX_PARK_BEHIND;
    }
    metrics_add(METRIC_INBOX_EVENTS, applied);
    metrics_add(METRIC_INBOX_UNKNOWN, unknown);
    pthread_mutex_lock(&worker->lock);
    worker->status.parked_events += parked;
    worker->status.unknown_events += unknown;
    pthread_mutex_unlock(&worker->lock);
}

static void worker_commit(struct worker *worker, const struct inbox_step *step)
{
    arena_reset(worker->attempt);
    enum inbox_outcome outcome = INBOX_TRANSIENT;
    // Whatever hinders the keys is no event's fault.
    if (decode_batch(&worker->hand->batch[step->from], step->to - step->from, worker->keys,
                     worker->options.upcasters, worker->hand->arena, &worker->failure) == NOVA_OK)
        outcome = worker_transact(worker, step);
    if (outcome == INBOX_DONE)
        worker_committed(worker, step);
    if (outcome == INBOX_PERMANENT)
        memcpy(worker->refused, worker->failure.text, sizeof worker->refused);
    inbox_was_committed(&worker->state, outcome);
    if (outcome == INBOX_TRANSIENT)
        worker_note_failure(worker, "applying a batch");
    if (worker->state.next == INBOX_DO_WAIT && worker->state.why == INBOX_WHY_FAILING)
        worker_note_failing(worker);
    // What is applied need not come again; a failure here costs a second delivery, no more.
    struct error ignored;
    if (worker->state.next == INBOX_DO_READ && worker_ack(worker, &ignored) == NOVA_OK &&
        worker_look(worker, false, &ignored) != NOVA_OK)
        worker->looked_ms = worker_now_ms();
}

// ---- the step -----------------------------------------------------------------------------------

static void worker_wait(struct worker *worker, int64_t wait_ms)
{
    int64_t until_ms = worker_now_ms() + wait_ms;
    for (int64_t left = wait_ms; left > 0 && !atomic_load(worker->options.stop);
         left = until_ms - worker_now_ms()) {
        int64_t slice_ms = left < WAIT_SLICE_MS ? left : WAIT_SLICE_MS;
        nanosleep(&(struct timespec){0, slice_ms * 1000000}, NULL);
    }
    if (!atomic_load(worker->options.stop))
        inbox_has_waited(&worker->state);
}

// At the end that `until` sets: until somebody stops it.
static void worker_rest(void)
{
    nanosleep(&(struct timespec){0, WAIT_SLICE_MS * 1000000}, NULL);
}

bool worker_step(struct worker *worker)
{
    struct inbox_step step = inbox_next(&worker->state);
    switch (step.action) {
    case INBOX_DO_LOAD:
        worker_load(worker);
        break;
    case INBOX_DO_ATTACH:
        worker_attach(worker);
        break;
    case INBOX_DO_READ:
        if (worker_is_at_end(worker))
            worker_rest();
        else
            worker_read(worker);
        break;
    case INBOX_DO_COMMIT:
        worker_commit(worker, &step);
        break;
    case INBOX_DO_WAIT:
        worker_wait(worker, step.wait_ms);
        break;
    case INBOX_DO_STOP:
        break;
    }
    worker_publish(worker);
    return worker->state.next != INBOX_DO_STOP;
}
