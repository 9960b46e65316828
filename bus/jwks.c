// jwks.c - see jwks.h.
#include "bus/jwks.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base64url.h"
#include "base/metrics.h"
#include "nova/identity/v2/identity.pb-c.h"

struct jwks {
    jwks_fetch fetch;
    void *context;
    pthread_mutex_t lock; // of all below
    struct jwks_key keys[AUTH_KEYS_MAX];
    size_t count;
    int64_t asked_ms;   // when the last question ended
    bool answered;      // and whether it brought keys
    int64_t fetched_ms; // when the keys came; 0: never
    bool asking;
    uint32_t waiting;     // for a question to end
    pthread_cond_t ended; // a question
};

static int64_t jwks_now_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct jwks *jwks_create(jwks_fetch fetch, void *context)
{
    struct jwks *jwks = calloc(1, sizeof *jwks);
    if (jwks == NULL)
        abort();
    jwks->fetch = fetch;
    jwks->context = context;
    jwks->asked_ms = -JWKS_REFRESH_MS;
    pthread_mutex_init(&jwks->lock, NULL);
    pthread_cond_init(&jwks->ended, NULL);
    return jwks;
}

void jwks_destroy(struct jwks **jwks)
{
    if (jwks == NULL || *jwks == NULL)
        return;
    pthread_cond_destroy(&(*jwks)->ended);
    pthread_mutex_destroy(&(*jwks)->lock);
    free(*jwks);
    *jwks = NULL;
}

// ---- asking -------------------------------------------------------------------------------------

// Called under the lock, which it leaves meanwhile: whose key is known does not wait.
static void jwks_ask(struct jwks *jwks)
{
    struct jwks_key keys[AUTH_KEYS_MAX] = {0};
    size_t count = 0;
    jwks->asking = true;
    pthread_mutex_unlock(&jwks->lock);
    bool answered = jwks->fetch(jwks->context, keys, AUTH_KEYS_MAX, &count, NULL) == NOVA_OK;
    metrics_add(METRIC_VERIFIER_KEY_FETCHES, 1);
    pthread_mutex_lock(&jwks->lock);
    jwks->asked_ms = jwks_now_ms(CLOCK_MONOTONIC);
    if (answered) { // else the old keys stay
        memcpy(jwks->keys, keys, sizeof keys);
        jwks->count = count;
        jwks->fetched_ms = jwks->asked_ms;
    }
    jwks->answered = answered;
    jwks->asking = false;
    pthread_cond_broadcast(&jwks->ended);
}

// An unknown key: one thread asks, one more waits for it, so that a stream of made-up tokens never
// holds all workers; the others are told to come again. Only before the first keys have come all
// of them wait: nobody's is known yet. Called under the lock. False: whether there is such a key
// could not be found out.
static bool jwks_ask_once(struct jwks *jwks)
{
    if (!jwks->asking && jwks_now_ms(CLOCK_MONOTONIC) - jwks->asked_ms < JWKS_REFRESH_MS)
        return jwks->answered;
    if (!jwks->asking) {
        jwks_ask(jwks);
        return jwks->answered;
    }
    if (jwks->waiting > 0 && jwks->count > 0)
        return false;
    jwks->waiting++;
    while (jwks->asking)
        pthread_cond_wait(&jwks->ended, &jwks->lock);
    jwks->waiting--;
    return jwks->answered;
}

static const struct jwks_key *jwks_look(const struct jwks *jwks, const char *kid)
{
    for (size_t i = 0; i < jwks->count; i++)
        if (strcmp(jwks->keys[i].kid, kid) == 0)
            return &jwks->keys[i];
    return NULL;
}

enum jwks_answer jwks_find(uint8_t public_key[JWT_KEY_BYTES], struct jwks *jwks, const char *kid,
                           bool may_ask)
{
    bool sure = true;
    pthread_mutex_lock(&jwks->lock);
    const struct jwks_key *key = jwks_look(jwks, kid);
    if (key == NULL) {
        sure = may_ask && jwks_ask_once(jwks);
        key = jwks_look(jwks, kid);
    }
    if (key != NULL)
        memcpy(public_key, key->public_key, JWT_KEY_BYTES);
    pthread_mutex_unlock(&jwks->lock);
    return key != NULL ? JWKS_KNOWN : sure ? JWKS_UNKNOWN : JWKS_UNSURE;
}

void jwks_renew(struct jwks *jwks, int64_t age_ms_max)
{
    pthread_mutex_lock(&jwks->lock);
    int64_t now_ms = jwks_now_ms(CLOCK_MONOTONIC);
    if (jwks->fetched_ms > 0 && !jwks->asking && now_ms - jwks->fetched_ms >= age_ms_max &&
        now_ms - jwks->asked_ms >= JWKS_REFRESH_MS)
        jwks_ask(jwks);
    pthread_mutex_unlock(&jwks->lock);
}

// ---- identity's answer --------------------------------------------------------------------------

enum nova_status jwks_from_identity(void *context, struct jwks_key *keys, size_t cap, size_t *count,
                                    struct error *err)
{
    struct jwks_source *source = context;
    struct arena *arena = arena_create();
    Nova__Identity__V2__GetJwksRequest request = NOVA__IDENTITY__V2__GET_JWKS_REQUEST__INIT;
    struct rpc_headers headers = {.token = process_token_text(source->token, arena),
                                  .deadline_us =
                                      (jwks_now_ms(CLOCK_REALTIME) + JWKS_FETCH_MS) * 1000};
    ProtobufCMessage *reply = NULL;
    enum nova_status status = rpc_call(&reply, NULL, source->connection, "identity", "GetJwks",
                                       &request.base, &headers, arena, err);
    const Nova__Identity__V2__GetJwksReply *jwks = (void *)reply;
    *count = 0;
    for (size_t i = 0; status == NOVA_OK && i < jwks->n_keys && *count < cap; i++) {
        struct jwks_key *key = &keys[*count];
        if (strlen(jwks->keys[i]->kid) < sizeof key->kid &&
            base64url_decode(key->public_key, sizeof key->public_key, jwks->keys[i]->x,
                             strlen(jwks->keys[i]->x))) {
            strcpy(key->kid, jwks->keys[i]->kid);
            (*count)++;
        }
    }
    arena_destroy(&arena);
    return status;
}
