// check.c - see check.h. One pass over the bytes; nothing is allocated.
#include "proto/check.h"

#include <string.h>

#include "base/uuid.h"

enum {
    WIRE_VARINT = 0,
    WIRE_64 = 1,
    WIRE_LEN = 2,
    WIRE_32 = 5,
    FIELDS_MAX = 64,
    KEY_ID_BYTES = 16
};

struct cursor {
    const uint8_t *at, *end;
};

static enum nova_status check_bad(struct error *err, const char *field, const char *what)
{
    return error_set(err, NOVA_INVALID_ARGUMENT, "field %s %s", field, what);
}

static enum nova_status check_malformed(const ProtobufCMessageDescriptor *type, struct error *err)
{
    return error_set(err, NOVA_INVALID_ARGUMENT, "the bytes are no %s: malformed protobuf",
                     type->short_name);
}

static bool check_varint(uint64_t *out, struct cursor *c)
{
    *out = 0;
    for (int shift = 0; shift < 70 && c->at < c->end; shift += 7) {
        uint8_t byte = *c->at++;
        if (shift == 63 && byte > 1)
            return false;
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

// Length of the UTF-8 sequence at p (RFC 3629: shortest form, no surrogates), or 0.
static size_t check_utf8(const uint8_t *p, size_t left)
{
    static const struct {
        uint8_t mask, lead, low, high;
    } rows[] = {{0x80, 0x00, 0, 0},
                {0xe0, 0xc0, 0x80, 0xbf},
                {0xf0, 0xe0, 0x80, 0xbf},
                {0xf8, 0xf0, 0x80, 0xbf}};
    for (size_t len = 1; len <= 4; len++) {
        if ((p[0] & rows[len - 1].mask) != rows[len - 1].lead)
            continue;
        if (len > left || (len == 2 && p[0] < 0xc2) || p[0] > 0xf4)
            return 0;
        for (size_t i = 1; i < len; i++)
            if ((p[i] & 0xc0) != 0x80)
                return 0;
        if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
            (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
            return 0;
        return len;
    }
    return 0;
}

static enum nova_status check_text(const char *field, struct bytes text, struct error *err)
{
    for (size_t i = 0; i < text.len;) {
        uint8_t byte = text.data[i];
        if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f)
            return check_bad(err, field, "holds a control character");
        size_t len = check_utf8(text.data + i, text.len - i);
        if (len == 0)
            return check_bad(err, field, "is not valid UTF-8");
        i += len;
    }
    return NOVA_OK;
}

static bool check_is_id(const char *name)
{
    size_t len = strlen(name);
    return strcmp(name, "id") == 0 || (len > 3 && strcmp(name + len - 3, "_id") == 0) ||
           (len > 4 && strcmp(name + len - 4, "_ids") == 0);
}

static enum nova_status check_id(const ProtobufCFieldDescriptor *field, struct bytes text,
                                 struct error *err)
{
    char copy[UUID_TEXT_BYTES] = "";
    struct uuid id;
    if (!check_is_id(field->name) || (text.len == 0 && field->label != PROTOBUF_C_LABEL_REPEATED))
        return NOVA_OK;
    if (text.len == UUID_TEXT_BYTES - 1)
        memcpy(copy, text.data, text.len);
    return uuid_parse(&id, copy) ? NOVA_OK
                                 : check_bad(err, field->name, "is no UUID of 36 characters");
}

static enum nova_status check_fields(const ProtobufCMessageDescriptor *type, struct bytes wire,
                                     int depth, struct error *err);

static enum nova_status check_packed(const ProtobufCFieldDescriptor *field, struct bytes data,
                                     struct error *err)
{
    struct cursor c = {data.data, data.data + data.len};
    size_t count = 0, fixed = field->type == PROTOBUF_C_TYPE_DOUBLE  ? 8
                              : field->type == PROTOBUF_C_TYPE_FLOAT ? 4
                                                                     : 0;
    while (c.at < c.end) {
        uint64_t value;
        if (fixed == 0 ? !check_varint(&value, &c) : (size_t)(c.end - c.at) < fixed)
            return check_bad(err, field->name, "is malformed");
        c.at += fixed;
        if (++count > CHECK_ELEMENTS_MAX)
            return check_bad(err, field->name, "has more than 1000 elements");
    }
    return NOVA_OK;
}

static enum nova_status check_len_field(const ProtobufCFieldDescriptor *field, struct bytes data,
                                        int depth, struct error *err)
{
    enum nova_status status;
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        status = check_text(field->name, data, err);
        return status == NOVA_OK ? check_id(field, data, err) : status;
    case PROTOBUF_C_TYPE_BYTES:
        if (strcmp(field->name, "key_ids") == 0 && data.len != KEY_ID_BYTES)
            return check_bad(err, field->name, "holds an id that has not 16 bytes");
        return NOVA_OK;
    case PROTOBUF_C_TYPE_MESSAGE:
        status = check_fields(field->descriptor, data, depth + 1, err);
        if (status != NOVA_OK)
            error_while(err, "in %s", field->name);
        return status;
    default:
        return check_packed(field, data, err);
    }
}

static int check_wire_type(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_LEN;
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return WIRE_64;
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return WIRE_32;
    default:
        return WIRE_VARINT;
    }
}

// Reads one value; a length-delimited one into *data.
static bool check_value(struct bytes *data, struct cursor *c, int wire_type)
{
    uint64_t value;
    size_t left = (size_t)(c->end - c->at);
    switch (wire_type) {
    case WIRE_VARINT:
        return check_varint(&value, c);
    case WIRE_64:
    case WIRE_32:
        value = wire_type == WIRE_64 ? 8 : 4;
        break;
    case WIRE_LEN:
        if (!check_varint(&value, c))
            return false;
        left = (size_t)(c->end - c->at);
        break;
    default:
        return false;
    }
    if (value > left)
        return false;
    *data = (struct bytes){c->at, (size_t)value};
    c->at += value;
    return true;
}

static enum nova_status check_fields(const ProtobufCMessageDescriptor *type, struct bytes wire,
                                     int depth, struct error *err)
{
    struct cursor c = {wire.data, wire.data + wire.len};
    uint32_t seen[FIELDS_MAX] = {0};
    if (depth > CHECK_DEPTH_MAX || type->n_fields > FIELDS_MAX)
        return error_set(err, NOVA_INVALID_ARGUMENT, "the message is nested too deeply");
    while (c.at < c.end) {
        uint64_t tag;
        struct bytes data = {NULL, 0};
        if (!check_varint(&tag, &c) || tag >> 3 > UINT32_MAX)
            return check_malformed(type, err);
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3));
        if (field == NULL)
            return error_set(err, NOVA_INVALID_ARGUMENT, "%s has no field %u", type->short_name,
                             (unsigned)(tag >> 3));
        bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
        int wanted = check_wire_type(field), wire_type = (int)(tag & 7);
        if (wire_type != wanted && !(repeated && wire_type == WIRE_LEN))
            return check_bad(err, field->name, "has the wrong type");
        if (!check_value(&data, &c, wire_type))
            return check_malformed(type, err);
        uint32_t times = ++seen[field - type->fields];
        if (times > (repeated ? CHECK_ELEMENTS_MAX : 1))
            return check_bad(err, field->name,
                             repeated ? "has more than 1000 elements" : "comes twice");
        enum nova_status status =
            wire_type == WIRE_LEN ? check_len_field(field, data, depth, err) : NOVA_OK;
        if (status != NOVA_OK)
            return status;
    }
    return NOVA_OK;
}

enum nova_status check_message(const ProtobufCMessageDescriptor *type, struct bytes wire,
                               struct error *err)
{
    if (wire.len > MESSAGE_BYTES_MAX)
        return error_set(err, NOVA_INVALID_ARGUMENT,
                         "the request has %zu bytes, at most %d are allowed", wire.len,
                         MESSAGE_BYTES_MAX);
    return check_fields(type, wire, 0, err);
}
