// rpc_headers.c - the headers of requests and replies, written and read strictly.
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus/rpc_internal.h"
#include "bus/topology.h"

#define H_TOKEN "Authorization"
#define H_ON_BEHALF_OF "Nova-On-Behalf-Of"
#define H_COMMAND_ID "Nova-Command-Id"
#define H_CORRELATION_ID "Nova-Correlation-Id"
#define H_OCCURRED_AT "Nova-Occurred-At"
#define H_DEADLINE "Nova-Deadline"
#define H_MIN_POSITION "Nova-Min-Position"
#define H_TRACEPARENT "traceparent"

int64_t rpc_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void rpc_header_clean(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 127)
            *text = ' ';
}

// ---- writing ------------------------------------------------------------------------------------

static natsStatus headers_put_id(natsMsg *msg, const char *key, const struct uuid *id)
{
    char text[UUID_TEXT_BYTES];
    if (uuid_is_nil(id))
        return NATS_OK;
    uuid_format(text, id);
    return natsMsgHeader_Set(msg, key, text);
}

static natsStatus headers_put_number(natsMsg *msg, const char *key, int64_t number)
{
    char text[32];
    if (number == 0)
        return NATS_OK;
    snprintf(text, sizeof text, "%" PRId64, number);
    return natsMsgHeader_Set(msg, key, text);
}

static natsStatus headers_put_positions(natsMsg *msg, const struct rpc_headers *headers)
{
    char text[RPC_POSITIONS_MAX * 64] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < headers->min_position_count; i++)
        used +=
            (size_t)snprintf(text + used, sizeof text - used, "%s%s:%" PRId64, i == 0 ? "" : ",",
                             headers->min_positions[i].service, headers->min_positions[i].position);
    return used == 0 ? NATS_OK : natsMsgHeader_Set(msg, H_MIN_POSITION, text);
}

enum nova_status rpc_headers_write(natsMsg *msg, const struct rpc_headers *headers,
                                   struct error *err)
{
    char bearer[RPC_TOKEN_BYTES_MAX + 8];
    natsStatus s = NATS_OK;
    if (headers->token != NULL) {
        if (snprintf(bearer, sizeof bearer, "Bearer %s", headers->token) >= (int)sizeof bearer)
            return error_set(err, NOVA_INVALID_ARGUMENT, "the token is longer than %d bytes",
                             RPC_TOKEN_BYTES_MAX);
        rpc_header_clean(bearer);
        s = natsMsgHeader_Set(msg, H_TOKEN, bearer);
    }
    s = s ? s : headers_put_id(msg, H_ON_BEHALF_OF, &headers->on_behalf_of);
    s = s ? s : headers_put_id(msg, H_COMMAND_ID, &headers->command_id);
    s = s ? s : headers_put_id(msg, H_CORRELATION_ID, &headers->correlation_id);
    s = s ? s : headers_put_number(msg, H_OCCURRED_AT, headers->occurred_at_us);
    s = s ? s : headers_put_number(msg, H_DEADLINE, headers->deadline_us);
    s = s ? s : headers_put_positions(msg, headers);
    if (s == NATS_OK && headers->traceparent != NULL)
        s = natsMsgHeader_Set(msg, H_TRACEPARENT, headers->traceparent);
    return s == NATS_OK ? NOVA_OK : bus_error(err, s, "writing a request's headers");
}

// ---- reading ------------------------------------------------------------------------------------

static enum nova_status headers_bad(struct error *err, const char *key, const char *what)
{
    return error_set(err, NOVA_INVALID_ARGUMENT, "header %s is not %s", key, what);
}

static const char *headers_get(natsMsg *msg, const char *key)
{
    const char *text = NULL;
    return natsMsgHeader_Get(msg, key, &text) == NATS_OK ? text : NULL;
}

static enum nova_status headers_get_id(struct uuid *out, natsMsg *msg, const char *key,
                                       struct error *err)
{
    const char *text = headers_get(msg, key);
    if (text != NULL && !uuid_parse(out, text))
        return headers_bad(err, key, "a UUID");
    return NOVA_OK;
}

static bool number_parse(int64_t *out, const char *text, size_t len)
{
    char digits[24], *end = NULL;
    if (len == 0 || len >= sizeof digits)
        return false;
    memcpy(digits, text, len);
    digits[len] = '\0';
    if (strspn(digits, "0123456789") != len)
        return false;
    errno = 0;
    *out = strtoll(digits, &end, 10);
    return errno == 0 && *end == '\0';
}

static enum nova_status headers_get_number(int64_t *out, natsMsg *msg, const char *key,
                                           struct error *err)
{
    const char *text = headers_get(msg, key);
    if (text != NULL && !number_parse(out, text, strlen(text)))
        return headers_bad(err, key, "a time in microseconds");
    return NOVA_OK;
}

bool rpc_position_parse(struct rpc_position *out, const char *text, size_t len)
{
    const char *colon = memchr(text, ':', len);
    size_t name_len = colon == NULL ? 0 : (size_t)(colon - text);
    if (colon == NULL || name_len == 0 || name_len >= sizeof out->service)
        return false;
    memcpy(out->service, text, name_len);
    out->service[name_len] = '\0';
    return number_parse(&out->position, colon + 1, len - name_len - 1);
}

static enum nova_status headers_get_positions(struct rpc_headers *out, natsMsg *msg,
                                              struct error *err)
{
    const char *text = headers_get(msg, H_MIN_POSITION);
    while (text != NULL && *text != '\0') {
        size_t len = strcspn(text, ",");
        if (out->min_position_count == RPC_POSITIONS_MAX ||
            !rpc_position_parse(&out->min_positions[out->min_position_count], text, len) ||
            topology_stream_of(out->min_positions[out->min_position_count].service) == NULL)
            return headers_bad(err, H_MIN_POSITION,
                               "at most 8 of <service>:<position>, services that have a stream");
        out->min_position_count++;
        text += len + (text[len] == ',');
    }
    return NOVA_OK;
}

// W3C trace context, version 00: 00-<32 hex>-<16 hex>-<2 hex>. Another one is left out, as the
// recommendation asks, not refused.
static const char *headers_get_traceparent(natsMsg *msg, struct arena *arena)
{
    const char *text = headers_get(msg, H_TRACEPARENT);
    if (text == NULL || strlen(text) != RPC_TRACEPARENT_BYTES - 1 ||
        strspn(text, "0123456789abcdef-") != RPC_TRACEPARENT_BYTES - 1 || text[2] != '-' ||
        text[35] != '-' || text[52] != '-')
        return NULL;
    return arena_strdup(arena, text);
}

static enum nova_status headers_get_token(const char **out, natsMsg *msg, struct arena *arena,
                                          struct error *err)
{
    const char *text = headers_get(msg, H_TOKEN);
    if (text == NULL)
        return NOVA_OK;
    if (strncmp(text, "Bearer ", 7) != 0 || strlen(text) > RPC_TOKEN_BYTES_MAX)
        return error_set(err, NOVA_UNAUTHENTICATED, "header %s is not 'Bearer <token>'", H_TOKEN);
    *out = arena_strdup(arena, text + 7);
    return NOVA_OK;
}

enum nova_status rpc_headers_read(struct rpc_headers *out, natsMsg *msg, struct arena *arena,
                                  struct error *err)
{
    *out = (struct rpc_headers){0};
    enum nova_status s = headers_get_token(&out->token, msg, arena, err);
    s = s ? s : headers_get_id(&out->on_behalf_of, msg, H_ON_BEHALF_OF, err);
    s = s ? s : headers_get_id(&out->command_id, msg, H_COMMAND_ID, err);
    s = s ? s : headers_get_id(&out->correlation_id, msg, H_CORRELATION_ID, err);
    s = s ? s : headers_get_number(&out->occurred_at_us, msg, H_OCCURRED_AT, err);
    if (s == NOVA_OK && out->occurred_at_us > EVENT_TIME_US_MAX)
        s = headers_bad(err, H_OCCURRED_AT, "before the year 10000");
    s = s ? s : headers_get_number(&out->deadline_us, msg, H_DEADLINE, err);
    s = s ? s : headers_get_positions(out, msg, err);
    out->traceparent = headers_get_traceparent(msg, arena);
    return s;
}
