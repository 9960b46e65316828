// log_event.c - see log_event.h.
#include "cli/log_event.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "aggregates/runtime/runtime.h"
#include "base/access.h"
#include "base/timestamp.h"
#include "proto/json.h"
#include "proto/sealed.h"

enum { SERVICES_MAX = 16 };

// What opens one service's events; runtime NULL: nothing does.
struct opener {
    const char *service;
    struct seal_key master;
    struct pg *pg;
    struct runtime *runtime;
};

struct log_keys {
    const struct settings *settings;
    bool open;
    size_t count;
    struct opener openers[SERVICES_MAX];
};

struct log_keys *log_keys_create(const struct settings *settings, bool open)
{
    struct error ignored;
    struct log_keys *keys = calloc(1, sizeof *keys);
    if (keys == NULL)
        abort();
    keys->settings = settings;
    keys->open = open && seal_start(&ignored) == NOVA_OK;
    return keys;
}

void log_keys_destroy(struct log_keys **keys)
{
    if (*keys == NULL)
        return;
    for (size_t i = 0; i < (*keys)->count; i++) {
        runtime_destroy(&(*keys)->openers[i].runtime);
        pg_destroy(&(*keys)->openers[i].pg);
        seal_key_forget(&(*keys)->openers[i].master);
    }
    free(*keys);
    *keys = NULL;
}

// ---- keys ---------------------------------------------------------------------------------------

// No credentials at hand is no error: then the service's events stay sealed.
static void opener_start(struct opener *opener, const struct settings *settings)
{
    struct error why;
    char url[ACCESS_URL_BYTES], role[ACCESS_NAME_BYTES];
    snprintf(role, sizeof role, "%s_service", opener->service);
    if (access_master_key(&opener->master, settings, opener->service, &why) == NOVA_OK &&
        access_postgres_url(url, settings, opener->service, role, &why) == NOVA_OK &&
        pg_connect(&opener->pg, url, "nova log", &why) == NOVA_OK &&
        runtime_create(&opener->runtime, opener->service, opener->pg, &opener->master, &why) !=
            NOVA_OK)
        opener->runtime = NULL;
    explicit_bzero(url, sizeof url);
}

static struct opener *opener_of(struct log_keys *keys, const char *service)
{
    for (size_t i = 0; i < keys->count; i++)
        if (strcmp(keys->openers[i].service, service) == 0)
            return &keys->openers[i];
    assert(keys->count < SERVICES_MAX);
    struct opener *opener = &keys->openers[keys->count++];
    *opener = (struct opener){.service = service};
    if (keys->open)
        opener_start(opener, keys->settings);
    return opener;
}

// ---- one event ----------------------------------------------------------------------------------

struct decoding {
    const struct contract_event *type; // NULL: of a version that this binary does not know
    ProtobufCMessage *payload;
    const Nova__Common__V1__Sealed *sealed;
};

static void put_id(json_t *json, const char *name, const struct uuid *id)
{
    char text[UUID_TEXT_BYTES];
    uuid_format(text, id);
    json_object_set_new(json, name, json_string(text));
}

static void put_time(json_t *json, const char *name, int64_t unix_us)
{
    char text[TIMESTAMP_BYTES];
    timestamp_format(text, unix_us);
    json_object_set_new(json, name, json_string(text));
}

static json_t *envelope_json(const char *service, const struct event *event,
                             const char *traceparent)
{
    json_t *json = json_object();
    put_time(json, "recorded_at", event->recorded_at_us);
    json_object_set_new(json, "service", json_string(service));
    json_object_set_new(json, "position", json_integer(event->position));
    json_object_set_new(json, "type", json_string(event->type));
    json_object_set_new(json, "aggregate_type", json_string(event->aggregate_type));
    put_id(json, "aggregate_id", &event->aggregate_id);
    json_object_set_new(json, "version", json_integer(event->version));
    json_object_set_new(json, "actor", json_string(event->actor));
    put_time(json, "occurred_at", event->occurred_at_us);
    put_id(json, "event_id", &event->event_id);
    put_id(json, "command_id", &event->command_id);
    put_id(json, "correlation_id", &event->correlation_id);
    put_id(json, "causation_id", &event->causation_id);
    put_id(json, "log_id", &event->log_id);
    if (traceparent != NULL)
        json_object_set_new(json, "traceparent", json_string(traceparent));
    return json;
}

static const struct seal_key *find_key(const struct person_key *keys, size_t count,
                                       const Nova__Common__V1__Sealed *sealed)
{
    for (size_t i = 0; i < count; i++)
        if (sealed->key_id.len == sizeof keys->key_id.bytes &&
            memcmp(keys[i].key_id.bytes, sealed->key_id.data, sealed->key_id.len) == 0)
            return &keys[i].key;
    return NULL;
}

static json_t *sealed_json(const struct decoding *decoding, const struct event *event,
                           const struct opener *opener, const struct person_key *keys,
                           size_t key_count, struct arena *arena)
{
    struct error why;
    ProtobufCMessage *personal = NULL;
    if (opener->runtime == NULL)
        return json_string("<sealed>");
    const struct seal_key *key = find_key(keys, key_count, decoding->sealed);
    if (key == NULL)
        return json_string("<erased>");
    return sealed_open(&personal, arena, decoding->type, &event->event_id, decoding->sealed, key,
                       &why) == NOVA_OK
               ? json_of_message(personal)
               : json_string("<does not open>");
}

static json_t *payload_json(const struct decoding *decoding, const struct event *event,
                            const struct opener *opener, const struct person_key *keys,
                            size_t key_count, struct arena *arena)
{
    if (decoding->payload == NULL) // a newer producer's, or damaged: its bytes are all there is
        return json_string("<unknown>");
    if (decoding->sealed != NULL)
        contract_sealed_put(decoding->type, decoding->payload, NULL);
    json_t *json = json_of_message(decoding->payload);
    if (decoding->sealed != NULL)
        json_object_set_new(json, "sealed",
                            sealed_json(decoding, event, opener, keys, key_count, arena));
    return json;
}

// ---- a batch ------------------------------------------------------------------------------------

static size_t decode(struct decoding *out, struct uuid *key_ids, const char *service,
                     const struct event *events, size_t count, struct arena *arena)
{
    size_t key_count = 0;
    for (size_t i = 0; i < count; i++) {
        out[i] = (struct decoding){.type = contract_event_find(service, events[i].type)};
        if (out[i].type == NULL)
            continue;
        out[i].payload = message_unpack(arena, out[i].type->payload, events[i].payload);
        if (out[i].payload == NULL)
            continue;
        out[i].sealed = contract_sealed_of(out[i].type, out[i].payload);
        if (out[i].sealed != NULL && out[i].sealed->key_id.len == sizeof key_ids->bytes)
            memcpy(key_ids[key_count++].bytes, out[i].sealed->key_id.data, sizeof key_ids->bytes);
    }
    return key_count;
}

enum nova_status log_events_json(json_t **out, struct log_keys *keys, const char *service,
                                 const struct event *events, const char *const *traceparents,
                                 size_t count, struct error *err)
{
    assert(count <= LOG_EVENTS_MAX);
    struct arena *arena = arena_create();
    struct opener *opener = opener_of(keys, service);
    struct decoding *decodings = arena_alloc(arena, count * sizeof *decodings);
    struct uuid *ids = arena_alloc(arena, count * sizeof *ids);
    struct person_key *found = NULL;
    size_t found_count = 0, id_count = decode(decodings, ids, service, events, count, arena);
    enum nova_status status = NOVA_OK;
    if (opener->runtime != NULL && id_count > 0)
        status =
            runtime_person_keys(&found, &found_count, opener->runtime, ids, id_count, arena, err);
    for (size_t i = 0; i < count && status == NOVA_OK; i++) {
        out[i] = envelope_json(service, &events[i], traceparents[i]);
        json_object_set_new(
            out[i], "payload",
            payload_json(&decodings[i], &events[i], opener, found, found_count, arena));
    }
    for (size_t i = 0; i < found_count; i++)
        seal_key_forget(&found[i].key);
    arena_destroy(&arena);
    return status;
}

// ---- printing -----------------------------------------------------------------------------------

static const char *const columns[] = {
    "recorded_at",  "service", "position",    "type",     "aggregate_type", "aggregate_id",
    "version",      "actor",   "occurred_at", "event_id", "command_id",     "correlation_id",
    "causation_id", "log_id",  "traceparent", "payload"};
enum { COLUMN_COUNT = sizeof columns / sizeof *columns };

void log_print_header(enum log_format format)
{
    for (size_t i = 0; format == LOG_FORMAT_CSV && i < COLUMN_COUNT; i++)
        printf("%s%s", columns[i], i + 1 < COLUMN_COUNT ? "," : "\r\n");
}

// RFC 4180: quoted when it must be, quotes doubled.
static void print_csv_field(const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, stdout);
        return;
    }
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    putchar('"');
}

static void print_csv(const json_t *event)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        const json_t *value = json_object_get(event, columns[i]);
        if (json_is_integer(value))
            printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
        else if (json_is_string(value))
            print_csv_field(json_string_value(value));
        else if (value != NULL) {
            char *text = json_dumps(value, JSON_COMPACT);
            print_csv_field(text);
            free(text);
        }
        fputs(i + 1 < COLUMN_COUNT ? "," : "\r\n", stdout);
    }
}

static const char *text_of(const json_t *event, const char *key)
{
    return json_string_value(json_object_get(event, key));
}

static void print_text(const json_t *event)
{
    char *payload = json_dumps(json_object_get(event, "payload"), JSON_COMPACT | JSON_ENCODE_ANY);
    printf("%s %s:%" JSON_INTEGER_FORMAT " %s %s v%" JSON_INTEGER_FORMAT " by %s\n    %s\n",
           text_of(event, "recorded_at"), text_of(event, "service"),
           json_integer_value(json_object_get(event, "position")), text_of(event, "type"),
           text_of(event, "aggregate_id"), json_integer_value(json_object_get(event, "version")),
           text_of(event, "actor"), payload);
    free(payload);
}

void log_print(const json_t *event, enum log_format format)
{
    if (format == LOG_FORMAT_CSV) {
        print_csv(event);
    } else if (format == LOG_FORMAT_TEXT) {
        print_text(event);
    } else {
        json_dumpf(event, stdout, JSON_COMPACT);
        putchar('\n');
    }
}
