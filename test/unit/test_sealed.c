// test_sealed.c - personal parts of events: opened by their key for their event only.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "nova/identity/v2/identity.pb-c.h"
#include "proto/sealed.h"

struct fixture {
    struct arena *arena;
    struct seal_key key;
    struct uuid key_id, event_id;
    const struct contract_event *type;
    Nova__Common__V1__Sealed *sealed;
};
static struct fixture f;

static int start(void **state)
{
    (void)state;
    f.arena = arena_create();
    if (seal_start(NULL) != NOVA_OK)
        return 1;
    seal_key_generate(&f.key);
    f.key_id = uuid_v7();
    f.event_id = uuid_v7();
    f.type = contract_event_find("identity", "user.created");
    Nova__Identity__V2__UserCreatedPersonal personal;
    nova__identity__v2__user_created_personal__init(&personal);
    personal.email = "ada@example.org";
    f.sealed = sealed_make(f.arena, f.type, &f.event_id, &personal.base, &f.key_id, &f.key);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_destroy(&f.arena);
    return 0;
}

static void the_key_opens_it_and_the_text_is_not_to_be_seen(void **state)
{
    (void)state;
    ProtobufCMessage *out;
    assert_int_equal(sealed_open(&out, f.arena, f.type, &f.event_id, f.sealed, &f.key, NULL),
                     NOVA_OK);
    assert_string_equal(((Nova__Identity__V2__UserCreatedPersonal *)out)->email, "ada@example.org");
    assert_null(memmem(f.sealed->ciphertext.data, f.sealed->ciphertext.len, "ada", 3));
}

static void another_event_or_type_or_key_does_not_open_it(void **state)
{
    (void)state;
    ProtobufCMessage *out;
    struct uuid other_event = uuid_v7();
    struct seal_key other_key;
    seal_key_generate(&other_key);
    const struct contract_event *other_type = contract_event_find("identity", "user.updated");
    assert_int_equal(sealed_open(&out, f.arena, f.type, &other_event, f.sealed, &f.key, NULL),
                     NOVA_DATA_LOSS);
    assert_int_equal(sealed_open(&out, f.arena, other_type, &f.event_id, f.sealed, &f.key, NULL),
                     NOVA_DATA_LOSS);
    assert_int_equal(sealed_open(&out, f.arena, f.type, &f.event_id, f.sealed, &other_key, NULL),
                     NOVA_DATA_LOSS);
}

static void cut_bytes_are_refused(void **state)
{
    (void)state;
    ProtobufCMessage *out;
    Nova__Common__V1__Sealed cut = *f.sealed;
    for (cut.ciphertext.len = 0; cut.ciphertext.len < f.sealed->ciphertext.len;
         cut.ciphertext.len++)
        assert_int_equal(sealed_open(&out, f.arena, f.type, &f.event_id, &cut, &f.key, NULL),
                         NOVA_DATA_LOSS);
    cut = *f.sealed;
    cut.nonce.len = 3;
    assert_int_equal(sealed_open(&out, f.arena, f.type, &f.event_id, &cut, &f.key, NULL),
                     NOVA_DATA_LOSS);
}

static void every_event_with_a_personal_message_has_a_sealed_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < contract_event_count(); i++) {
        const struct contract_event *type = contract_event_at(i);
        bool has = protobuf_c_message_descriptor_get_field_by_name(type->payload, "sealed");
        assert_int_equal(has, type->personal != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_opens_it_and_the_text_is_not_to_be_seen),
        cmocka_unit_test(another_event_or_type_or_key_does_not_open_it),
        cmocka_unit_test(cut_bytes_are_refused),
        cmocka_unit_test(every_event_with_a_personal_message_has_a_sealed_field),
    };
    return cmocka_run_group_tests(tests, start, end);
}
