// test_json.c - contracts as JSON: every message goes there and back, and what is wrong is named.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nova/common/v1/common.pb-c.h"
#include "nova/content/v2/content.pb-c.h"
#include "nova/search/v2/search.pb-c.h"
#include "proto/json.h"
#include "proto/sealed.h"

static uint64_t seed = 42;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

// ---- every message, filled by its descriptor ----------------------------------------------------

static json_t *any_message(const ProtobufCMessageDescriptor *type, int depth);

static json_t *any_value(const ProtobufCFieldDescriptor *field, int depth)
{
    char text[32];
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT64:
        snprintf(text, sizeof text, "%lld", (long long)INT64_MIN + draw(100));
        return json_string(text);
    case PROTOBUF_C_TYPE_UINT64:
        return json_string("18446744073709551615");
    case PROTOBUF_C_TYPE_UINT32:
        return json_integer(UINT32_MAX - draw(9));
    case PROTOBUF_C_TYPE_INT32:
        return json_integer(INT32_MIN + (int32_t)draw(9));
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(draw(2));
    case PROTOBUF_C_TYPE_DOUBLE:
        return json_real(draw(1000) / 8.0);
    case PROTOBUF_C_TYPE_STRING:
        snprintf(text, sizeof text, "é\n\"%u\"😀", draw(1000));
        return json_string(text);
    case PROTOBUF_C_TYPE_BYTES:
        return json_string("AP8Q/w==");
    case PROTOBUF_C_TYPE_MESSAGE:
        return any_message(field->descriptor, depth + 1);
    default:
        fail_msg("%s has a type that this test does not fill yet", field->name);
        return NULL;
    }
}

static json_t *any_message(const ProtobufCMessageDescriptor *type, int depth)
{
    json_t *json = json_object();
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if (field->label != PROTOBUF_C_LABEL_REPEATED) {
            json_object_set_new(json, field->name, any_value(field, depth));
            continue;
        }
        json_t *list = json_array();
        for (uint32_t n = 1 + draw(3); n > 0; n--)
            json_array_append_new(list, any_value(field, depth));
        json_object_set_new(json, field->name, list);
    }
    return json;
}

// JSON -> message -> wire -> message -> JSON -> message -> wire: the wires are equal.
static void assert_survives(const ProtobufCMessageDescriptor *type)
{
    struct error err = {0};
    struct arena *arena = arena_create();
    ProtobufCMessage *first = NULL, *second = NULL;
    json_t *json = any_message(type, 0);
    if (json_to_message(&first, type, json, arena, &err) != NOVA_OK)
        fail_msg("%s: %s", type->name, err.text);
    struct bytes wire = message_pack(arena, first);
    assert_true(wire.len > 0 || type->n_fields == 0);
    json_t *again = json_of_message(message_unpack(arena, type, wire));
    if (json_to_message(&second, type, again, arena, &err) != NOVA_OK)
        fail_msg("%s: %s", type->name, err.text);
    struct bytes twice = message_pack(arena, second);
    assert_int_equal(wire.len, twice.len);
    assert_memory_equal(wire.data, twice.data, wire.len);
    json_decref(json);
    json_decref(again);
    arena_destroy(&arena);
}

static void every_message_of_every_contract_goes_there_and_back(void **state)
{
    (void)state;
    int messages = 0;
    for (size_t i = 0; i < contract_service_count(); i++) {
        const ProtobufCServiceDescriptor *service = contract_service_at(i)->descriptor;
        for (unsigned m = 0; m < service->n_methods; m++, messages += 2) {
            assert_survives(service->methods[m].input);
            assert_survives(service->methods[m].output);
        }
    }
    for (size_t i = 0; i < contract_event_count(); i++, messages++) {
        assert_survives(contract_event_at(i)->payload);
        if (contract_event_at(i)->personal != NULL)
            assert_survives(contract_event_at(i)->personal);
    }
    assert_true(messages > 50);
}

// ---- what is wrong ------------------------------------------------------------------------------

#define POST (&nova__content__v2__create_post_request__descriptor)
#define SEARCH (&nova__search__v2__search_posts_request__descriptor)
#define KEYS (&nova__common__v1__get_person_keys_request__descriptor)

static const struct {
    const ProtobufCMessageDescriptor *type;
    const char *text, *says; // NULL: accepted
} cases[] = {
    {POST, "{}", NULL},
    {POST, "{\"postId\": \"\", \"tags\": [], \"text\": null}", NULL},
    {SEARCH, "{\"page\": {\"size\": 3}}", NULL},
    {SEARCH, "{\"page\": {\"size\": \"3\"}}", NULL},
    {SEARCH, "{\"page\": {\"size\": 3.0}}", NULL},
    {POST, "[]", "the request wants an object"},
    {POST, "{\"titel\": \"x\"}", "CreatePostRequest has no field 'titel'; did you mean 'title'?"},
    {POST, "{\"qqqqqq\": 1}", "CreatePostRequest has no field 'qqqqqq'"},
    {POST, "{\"title\": 7}", "title wants text"},
    {POST, "{\"tags\": \"a\"}", "tags wants a list"},
    {POST, "{\"tags\": [\"a\", 7]}", "tags[1] wants text"},
    {POST, "{\"post_id\": \"a\", \"postId\": \"a\"}", "post_id wants to be there once"},
    {SEARCH, "{\"page\": 3}", "page wants an object"},
    {SEARCH, "{\"page\": {\"size\": -1}}", "page.size wants a number within its type's range"},
    {SEARCH, "{\"page\": {\"size\": 4294967296}}", "page.size wants a number within"},
    {SEARCH, "{\"page\": {\"size\": 1.5}}", "page.size wants a whole number"},
    {SEARCH, "{\"page\": {\"size\": \"12x\"}}", "page.size wants a whole number"},
    {SEARCH, "{\"page\": {\"size\": 1, \"sise\": 1}}",
     "page has no field 'sise'; did you mean 'size'?"},
    {KEYS, "{\"key_ids\": [\"\", \"+/8=\", \"+/8\", \"-_8=\", \"-_8\"]}", NULL},
    {KEYS, "{\"key_ids\": [\"+_8=\"]}", "key_ids[0] wants base64 text"}, // two alphabets
    {KEYS, "{\"key_ids\": [\"Z\"]}", "key_ids[0] wants base64 text"},
    {KEYS, "{\"key_ids\": [\"Zm9\u00f6\"]}", "key_ids[0] wants base64 text"},
};

static void each_wrong_field_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        struct arena *arena = arena_create();
        json_t *json = NULL;
        ProtobufCMessage *message = NULL;
        assert_int_equal(json_parse(&json, cases[i].text, strlen(cases[i].text), &err), NOVA_OK);
        enum nova_status status = json_to_message(&message, cases[i].type, json, arena, &err);
        if (cases[i].says == NULL && status != NOVA_OK)
            fail_msg("%s: %s", cases[i].text, err.text);
        if (cases[i].says != NULL &&
            (status != NOVA_INVALID_ARGUMENT || strstr(err.text, cases[i].says) == NULL))
            fail_msg("%s: '%s' does not say '%s'", cases[i].text, err.text, cases[i].says);
        json_decref(json);
        arena_destroy(&arena);
    }
}

static void text_that_is_no_json_is_refused_with_its_place(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "{",
                                        "{\"a\": 1} x",
                                        "{\"a\": 1, \"a\": 2}",
                                        "{\"a\": \"\\u0000\"}",
                                        "{\"a\": \"\xc3\x28\"}",
                                        "nul"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct error err = {0};
        json_t *json = NULL;
        assert_int_equal(json_parse(&json, texts[i], strlen(texts[i]), &err),
                         NOVA_INVALID_ARGUMENT);
        assert_non_null(strstr(err.text, "no JSON: line "));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_of_every_contract_goes_there_and_back),
        cmocka_unit_test(each_wrong_field_is_named),
        cmocka_unit_test(text_that_is_no_json_is_refused_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
