// verifier.c - see verifier.h. What is decided about the feed is decided in base/revocations.c;
// here are the durable, the thread that listens to it, and the clocks.
#include "bus/verifier.h"

#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/revocations.h"
#include "base/timestamp.h"
#include "bus/cloudevents.h"
#include "bus/delivery.h"
#include "bus/topology.h"

enum {
    HEARTBEAT_MS = 1000,
    SILENCE_MS = 4 * HEARTBEAT_MS, // then the feed is away
    HEAR_MS = 200,                 // how long one wait for a delivery takes
    ASK_MS = 2000,                 // how long JetStream may take for an answer
    PAUSE_MS = 250,                // before a feed is tried again; doubles
    PAUSE_MS_MAX = 2000,
    SUBJECT_BYTES = 256,
};

#define FEED_PURPOSE "a feed of ended sessions"

struct verifier {
    struct verifier_options options;
    const struct topology_verifier *may;
    struct jwks_source source;
    struct jwks *jwks;
    pthread_mutex_t lock; // of revocations and is_known
    pthread_cond_t known;
    struct revocations *revocations;
    bool is_known;
    pthread_t thread;
    bool is_listening;
    atomic_bool ends;
    // The thread's own:
    natsSubscription *subscription; // to every feed of the service's
    natsSubscription *interest;     // in the newest one
    int64_t attended;               // that one
    struct arena *arena;            // of one delivery
    uint64_t reconnects;
    int64_t word_ms;  // when the feed last told something
    int64_t again_ms; // not before this a feed is begun
    int64_t pause_ms, tidied_ms;
    uint32_t failures;
};

static int64_t verifier_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t verifier_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// ---- the durable --------------------------------------------------------------------------------

// One request to JetStream; its answer as JSON, to be given back by json_decref.
static enum nova_status verifier_ask(json_t **out, struct verifier *verifier, const char *verb,
                                     const char *rest, const char *body, struct error *err)
{
    char subject[SUBJECT_BYTES];
    natsMsg *answer = NULL;
    struct bus_connection *connection = verifier->options.connection;
    snprintf(subject, sizeof subject, "%s.CONSUMER.%s.%s.%s%s", bus_api_prefix(connection), verb,
             TOPOLOGY_REVOKED_STREAM, verifier->may->durable, rest);
    natsStatus s = natsConnection_RequestString(&answer, bus_connection_nats(connection), subject,
                                                body, ASK_MS);
    if (s != NATS_OK)
        return bus_error(err, s, "asking JetStream for the feed of ended sessions");
    *out = json_loadb(natsMsg_GetData(answer), (size_t)natsMsg_GetDataLength(answer), 0, NULL);
    natsMsg_Destroy(answer);
    return *out != NULL ? NOVA_OK
                        : error_set_transient(err, NOVA_UNAVAILABLE, "JetStream answers no JSON");
}

static enum nova_status verifier_remove(struct verifier *verifier, struct error *err)
{
    json_t *answer = NULL;
    enum nova_status status = verifier_ask(&answer, verifier, "DELETE", "", "", err);
    json_decref(answer); // an error says that there was none
    return status;
}

static void verifier_subject(char out[SUBJECT_BYTES], const struct verifier *verifier, int64_t feed)
{
    char mark[PROCESS_TOKEN_MARK_BYTES];
    process_token_mark(mark, verifier->options.token, FEED_PURPOSE, feed);
    snprintf(out, SUBJECT_BYTES, "%s.%" PRId64 "-%s", verifier->may->delivers, feed, mark);
}

static void verifier_discard(natsConnection *nats, natsSubscription *subscription, natsMsg *msg,
                             void *context)
{
    (void)nats;
    (void)subscription;
    (void)context;
    natsMsg_Destroy(msg);
}

// JetStream pushes a durable only while somebody listens to exactly its subject; the wildcard, by
// which a feed is heard that another process begins, does not count. So each process says that it
// listens to the newest one, and drops this second copy.
static enum nova_status verifier_attend(struct verifier *verifier, int64_t feed, struct error *err)
{
    char subject[SUBJECT_BYTES];
    if (feed == verifier->attended)
        return NOVA_OK;
    bus_unsubscribe_callback(&verifier->interest);
    verifier_subject(subject, verifier, feed);
    natsStatus s = natsConnection_Subscribe(&verifier->interest,
                                            bus_connection_nats(verifier->options.connection),
                                            subject, verifier_discard, NULL);
    verifier->attended = s == NATS_OK ? feed : 0;
    return s == NATS_OK ? NOVA_OK : bus_error(err, s, "listening to a feed of ended sessions");
}

static enum nova_status verifier_make(int64_t *ahead, struct verifier *verifier, int64_t feed,
                                      struct error *err)
{
    char from[TIMESTAMP_BYTES], subject[SUBJECT_BYTES];
    json_t *answer = NULL;
    verifier_subject(subject, verifier, feed);
    timestamp_format(from, revocations_from_us(verifier->revocations, feed));
    const char *body = arena_printf(
        verifier->arena,
        "{\"stream_name\":\"%s\",\"config\":{\"name\":\"%s\",\"durable_name\":\"%s\","
        "\"filter_subject\":\"%s\",\"deliver_subject\":\"%s\","
        "\"deliver_policy\":\"by_start_time\",\"opt_start_time\":\"%s\",\"ack_policy\":\"none\","
        "\"replay_policy\":\"instant\",\"idle_heartbeat\":%" PRId64 "}}",
        TOPOLOGY_REVOKED_STREAM, verifier->may->durable, verifier->may->durable,
        TOPOLOGY_REVOKED_SUBJECT, subject, from, (int64_t)HEARTBEAT_MS * 1000000);
    enum nova_status status =
        verifier_ask(&answer, verifier, "CREATE", "." TOPOLOGY_REVOKED_SUBJECT, body, err);
    if (status != NOVA_OK)
        return status;
    const json_t *failed = json_object_get(answer, "error");
    const json_t *delivered = json_object_get(answer, "delivered");
    const char *why = json_string_value(json_object_get(failed, "description"));
    *ahead = json_integer_value(json_object_get(answer, "num_pending")) +
             json_integer_value(json_object_get(delivered, "consumer_seq"));
    if (failed != NULL)
        status = error_set_transient(err, NOVA_UNAVAILABLE,
                                     "JetStream gives no feed of ended "
                                     "sessions: %.200s",
                                     why == NULL ? "it does not say why" : why);
    json_decref(answer);
    return status;
}

static void verifier_note_feed(struct verifier *verifier, enum revocations_feed before)
{
    enum revocations_feed now = revocations_feed(verifier->revocations);
    if (now == REVOCATIONS_FOLLOWING && !verifier->is_known) {
        verifier->is_known = true;
        pthread_cond_broadcast(&verifier->known);
    }
    if (now == before)
        return;
    log_info("verifier: the feed of ended sessions changed",
             LOG_TEXT("was", revocations_feed_name(before)),
             LOG_TEXT("is", revocations_feed_name(now)),
             LOG_INT("ended", revocations_count(verifier->revocations)));
}

static void verifier_lose(struct verifier *verifier)
{
    pthread_mutex_lock(&verifier->lock);
    enum revocations_feed before = revocations_feed(verifier->revocations);
    revocations_lose(verifier->revocations);
    verifier_note_feed(verifier, before);
    pthread_mutex_unlock(&verifier->lock);
}

// Begins the durable anew. A failure is logged when it begins, and then each time its attempts have
// doubled.
static void verifier_begin(struct verifier *verifier)
{
    struct error err = {0};
    int64_t ahead = 0;
    int64_t feed = revocations_next_feed(verifier->revocations, verifier_now_us());
    arena_reset(verifier->arena);
    enum nova_status status = verifier_remove(verifier, &err);
    if (status == NOVA_OK)
        status = verifier_attend(verifier, feed, &err);
    if (status == NOVA_OK)
        status = verifier_make(&ahead, verifier, feed, &err);
    verifier->word_ms = verifier_clock_ms();
    if (status != NOVA_OK) {
        verifier->failures++;
        if ((verifier->failures & (verifier->failures - 1)) == 0)
            log_warn("verifier: trying again", LOG_INT("attempt", verifier->failures),
                     LOG_ERROR(&err));
        verifier->again_ms = verifier->word_ms + verifier->pause_ms;
        verifier->pause_ms =
            verifier->pause_ms * 2 < PAUSE_MS_MAX ? verifier->pause_ms * 2 : PAUSE_MS_MAX;
        return;
    }
    verifier->failures = 0;
    verifier->pause_ms = PAUSE_MS;
    verifier->again_ms = verifier->word_ms + PAUSE_MS; // two that share it do not take turns fast
    metrics_add(METRIC_VERIFIER_FEEDS, 1);
    pthread_mutex_lock(&verifier->lock);
    enum revocations_feed before = revocations_feed(verifier->revocations);
    revocations_began(verifier->revocations, feed, ahead, verifier->word_ms);
    verifier_note_feed(verifier, before);
    pthread_mutex_unlock(&verifier->lock);
}

// ---- what it brings -----------------------------------------------------------------------------

// A delivery comes under its stream's subject, and under a reply subject that names the durable;
// both nats-server writes. False: another's durable was told to deliver here.
static bool verifier_is_ours(const struct verifier *verifier, const struct delivery *delivery)
{
    return delivery->consumer_len == strlen(verifier->may->durable) &&
           strncmp(delivery->consumer, verifier->may->durable, delivery->consumer_len) == 0;
}

static void verifier_take_end(struct verifier *verifier, natsMsg *msg, int64_t clock_ms)
{
    struct error err = {0};
    struct event event;
    struct delivery delivery;
    struct bytes body = {(const uint8_t *)natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)};
    if (!delivery_parse(&delivery, natsMsg_GetReply(msg)) || !verifier_is_ours(verifier, &delivery))
        return;
    arena_reset(verifier->arena);
    enum nova_status status =
        cloudevents_decode(&event, NULL, verifier->arena, "identity", body, &err);
    if (status == NOVA_OK && strcmp(event.type, "session.revoked") == 0)
        revocations_add(verifier->revocations, &event.aggregate_id, event.recorded_at_us,
                        verifier_now_us());
    else // the filter lets nothing else pass
        log_error("verifier: a delivery is no session's end", LOG_ERROR(&err));
    revocations_delivered(verifier->revocations, delivery.delivery, delivery.behind, clock_ms);
    verifier->word_ms = clock_ms;
    metrics_set(METRIC_VERIFIER_ENDED, revocations_count(verifier->revocations));
}

// A heartbeat comes under the feed's subject, <delivers>.<feed>-<mark>. False: no process of ours
// began it.
static bool verifier_feed_of(int64_t *feed, const struct verifier *verifier, const char *subject)
{
    char ours[SUBJECT_BYTES];
    size_t prefix = strlen(verifier->may->delivers);
    if (strncmp(subject, verifier->may->delivers, prefix) != 0 || subject[prefix] != '.')
        return false;
    *feed = strtoll(subject + prefix + 1, NULL, 10);
    verifier_subject(ours, verifier, *feed);
    return *feed > 0 && strlen(subject) == strlen(ours) &&
           sodium_memcmp(subject, ours, strlen(ours)) == 0;
}

static void verifier_take_heartbeat(struct verifier *verifier, natsMsg *msg, int64_t clock_ms)
{
    const char *code = NULL, *last = NULL;
    int64_t feed = 0;
    if (natsMsgHeader_Get(msg, "Status", &code) != NATS_OK || strcmp(code, "100") != 0 ||
        natsMsgHeader_Get(msg, "Nats-Last-Consumer", &last) != NATS_OK ||
        !verifier_feed_of(&feed, verifier, natsMsg_GetSubject(msg)))
        return;
    revocations_idle(verifier->revocations, feed, strtoll(last, NULL, 10), clock_ms);
    if (revocations_feed(verifier->revocations) == REVOCATIONS_FOLLOWING)
        verifier->word_ms = clock_ms;
}

static void verifier_take(struct verifier *verifier, natsMsg *msg)
{
    int64_t clock_ms = verifier_clock_ms();
    pthread_mutex_lock(&verifier->lock);
    enum revocations_feed before = revocations_feed(verifier->revocations);
    if (natsMsg_GetDataLength(msg) > 0)
        verifier_take_end(verifier, msg, clock_ms);
    else
        verifier_take_heartbeat(verifier, msg, clock_ms);
    verifier_note_feed(verifier, before);
    pthread_mutex_unlock(&verifier->lock);
}

// ---- the thread ---------------------------------------------------------------------------------

static void verifier_hear(struct verifier *verifier, natsMsg *msg)
{
    struct error err;
    verifier_take(verifier, msg);
    int64_t newest = revocations_newest_feed(verifier->revocations);
    if (newest != 0 && verifier_attend(verifier, newest, &err) != NOVA_OK)
        log_warn("verifier: a feed cannot be listened to", LOG_ERROR(&err)); // its silence tells
}

static void verifier_listen(struct verifier *verifier)
{
    natsMsg *msg = NULL;
    natsStatus s = natsSubscription_NextMsg(&msg, verifier->subscription, HEAR_MS);
    if (s == NATS_OK)
        verifier_hear(verifier, msg);
    else if (s != NATS_TIMEOUT) // closed, or something was dropped: the numbers and silence tell
        nats_Sleep(HEAR_MS);
    natsMsg_Destroy(msg);
}

// What passed unnoticed: a lost connection, during which deliveries went nowhere; silence.
static void verifier_watch(struct verifier *verifier)
{
    uint64_t reconnects = bus_connection_reconnects(verifier->options.connection);
    bool silent = verifier_clock_ms() - verifier->word_ms > SILENCE_MS;
    if (reconnects == verifier->reconnects && !silent)
        return;
    verifier->reconnects = reconnects;
    verifier_lose(verifier);
}

static void verifier_tidy(struct verifier *verifier)
{
    int64_t clock_ms = verifier_clock_ms();
    if (clock_ms - verifier->tidied_ms < HEARTBEAT_MS)
        return;
    verifier->tidied_ms = clock_ms;
    pthread_mutex_lock(&verifier->lock);
    revocations_forget(verifier->revocations, verifier_now_us());
    metrics_set(METRIC_VERIFIER_ENDED, revocations_count(verifier->revocations));
    pthread_mutex_unlock(&verifier->lock);
    jwks_renew(verifier->jwks, verifier->options.keys_age_s * 1000);
}

static void *verifier_run(void *context)
{
    struct verifier *verifier = context;
    while (!atomic_load(&verifier->ends)) {
        verifier_watch(verifier);
        if (revocations_feed(verifier->revocations) == REVOCATIONS_LOST &&
            verifier_clock_ms() >= verifier->again_ms)
            verifier_begin(verifier);
        verifier_listen(verifier);
        verifier_tidy(verifier);
    }
    return NULL;
}

static enum nova_status verifier_start(struct verifier *verifier, struct error *err)
{
    char subject[SUBJECT_BYTES];
    struct bus_connection *connection = verifier->options.connection;
    snprintf(subject, sizeof subject, "%s.*", verifier->may->delivers);
    natsStatus s = natsConnection_SubscribeSync(&verifier->subscription,
                                                bus_connection_nats(connection), subject);
    // A feed that is begun comes as fast as it is read from the stream.
    if (s == NATS_OK)
        s = natsSubscription_SetPendingLimits(verifier->subscription, -1,
                                              REVOCATIONS_PENDING_BYTES_MAX);
    if (s != NATS_OK)
        return bus_error(err, s, "listening to ended sessions");
    verifier->reconnects = bus_connection_reconnects(connection);
    if (pthread_create(&verifier->thread, NULL, verifier_run, verifier) != 0)
        return error_set(err, NOVA_RESOURCE_EXHAUSTED, "no thread to listen to ended sessions");
    verifier->is_listening = true;
    return NOVA_OK;
}

// ---- the verifier -------------------------------------------------------------------------------

enum nova_status verifier_create(struct verifier **out, const struct verifier_options *options,
                                 struct error *err)
{
    struct verifier *verifier = calloc(1, sizeof *verifier);
    if (verifier == NULL)
        abort();
    struct revocations_options kept = {.token_lifetime_s = options->token_lifetime_s,
                                       .stale_s = options->stale_s,
                                       .entries_max = REVOCATIONS_MAX};
    randombytes_buf(kept.hash_key, sizeof kept.hash_key);
    verifier->options = *options;
    verifier->may = topology_verifier_find(options->service);
    verifier->source = (struct jwks_source){options->connection, options->token};
    verifier->jwks = options->keys != NULL ? jwks_create(options->keys, options->keys_context)
                                           : jwks_create(jwks_from_identity, &verifier->source);
    verifier->revocations = revocations_create(&kept);
    verifier->arena = arena_create();
    verifier->pause_ms = PAUSE_MS;
    verifier->word_ms = verifier_clock_ms();
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&verifier->lock, NULL);
    pthread_cond_init(&verifier->known, &monotonic);
    pthread_condattr_destroy(&monotonic);
    enum nova_status status =
        verifier->may != NULL
            ? verifier_start(verifier, err)
            : error_set(err, NOVA_FAILED_PRECONDITION, "%s has no VERIFIER in bus/topology.def",
                        options->service);
    if (status != NOVA_OK)
        verifier_destroy(&verifier);
    *out = verifier;
    return status;
}

void verifier_destroy(struct verifier **verifier)
{
    struct verifier *gone = verifier == NULL ? NULL : *verifier;
    if (gone == NULL)
        return;
    atomic_store(&gone->ends, true);
    if (gone->is_listening)
        pthread_join(gone->thread, NULL);
    bus_unsubscribe_callback(&gone->interest);
    bus_unsubscribe(gone->options.connection, &gone->subscription);
    jwks_destroy(&gone->jwks);
    revocations_destroy(&gone->revocations);
    arena_destroy(&gone->arena);
    pthread_cond_destroy(&gone->known);
    pthread_mutex_destroy(&gone->lock);
    free(gone);
    *verifier = NULL;
}

bool verifier_wait(struct verifier *verifier, int64_t wait_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += wait_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&verifier->lock);
    int waited = 0;
    while (!verifier->is_known && waited == 0)
        waited = pthread_cond_timedwait(&verifier->known, &verifier->lock, &until);
    bool is_known = verifier->is_known;
    pthread_mutex_unlock(&verifier->lock);
    return is_known;
}

enum jwks_answer verifier_key(uint8_t public_key[JWT_KEY_BYTES], struct verifier *verifier,
                              const char *kid, bool may_ask)
{
    return jwks_find(public_key, verifier->jwks, kid, may_ask);
}

static enum nova_status verifier_answer(enum revocations_verdict verdict, struct error *err)
{
    switch (verdict) {
    case REVOCATIONS_OPEN:
        return NOVA_OK;
    case REVOCATIONS_ENDED:
        return error_set(err, NOVA_UNAUTHENTICATED, "the token's session has ended; log in");
    case REVOCATIONS_TOO_OLD:
        return error_set(err, NOVA_UNAUTHENTICATED,
                         "the token is older than what is known here of ended sessions; refresh "
                         "it");
    case REVOCATIONS_UNKNOWN:
        break;
    }
    return error_set_transient(err, NOVA_UNAVAILABLE,
                               "which sessions have ended is not known just now; try again");
}

enum nova_status verifier_judge(struct verifier *verifier, const struct jwt_claims *claims,
                                struct error *err)
{
    struct uuid session_id;
    if (!uuid_parse(&session_id, claims->session))
        return error_set(err, NOVA_UNAUTHENTICATED, "the token names no session");
    int64_t now_us = verifier_now_us(), clock_ms = verifier_clock_ms();
    pthread_mutex_lock(&verifier->lock);
    enum revocations_verdict verdict = revocations_judge(verifier->revocations, &session_id,
                                                         claims->issued_at_s, now_us, clock_ms);
    pthread_mutex_unlock(&verifier->lock);
    metrics_add(METRIC_VERIFIER_REFUSED, verdict != REVOCATIONS_OPEN);
    return verifier_answer(verdict, err);
}
