// import_line.c - see import_line.h.
#include "cli/import_line.h"

#include <stdlib.h>
#include <string.h>

#include "base/timestamp.h"
#include "cli/client.h"
#include "proto/json.h"
#include "proto/sealed.h"

// The namespace of command ids that are made of a line's bytes.
static const struct uuid line_namespace = {{0x5d, 0x1a, 0x6f, 0x0b, 0x2e, 0x7c, 0x48, 0x8f, 0x9b,
                                            0x61, 0x0d, 0x54, 0xc2, 0x3e, 0x97, 0xa0}};

static const char *const known_keys[] = {"service",    "method",      "request",
                                         "command_id", "occurred_at", "on_behalf_of"};

static enum nova_status check_keys(const json_t *json, struct error *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(json))
        return error_set(err, NOVA_INVALID_ARGUMENT, "the line is no JSON object");
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        bool known = false;
        for (size_t i = 0; i < sizeof known_keys / sizeof *known_keys; i++)
            known |= strcmp(known_keys[i], key) == 0;
        if (!known)
            return error_set(err, NOVA_INVALID_ARGUMENT, "a line has no '%.60s'", key);
    }
    return NOVA_OK;
}

static enum nova_status read_text(const char **out, const json_t *json, const char *key,
                                  struct error *err)
{
    const json_t *value = json_object_get(json, key);
    *out = json_string_value(value);
    return value == NULL || *out != NULL
               ? NOVA_OK
               : error_set(err, NOVA_INVALID_ARGUMENT, "%s is no text", key);
}

static enum nova_status read_id(struct uuid *out, const json_t *json, const char *key,
                                struct error *err)
{
    const char *text;
    enum nova_status status = read_text(&text, json, key, err);
    if (status == NOVA_OK && text != NULL && !uuid_parse(out, text))
        status = error_set(err, NOVA_INVALID_ARGUMENT, "%s is no UUID", key);
    return status;
}

static enum nova_status read_method(struct import_line *out, const json_t *json, struct error *err)
{
    const char *service = NULL, *method = NULL;
    enum nova_status status = read_text(&service, json, "service", err);
    if (status == NOVA_OK)
        status = read_text(&method, json, "method", err);
    if (status == NOVA_OK && (service == NULL || method == NULL))
        status = error_set(err, NOVA_INVALID_ARGUMENT, "%s is missing",
                           service == NULL ? "service" : "method");
    return status == NOVA_OK ? client_find(&out->service, &out->method, service, method, err)
                             : status;
}

static enum nova_status read_headers(struct import_line *out, const json_t *json, struct error *err)
{
    const char *occurred = NULL;
    enum nova_status status = read_id(&out->headers.command_id, json, "command_id", err);
    if (status == NOVA_OK)
        status = read_id(&out->headers.on_behalf_of, json, "on_behalf_of", err);
    if (status == NOVA_OK)
        status = read_text(&occurred, json, "occurred_at", err);
    out->headers.has_occurred_at = occurred != NULL;
    if (status == NOVA_OK && occurred != NULL &&
        !timestamp_parse(&out->headers.occurred_at_us, occurred))
        status = error_set(err, NOVA_INVALID_ARGUMENT,
                           "occurred_at is no time like 2018-03-12T18:43:31Z");
    return status;
}

// Counts the texts of a value, so that their ids have room.
static size_t count_texts(const json_t *json)
{
    const char *key;
    json_t *value;
    size_t i, count = json_is_string(json);
    json_object_foreach((json_t *)(uintptr_t)json, key, value) count += count_texts(value);
    json_array_foreach(json, i, value) count += count_texts(value);
    return count;
}

static void collect_ids(struct import_line *out, const json_t *json)
{
    const char *key;
    json_t *value;
    size_t i;
    if (json_is_string(json) && json_string_length(json) == UUID_TEXT_BYTES - 1 &&
        uuid_parse(&out->ids[out->id_count], json_string_value(json)))
        out->id_count++;
    json_object_foreach((json_t *)(uintptr_t)json, key, value) collect_ids(out, value);
    json_array_foreach(json, i, value) collect_ids(out, value);
}

static void read_ids(struct import_line *out, const json_t *request, struct arena *arena)
{
    out->ids = arena_alloc(arena, (count_texts(request) + 1) * sizeof *out->ids);
    collect_ids(out, request);
    if (!uuid_is_nil(&out->headers.on_behalf_of))
        out->ids[out->id_count++] = out->headers.on_behalf_of;
    bool registers = strcmp(out->service->name, "identity") == 0 &&
                     (strcmp(out->method->name, "Register") == 0 ||
                      strcmp(out->method->name, "ImportUser") == 0);
    const char *user = json_string_value(json_object_get(request, "user_id"));
    if (user == NULL)
        user = json_string_value(json_object_get(request, "userId"));
    if (registers && user != NULL && !uuid_parse(&out->registers, user))
        out->registers = (struct uuid){0};
}

// A line without a command id has one made of its bytes. A password is left out: everybody who
// reads the log sees the id, and could try guesses on it.
static struct uuid id_of_line(const ProtobufCMessage *request, const json_t *json, const char *text,
                              size_t len, struct arena *arena)
{
    const ProtobufCMessage *without = contract_without_secret(arena, request);
    if (without == request)
        return uuid_v5(&line_namespace, text, len);
    json_t *rest = json_copy((json_t *)(uintptr_t)json);
    json_object_del(rest, "request");
    char *around = json_dumps(rest, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(rest);
    if (around == NULL)
        abort();
    struct bytes wire = message_pack(arena, without);
    size_t around_len = strlen(around);
    char *both = arena_alloc(arena, around_len + wire.len);
    memcpy(both, around, around_len);
    memcpy(both + around_len, wire.data, wire.len);
    free(around);
    return uuid_v5(&line_namespace, both, around_len + wire.len);
}

static enum nova_status read_command(struct import_line *out, const json_t *json, const char *text,
                                     size_t len, struct arena *arena, struct error *err)
{
    ProtobufCMessage *message = NULL;
    const json_t *request = json_object_get(json, "request");
    enum nova_status status = check_keys(json, err);
    if (status == NOVA_OK)
        status = read_method(out, json, err);
    if (status == NOVA_OK)
        status = read_headers(out, json, err);
    if (status == NOVA_OK && request == NULL)
        status = error_set(err, NOVA_INVALID_ARGUMENT, "request is missing");
    if (status == NOVA_OK)
        status = json_to_message(&message, out->method->input, request, arena, err);
    if (status != NOVA_OK)
        return status;
    out->request = message_pack(arena, message);
    if (uuid_is_nil(&out->headers.command_id))
        out->headers.command_id = id_of_line(message, json, text, len, arena);
    read_ids(out, request, arena);
    return NOVA_OK;
}

enum nova_status import_line_read(struct import_line *out, const char *text, size_t len,
                                  struct arena *arena, struct error *err)
{
    json_t *json = NULL;
    *out = (struct import_line){0};
    enum nova_status status = json_parse(&json, text, len, err);
    if (status == NOVA_OK)
        status = read_command(out, json, text, len, arena, err);
    json_decref(json);
    return status;
}
