// json.c - see json.h.
#include "proto/json.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/event.h"
#include "base/nearest.h"

enum { NAME_BYTES = 128, PATH_BYTES = 256, FIELDS_MAX = 64 };

// "author_id" as "authorId".
static void camel_name(char out[NAME_BYTES], const char *name)
{
    size_t used = 0;
    for (; *name != '\0' && used < NAME_BYTES - 1; name++) {
        bool upper = *name == '_' && name[1] >= 'a' && name[1] <= 'z';
        out[used++] = upper ? (char)(*++name - 'a' + 'A') : *name;
    }
    out[used] = '\0';
}

// ---- text ---------------------------------------------------------------------------------------

enum nova_status json_parse(json_t **out, const char *text, size_t len, struct error *err)
{
    json_error_t wrong;
    *out = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &wrong);
    return *out != NULL ? NOVA_OK
                        : error_set(err, NOVA_INVALID_ARGUMENT, "no JSON: line %d, column %d: %s",
                                    wrong.line, wrong.column, wrong.text);
}

// ---- JSON to message ----------------------------------------------------------------------------

struct reading {
    struct arena *arena;
    struct error *err;
    int depth;
    char path[PATH_BYTES]; // "page.size"
};

static enum nova_status wants(const struct reading *r, const char *what)
{
    return error_set(r->err, NOVA_INVALID_ARGUMENT, "%s wants %s",
                     r->path[0] != '\0' ? r->path : "the request", what);
}

static enum nova_status read_object(struct reading *r, ProtobufCMessage *message,
                                    const json_t *json);

static enum nova_status read_signed(const struct reading *r, int64_t *out, const json_t *json,
                                    int64_t least, int64_t most)
{
    char *end = NULL;
    if (json_is_integer(json)) {
        *out = json_integer_value(json);
    } else if (json_is_string(json) && json_string_length(json) > 0) {
        errno = 0;
        *out = strtoll(json_string_value(json), &end, 10);
        if (errno != 0 || *end != '\0' || json_string_value(json)[0] == ' ')
            return wants(r, "a whole number");
    } else if (json_is_real(json) && trunc(json_real_value(json)) == json_real_value(json) &&
               fabs(json_real_value(json)) <= 9007199254740992.0) {
        *out = (int64_t)json_real_value(json); // 1e3 is a number of JSON's as well
    } else {
        return wants(r, "a whole number");
    }
    return *out < least || *out > most ? wants(r, "a number within its type's range") : NOVA_OK;
}

static enum nova_status read_uint64(const struct reading *r, uint64_t *out, const json_t *json)
{
    int64_t value = 0;
    char *end = NULL;
    const char *text = json_string_value(json);
    if (text != NULL && text[0] >= '0' && text[0] <= '9') {
        errno = 0;
        *out = strtoull(text, &end, 10);
        return errno != 0 || *end != '\0' ? wants(r, "a whole number") : NOVA_OK;
    }
    enum nova_status status = read_signed(r, &value, json, 0, INT64_MAX);
    *out = (uint64_t)value;
    return status;
}

static enum nova_status read_real(const struct reading *r, double *out, const json_t *json)
{
    const char *text = json_string_value(json);
    char *end = NULL;
    if (json_is_number(json))
        *out = json_number_value(json);
    else if (text != NULL && strcmp(text, "NaN") == 0)
        *out = NAN;
    else if (text != NULL && strcmp(text, "Infinity") == 0)
        *out = INFINITY;
    else if (text != NULL && strcmp(text, "-Infinity") == 0)
        *out = -INFINITY;
    else if (text != NULL && *text != '\0' && (*out = strtod(text, &end), *end == '\0'))
        return NOVA_OK;
    else
        return wants(r, "a number");
    return NOVA_OK;
}

static enum nova_status read_enum(const struct reading *r, int32_t *out,
                                  const ProtobufCEnumDescriptor *type, const json_t *json)
{
    if (json_is_string(json)) {
        const ProtobufCEnumValue *value =
            protobuf_c_enum_descriptor_get_value_by_name(type, json_string_value(json));
        if (value == NULL)
            return wants(r, "a name of its enum");
        *out = value->value;
        return NOVA_OK;
    }
    int64_t number = 0;
    enum nova_status status = read_signed(r, &number, json, INT32_MIN, INT32_MAX);
    *out = (int32_t)number;
    return status;
}

static enum nova_status read_bytes(const struct reading *r, ProtobufCBinaryData *out,
                                   const json_t *json)
{
    const char *text = json_string_value(json);
    size_t len = json_string_length(json);
    if (text == NULL)
        return wants(r, "base64 text");
    static const enum base64_alphabet alphabets[] = {BASE64_STANDARD, BASE64_STANDARD_UNPADDED,
                                                     BASE64_URL_PADDED, BASE64_URL};
    out->data = arena_alloc(r->arena, len + 1);
    long found = -1;
    for (size_t i = 0; i < sizeof alphabets / sizeof *alphabets && found < 0; i++)
        found = base64_decode(out->data, len + 1, alphabets[i], text, len);
    if (found < 0)
        return wants(r, "base64 text");
    out->len = (size_t)found;
    return NOVA_OK;
}

static enum nova_status read_text(const struct reading *r, char **out, const json_t *json)
{
    const char *text = json_string_value(json);
    if (text == NULL)
        return wants(r, "text");
    if (strlen(text) != json_string_length(json))
        return wants(r, "text without NUL");
    *out = arena_strdup(r->arena, text);
    return NOVA_OK;
}

static enum nova_status read_message(struct reading *r, ProtobufCMessage **out,
                                     const ProtobufCMessageDescriptor *type, const json_t *json)
{
    if (++r->depth > JSON_DEPTH_MAX)
        return wants(r, "less nesting");
    *out = arena_alloc(r->arena, type->sizeof_message);
    protobuf_c_message_init(type, *out);
    enum nova_status status = read_object(r, *out, json);
    r->depth--;
    return status;
}

// One value of a field's type into `place`.
static enum nova_status read_value(struct reading *r, void *place,
                                   const ProtobufCFieldDescriptor *field, const json_t *json)
{
    int64_t number = 0;
    double real = 0;
    enum nova_status status;
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        status = read_signed(r, &number, json, INT32_MIN, INT32_MAX);
        *(int32_t *)place = (int32_t)number;
        return status;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        status = read_signed(r, &number, json, 0, UINT32_MAX);
        *(uint32_t *)place = (uint32_t)number;
        return status;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return read_signed(r, place, json, INT64_MIN, INT64_MAX);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return read_uint64(r, place, json);
    case PROTOBUF_C_TYPE_FLOAT:
        status = read_real(r, &real, json);
        *(float *)place = (float)real;
        return status;
    case PROTOBUF_C_TYPE_DOUBLE:
        return read_real(r, place, json);
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)place = json_is_true(json);
        return json_is_boolean(json) ? NOVA_OK : wants(r, "true or false");
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(r, place, field->descriptor, json);
    case PROTOBUF_C_TYPE_STRING:
        return read_text(r, place, json);
    case PROTOBUF_C_TYPE_BYTES:
        return read_bytes(r, place, json);
    case PROTOBUF_C_TYPE_MESSAGE:
        return read_message(r, place, field->descriptor, json);
    }
    assert(!"a field of a type that protobuf-c does not know");
    return NOVA_INTERNAL;
}

// Bytes of one value as protobuf-c's structs hold it.
static size_t value_bytes(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    default:
        return 4;
    }
}

static enum nova_status read_list(struct reading *r, ProtobufCMessage *message,
                                  const ProtobufCFieldDescriptor *field, const json_t *json)
{
    size_t size = value_bytes(field->type), count = json_array_size(json), used = strlen(r->path);
    if (!json_is_array(json))
        return wants(r, "a list");
    char *list = arena_alloc(r->arena, count * size);
    enum nova_status status = NOVA_OK;
    for (size_t i = 0; i < count && status == NOVA_OK; i++) {
        snprintf(r->path + used, sizeof r->path - used, "[%zu]", i);
        status = read_value(r, list + i * size, field, json_array_get(json, i));
        if (status == NOVA_OK)
            r->path[used] = '\0';
    }
    memcpy((char *)message + field->quantifier_offset, &count, sizeof count);
    memcpy((char *)message + field->offset, &list, sizeof list);
    return status;
}

static enum nova_status read_field(struct reading *r, ProtobufCMessage *message,
                                   const ProtobufCFieldDescriptor *field, const json_t *json)
{
    char *base = (char *)message;
    if (json_is_null(json))
        return NOVA_OK; // as if it were not there
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return read_list(r, message, field, json);
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        *(uint32_t *)(void *)(base + field->quantifier_offset) = field->id;
    else if (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->quantifier_offset != 0)
        *(protobuf_c_boolean *)(void *)(base + field->quantifier_offset) = 1;
    return read_value(r, base + field->offset, field, json);
}

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *type,
                                                  const char *name)
{
    char camel[NAME_BYTES];
    for (unsigned i = 0; i < type->n_fields; i++) {
        camel_name(camel, type->fields[i].name);
        if (strcmp(camel, name) == 0 || strcmp(type->fields[i].name, name) == 0)
            return &type->fields[i];
    }
    return NULL;
}

static enum nova_status unknown_field(const struct reading *r,
                                      const ProtobufCMessageDescriptor *type, const char *name)
{
    const char *names[FIELDS_MAX];
    size_t count = 0;
    for (unsigned i = 0; i < type->n_fields && count < FIELDS_MAX; i++)
        names[count++] = type->fields[i].name;
    const char *meant = nearest_word(name, names, count);
    const char *in = r->path[0] != '\0' ? r->path : type->short_name;
    return meant != NULL
               ? error_set(r->err, NOVA_INVALID_ARGUMENT,
                           "%s has no field '%.60s'; did you mean '%s'?", in, name, meant)
               : error_set(r->err, NOVA_INVALID_ARGUMENT, "%s has no field '%.60s'", in, name);
}

static enum nova_status read_object(struct reading *r, ProtobufCMessage *message,
                                    const json_t *json)
{
    const char *name;
    json_t *value;
    size_t used = strlen(r->path);
    bool seen[FIELDS_MAX] = {false};
    if (!json_is_object(json))
        return wants(r, "an object");
    json_object_foreach((json_t *)(uintptr_t)json, name, value)
    {
        const ProtobufCFieldDescriptor *field = find_field(message->descriptor, name);
        if (field == NULL)
            return unknown_field(r, message->descriptor, name);
        size_t place = (size_t)(field - message->descriptor->fields);
        assert(place < FIELDS_MAX);
        snprintf(r->path + used, sizeof r->path - used, "%s%s", used > 0 ? "." : "", field->name);
        if (seen[place])
            return wants(r, "to be there once"); // under both of its names
        seen[place] = true;
        enum nova_status status = read_field(r, message, field, value);
        if (status != NOVA_OK)
            return status;
        r->path[used] = '\0';
    }
    return NOVA_OK;
}

enum nova_status json_to_message(ProtobufCMessage **out, const ProtobufCMessageDescriptor *type,
                                 const json_t *json, struct arena *arena, struct error *err)
{
    struct error own_err;
    struct reading r = {.arena = arena, .err = err == NULL ? &own_err : err};
    return read_message(&r, out, type, json);
}

// ---- message to JSON ----------------------------------------------------------------------------

static json_t *write_number(const char *format, ...)
{
    char text[32];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return json_string(text);
}

static json_t *write_real(double value)
{
    if (isnan(value))
        return json_string("NaN");
    if (isinf(value))
        return json_string(value > 0 ? "Infinity" : "-Infinity");
    return json_real(value);
}

static json_t *write_bytes(const ProtobufCBinaryData *data)
{
    size_t size = sodium_base64_ENCODED_LEN(data->len, sodium_base64_VARIANT_ORIGINAL);
    char *text = malloc(size);
    if (text == NULL)
        abort();
    sodium_bin2base64(text, size, data->data, data->len, sodium_base64_VARIANT_ORIGINAL);
    json_t *json = json_string(text);
    free(text);
    return json;
}

static json_t *write_text(const char *text)
{
    json_t *json = json_string(text);
    return json != NULL ? json : json_string("<not UTF-8>"); // no contract of ours lets it in
}

static json_t *write_enum(const ProtobufCEnumDescriptor *type, int32_t number)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(type, number);
    return value != NULL ? json_string(value->name) : json_integer(number);
}

static json_t *write_value(const ProtobufCFieldDescriptor *field, const void *place)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return json_integer(*(const int32_t *)place);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return json_integer(*(const uint32_t *)place);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return write_number("%" PRId64, *(const int64_t *)place);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return write_number("%" PRIu64, *(const uint64_t *)place);
    case PROTOBUF_C_TYPE_FLOAT:
        return write_real((double)*(const float *)place);
    case PROTOBUF_C_TYPE_DOUBLE:
        return write_real(*(const double *)place);
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(*(const protobuf_c_boolean *)place);
    case PROTOBUF_C_TYPE_ENUM:
        return write_enum(field->descriptor, *(const int32_t *)place);
    case PROTOBUF_C_TYPE_STRING:
        return write_text(*(char *const *)place);
    case PROTOBUF_C_TYPE_BYTES:
        return write_bytes(place);
    case PROTOBUF_C_TYPE_MESSAGE:
        return json_of_message(*(ProtobufCMessage *const *)place);
    }
    assert(!"a field of a type that protobuf-c does not know");
    return NULL;
}

static bool is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const char *base = (const char *)message;
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        return *(const uint32_t *)(const void *)(base + field->quantifier_offset) == field->id;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE || field->type == PROTOBUF_C_TYPE_STRING)
        return *(void *const *)(const void *)(base + field->offset) != NULL;
    if (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->quantifier_offset != 0)
        return *(const protobuf_c_boolean *)(const void *)(base + field->quantifier_offset) != 0;
    return true;
}

static json_t *write_list(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    size_t count;
    const char *list;
    memcpy(&count, (const char *)message + field->quantifier_offset, sizeof count);
    memcpy(&list, (const char *)message + field->offset, sizeof list);
    json_t *json = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(json, write_value(field, list + i * value_bytes(field->type)));
    return json;
}

json_t *json_of_message(const ProtobufCMessage *message)
{
    json_t *json = json_object();
    char name[NAME_BYTES];
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        camel_name(name, field->name);
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            json_object_set_new(json, name, write_list(message, field));
        else if (is_set(message, field))
            json_object_set_new(json, name,
                                write_value(field, (const char *)message + field->offset));
    }
    return json;
}
