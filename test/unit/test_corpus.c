// test_corpus.c - every form in which an event was ever written (test/corpus/) is read by today's
// code: envelope, payload, personal part, turned into today's form, as the JSON that was noted
// then.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>
#include <sodium.h>

#include "inbox/decode.h"
#include "proto/json.h"
#include "proto/sealed.h"

static struct arena *arena;
static const json_t *file; // the one that is read

static const char *text_of(const char *key)
{
    return json_string_value(json_object_get(file, key));
}

static struct bytes bytes_of(const char *key)
{
    const char *hex = text_of(key);
    size_t len = strlen(hex) / 2, got = 0;
    uint8_t *data = arena_alloc(arena, len);
    assert_int_equal(sodium_hex2bin(data, len, hex, strlen(hex), NULL, &got, NULL), 0);
    return (struct bytes){data, got};
}

static enum nova_status fetch(void *context, const char *service, const struct uuid *ids,
                              size_t count, struct seal_key *keys, bool *found, struct error *err)
{
    (void)context;
    (void)err;
    assert_string_equal(service, text_of("service"));
    for (size_t i = 0; i < count; i++) {
        char id[UUID_TEXT_BYTES];
        uuid_format(id, &ids[i]);
        assert_string_equal(id, text_of("key_id"));
        memcpy(keys[i].bytes, bytes_of("key").data, sizeof keys[i].bytes);
        found[i] = true;
    }
    return NOVA_OK;
}

static void read_through(struct decoded *out)
{
    struct error err = {0};
    struct event event = {.n = 1, .position = 1, .type = text_of("type")};
    assert_true(uuid_parse(&event.event_id, text_of("event_id")));
    event.payload = bytes_of("payload");
    struct inbox_source source = {.service = text_of("service"), .types = {text_of("decodes_to")}};
    struct keys *keys = keys_create(source.service, fetch, NULL);
    decode_envelope(out, &event, (struct bytes){0}, &source, upcasters);
    assert_false(out->unknown);
    assert_true(out->wanted);
    assert_int_equal(decode_batch(out, 1, keys, upcasters, arena, &err), NOVA_OK);
    keys_destroy(&keys);
}

static bool is_default(const json_t *value)
{
    const char *text = json_string_value(value);
    return text != NULL ? *text == '\0' || strcmp(text, "0") == 0
                        : json_is_false(value) || json_is_null(value) ||
                              (json_is_array(value) && json_array_size(value) == 0);
}

// A field that the file does not name came later: of an event of before it says nothing.
static bool says_the_same(json_t *read, const json_t *noted)
{
    const char *name;
    json_t *value;
    if (!json_is_object(read) || !json_is_object(noted))
        return json_equal(read, noted) != 0;
    json_object_foreach(read, name, value)
    {
        const json_t *before = json_object_get(noted, name);
        if (before == NULL ? !is_default(value) : !json_equal(value, before))
            return false;
    }
    json_object_foreach((json_t *)(uintptr_t)noted, name,
                        value) if (json_object_get(read, name) == NULL) return false;
    return true;
}

static void assert_says(const ProtobufCMessage *message, const char *key)
{
    const json_t *noted = json_object_get(file, key);
    json_t *read = message ? json_of_message(message) : json_null();
    if (!says_the_same(read, noted))
        fail_msg("%s of %s reads as %s", key, text_of("type"), json_dumps(read, 0));
    json_decref(read);
}

// Unknown fields of a newer contract stay where they are when a message is unpacked and packed.
static void assert_keeps_unknown_fields(void)
{
    const struct contract_event *type = contract_event_find(text_of("service"), text_of("type"));
    static const uint8_t more[] = {0xa2, 0x06, 0x03, 'n', 'e', 'w'}; // field 100 = "new"
    struct bytes payload = bytes_of("payload");
    uint8_t *longer = arena_alloc(arena, payload.len + sizeof more);
    memcpy(longer, payload.data, payload.len);
    memcpy(longer + payload.len, more, sizeof more);
    ProtobufCMessage *message =
        message_unpack(arena, type->payload, (struct bytes){longer, payload.len + sizeof more});
    assert_non_null(message);
    struct bytes again = message_pack(arena, message);
    assert_int_equal(again.len, payload.len + sizeof more);
    assert_memory_equal(again.data, longer, again.len);
}

static size_t read_files_of(const struct contract_event *type)
{
    char pattern[PATH_MAX];
    glob_t found = {0};
    int folder = (int)(strrchr(__FILE__, '/') - __FILE__);
    snprintf(pattern, sizeof pattern, "%.*s/../corpus/%s/%s.*.json", folder, __FILE__,
             type->service, type->type);
    glob(pattern, 0, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct decoded decoded;
        json_error_t wrong;
        json_t *json = json_load_file(found.gl_pathv[i], 0, &wrong);
        assert_non_null(json);
        file = json;
        read_through(&decoded);
        if (decoded.bad)
            fail_msg("%s: %s", found.gl_pathv[i], decoded.bad->text);
        assert_string_equal(decoded.inbox.type->type, text_of("decodes_to"));
        assert_says(decoded.inbox.payload, "payload_json");
        assert_says(decoded.inbox.personal, "personal_json");
        assert_keeps_unknown_fields();
        json_decref(json);
        arena_reset(arena);
    }
    size_t count = found.gl_pathc;
    globfree(&found);
    return count;
}

static void every_form_of_every_event_type_is_read_and_says_what_it_said(void **state)
{
    (void)state;
    for (size_t i = 0; i < contract_event_count(); i++)
        if (read_files_of(contract_event_at(i)) == 0)
            fail_msg("%s's %s has no file in test/corpus: run test/corpus/add.py",
                     contract_event_at(i)->service, contract_event_at(i)->type);
}

static int start(void **state)
{
    struct error err;
    (void)state;
    arena = arena_create();
    return seal_start(&err) == NOVA_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    arena_destroy(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_every_event_type_is_read_and_says_what_it_said),
    };
    return cmocka_run_group_tests(tests, start, end);
}
