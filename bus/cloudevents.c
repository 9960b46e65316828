// cloudevents.c - see cloudevents.h. Encoding writes the protobuf bytes in one pass into the arena;
// decoding goes through protobuf-c and then wants every attribute in its one form.
#include "bus/cloudevents.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/cloudevents/v1/cloudevents.pb-c.h"
#include "proto/sealed.h"

// ---- encoding -----------------------------------------------------------------------------------

enum { FIELD_LEN = 2 };
enum { CE_ID = 1, CE_SOURCE = 2, CE_SPEC_VERSION = 3, CE_TYPE = 4, CE_ATTRIBUTES = 5, CE_DATA = 6 };
enum { VALUE_STRING = 3, VALUE_BYTES = 4, VALUE_TIME = 7 };

struct writer {
    uint8_t *data;
    size_t len, cap;
};

static void put_varint(struct writer *w, uint64_t value)
{
    assert(w->len + 10 <= w->cap);
    for (; value >= 0x80; value >>= 7)
        w->data[w->len++] = (uint8_t)(value | 0x80);
    w->data[w->len++] = (uint8_t)value;
}

static void put_bytes(struct writer *w, int field, const void *data, size_t len)
{
    put_varint(w, (uint64_t)field << 3 | FIELD_LEN);
    put_varint(w, len);
    assert(w->len + len <= w->cap);
    if (len > 0)
        memcpy(w->data + w->len, data, len);
    w->len += len;
}

static void put_text(struct writer *w, int field, const char *text)
{
    put_bytes(w, field, text, strlen(text));
}

// One entry of the map: {1: key, 2: {kind: data}}.
static void put_attribute(struct writer *w, const char *key, int kind, const void *data, size_t len)
{
    uint8_t value_data[512], entry_data[640];
    struct writer value = {value_data, 0, sizeof value_data};
    struct writer entry = {entry_data, 0, sizeof entry_data};
    put_bytes(&value, kind, data, len);
    put_text(&entry, 1, key);
    put_bytes(&entry, 2, value.data, value.len);
    put_bytes(w, CE_ATTRIBUTES, entry.data, entry.len);
}

static void put_attribute_text(struct writer *w, const char *key, const char *text)
{
    put_attribute(w, key, VALUE_STRING, text, strlen(text));
}

static void put_attribute_number(struct writer *w, const char *key, int64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, number);
    put_attribute_text(w, key, text);
}

static void put_attribute_id(struct writer *w, const char *key, const struct uuid *id)
{
    char text[UUID_TEXT_BYTES];
    uuid_format(text, id);
    put_attribute_text(w, key, text);
}

// google.protobuf.Timestamp: whole seconds (may be negative) and nanoseconds from 0 on.
static void put_attribute_time(struct writer *w, const char *key, int64_t us)
{
    uint8_t data[32];
    struct writer time = {data, 0, sizeof data};
    int64_t seconds = us / 1000000 - (us % 1000000 < 0), rest_us = us - seconds * 1000000;
    if (seconds != 0) {
        put_varint(&time, 1 << 3);
        put_varint(&time, (uint64_t)seconds);
    }
    if (rest_us != 0) {
        put_varint(&time, 2 << 3);
        put_varint(&time, (uint64_t)(rest_us * 1000));
    }
    put_attribute(w, key, VALUE_TIME, time.data, time.len);
}

// a-z first, then also underscores; how many bytes of `text` are such a word.
static size_t word_bytes(const char *text)
{
    return *text == '_' ? 0 : strspn(text, "abcdefghijklmnopqrstuvwxyz_");
}

bool event_type_is_good(const char *type)
{
    size_t aggregate = word_bytes(type);
    if (aggregate == 0 || type[aggregate] != '.')
        return false;
    size_t event = word_bytes(type + aggregate + 1), len = aggregate + 1 + event;
    return event > 0 && type[len] == '\0' && len <= EVENT_TYPE_BYTES_MAX;
}

static bool aggregate_type_is_good(const char *type)
{
    size_t len = word_bytes(type);
    return len > 0 && type[len] == '\0' && len <= EVENT_TYPE_BYTES_MAX;
}

// Printable ASCII, as every actor of ours is.
static bool actor_is_good(const char *actor)
{
    size_t len = 0;
    while (actor[len] >= ' ' && actor[len] <= '~' && len <= EVENT_ACTOR_BYTES_MAX)
        len++;
    return len > 0 && actor[len] == '\0' && len <= EVENT_ACTOR_BYTES_MAX;
}

static bool time_is_good(int64_t us)
{
    return us >= EVENT_TIME_US_MIN && us <= EVENT_TIME_US_MAX;
}

static bool traceparent_is_good(const char *traceparent)
{
    return traceparent == NULL ||
           strnlen(traceparent, EVENT_TRACEPARENT_BYTES_MAX + 1) <= EVENT_TRACEPARENT_BYTES_MAX;
}

// What a row may not hold, though PostgreSQL let it in: before its checks were there, or by a
// superuser's hand. Nothing behind this relies on the outbox's own checks.
static enum nova_status encode_check(const struct event *event,
                                     const struct cloudevents_extra *extra, struct error *err)
{
    const struct {
        bool good;
        const char *column, *wrong;
    } checks[] = {
        {event_type_is_good(event->type), "type", "no <aggregate>.<event>, or too long"},
        {aggregate_type_is_good(event->aggregate_type), "aggregate_type", "no word, or too long"},
        {actor_is_good(event->actor), "actor", "empty, too long, or not printable ASCII"},
        {event->version > 0, "version", "below 1"},
        {extra->command_index >= 0, "command_index", "below 0"},
        {extra->command_digest.len == EVENT_DIGEST_BYTES, "command_digest", "not of 32 bytes"},
        {time_is_good(event->occurred_at_us), "occurred_at", "not in the years 1 to 9999"},
        {time_is_good(event->recorded_at_us), "recorded_at", "not in the years 1 to 9999"},
        {traceparent_is_good(extra->traceparent), "traceparent", "too long"},
        {event->payload.len <= EVENT_PAYLOAD_BYTES_MAX, "payload", "too long"},
    };
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        if (!checks[i].good)
            return error_set(err, NOVA_DATA_LOSS,
                             "the event at position %" PRId64 " cannot be published: its %s is %s",
                             event->position, checks[i].column, checks[i].wrong);
    return NOVA_OK;
}

enum nova_status cloudevents_encode(struct bytes *out, struct arena *arena, const char *service,
                                    const struct event *event,
                                    const struct cloudevents_extra *extra, struct error *err)
{
    enum nova_status status = encode_check(event, extra, err);
    if (status != NOVA_OK)
        return status;
    char id[UUID_TEXT_BYTES], source[64];
    struct writer w = {NULL, 0, EVENT_ENVELOPE_BYTES_MAX + event->payload.len + 16};
    w.data = arena_alloc(arena, w.cap);
    uuid_format(id, &event->event_id);
    snprintf(source, sizeof source, "/nova/%s", service);
    put_text(&w, CE_ID, id);
    put_text(&w, CE_SOURCE, source);
    put_text(&w, CE_SPEC_VERSION, "1.0");
    put_text(&w, CE_TYPE, event->type);
    put_attribute_id(&w, "subject", &event->aggregate_id);
    put_attribute_time(&w, "time", event->occurred_at_us);
    put_attribute_time(&w, "recordedtime", event->recorded_at_us);
    put_attribute_number(&w, "sequence", event->n);
    put_attribute_number(&w, "position", event->position);
    put_attribute_id(&w, "logid", &event->log_id);
    put_attribute_text(&w, "aggregatetype", event->aggregate_type);
    put_attribute_number(&w, "aggregateversion", event->version);
    put_attribute_text(&w, "actor", event->actor);
    put_attribute_id(&w, "commandid", &event->command_id);
    put_attribute_number(&w, "commandindex", extra->command_index);
    put_attribute(&w, "commanddigest", VALUE_BYTES, extra->command_digest.data,
                  extra->command_digest.len);
    put_attribute_id(&w, "correlationid", &event->correlation_id);
    put_attribute_id(&w, "causationid", &event->causation_id);
    if (extra->traceparent != NULL)
        put_attribute_text(&w, "traceparent", extra->traceparent);
    put_bytes(&w, CE_DATA, event->payload.data, event->payload.len);
    *out = (struct bytes){w.data, w.len};
    return NOVA_OK;
}

// ---- decoding -----------------------------------------------------------------------------------

typedef Io__Cloudevents__V1__CloudEvent__CloudEventAttributeValue attribute;

struct reading {
    const Io__Cloudevents__V1__CloudEvent *message;
    const char *wrong; // the first attribute that is missing or malformed
};

static const attribute *get_attribute(struct reading *r, const char *key, int kind)
{
    for (size_t i = 0; i < r->message->n_attributes; i++) {
        const Io__Cloudevents__V1__CloudEvent__AttributesEntry *entry = r->message->attributes[i];
        if (strcmp(entry->key, key) == 0 && entry->value != NULL &&
            (int)entry->value->attr_case == kind)
            return entry->value;
    }
    if (r->wrong == NULL)
        r->wrong = key;
    return NULL;
}

static const char *get_text(struct reading *r, const char *key)
{
    const attribute *value = get_attribute(r, key, VALUE_STRING);
    return value == NULL ? "" : value->ce_string;
}

static struct uuid get_id(struct reading *r, const char *key)
{
    struct uuid id = {0};
    if (!uuid_parse(&id, get_text(r, key)) && r->wrong == NULL)
        r->wrong = key;
    return id;
}

static int64_t get_number(struct reading *r, const char *key)
{
    char *end = NULL;
    const char *text = get_text(r, key);
    int64_t number = strtoll(text, &end, 10);
    if ((*text == '\0' || *end != '\0') && r->wrong == NULL)
        r->wrong = key;
    return number;
}

static int64_t get_time(struct reading *r, const char *key)
{
    const attribute *value = get_attribute(r, key, VALUE_TIME);
    if (value == NULL)
        return 0;
    const Google__Protobuf__Timestamp *time = value->ce_timestamp;
    const int64_t seconds_max = INT64_MAX / 2000000; // and no llabs: INT64_MIN has none
    if (time->seconds > seconds_max || time->seconds < -seconds_max) {
        r->wrong = r->wrong == NULL ? key : r->wrong;
        return 0;
    }
    return time->seconds * 1000000 + time->nanos / 1000;
}

static void get_extra(struct cloudevents_extra *out, struct reading *r)
{
    const attribute *digest = get_attribute(r, "commanddigest", VALUE_BYTES);
    *out = (struct cloudevents_extra){.command_index = (int32_t)get_number(r, "commandindex")};
    if (digest != NULL)
        out->command_digest = (struct bytes){digest->ce_bytes.data, digest->ce_bytes.len};
    struct reading optional = {r->message, NULL};
    const attribute *trace = get_attribute(&optional, "traceparent", VALUE_STRING);
    out->traceparent = trace == NULL ? NULL : trace->ce_string;
}

static void get_event(struct event *out, struct reading *r)
{
    const Io__Cloudevents__V1__CloudEvent *message = r->message;
    *out = (struct event){
        .n = get_number(r, "sequence"),
        .position = get_number(r, "position"),
        .log_id = get_id(r, "logid"),
        .type = message->type,
        .aggregate_type = get_text(r, "aggregatetype"),
        .aggregate_id = get_id(r, "subject"),
        .version = get_number(r, "aggregateversion"),
        .actor = get_text(r, "actor"),
        .command_id = get_id(r, "commandid"),
        .correlation_id = get_id(r, "correlationid"),
        .causation_id = get_id(r, "causationid"),
        .occurred_at_us = get_time(r, "time"),
        .recorded_at_us = get_time(r, "recordedtime"),
        .payload = {message->binary_data.data, message->binary_data.len},
    };
    if (!uuid_parse(&out->event_id, message->id))
        r->wrong = "id";
    if (message->data_case != IO__CLOUDEVENTS__V1__CLOUD_EVENT__DATA_BINARY_DATA)
        r->wrong = "data";
}

enum nova_status cloudevents_decode(struct event *out, struct cloudevents_extra *extra,
                                    struct arena *arena, const char *service, struct bytes message,
                                    struct error *err)
{
    char source[64];
    snprintf(source, sizeof source, "/nova/%s", service);
    struct reading r = {
        (const void *)message_unpack(arena, &io__cloudevents__v1__cloud_event__descriptor, message),
        NULL};
    if (r.message == NULL)
        return error_set(err, NOVA_DATA_LOSS, "a message of %s is no CloudEvent", service);
    if (strcmp(r.message->source, source) != 0 || strcmp(r.message->spec_version, "1.0") != 0)
        return error_set(err, NOVA_DATA_LOSS, "a message in %s's stream is not from %s", service,
                         source);
    struct cloudevents_extra own_extra;
    get_event(out, &r);
    get_extra(extra == NULL ? &own_extra : extra, &r);
    if (r.wrong != NULL)
        return error_set(err, NOVA_DATA_LOSS, "an event of %s has no good attribute %s", service,
                         r.wrong);
    return NOVA_OK;
}
