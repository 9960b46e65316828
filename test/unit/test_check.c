// test_check.c - requests on the wire: what protobuf-c would let through is refused by name.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nova/content/v2/content.pb-c.h"
#include "nova/search/v2/search.pb-c.h"
#include "proto/check.h"
#include "proto/sealed.h"

#define TYPE (&nova__content__v2__create_post_request__descriptor)
#define ID "0197a3c0-0000-7000-8000-000000000001"

// Field 1 is post_id, 2 title, 3 text, 4 tags.
static const struct {
    const char *name, *wire;
    size_t len;
    const char *says; // NULL: accepted
} cases[] = {
    {"empty", "", 0, NULL},
    {"a_title", "\x12\x02hi", 4, NULL},
    {"an_id", "\x0a\x24" ID, 38, NULL},
    {"line_breaks",
     "\x1a\x03"
     "a\n\t",
     5, NULL},
    {"unicode", "\x12\x04\xf0\x9f\x98\x80", 6, NULL},
    {"cut", "\x12\x05hi", 4, "malformed"},
    {"tag_without_end", "\xff\xff\xff", 3, "malformed"},
    {"unknown_field", "\x7a\x01x", 3, "no field 15"},
    {"wrong_type", "\x10\x01", 2, "field title has the wrong type"},
    {"twice",
     "\x12\x01"
     "a\x12\x01"
     "b",
     6, "field title comes twice"},
    {"nul",
     "\x12\x03"
     "a\0b",
     5, "control character"},
    {"escape", "\x12\x01\x1b", 3, "control character"},
    {"bad_utf8", "\x12\x02\xc3\x28", 4, "UTF-8"},
    {"overlong_utf8", "\x12\x02\xc0\xaf", 4, "UTF-8"},
    {"surrogate", "\x12\x03\xed\xa0\x80", 5, "UTF-8"},
    {"cut_utf8", "\x12\x01\xf0", 3, "UTF-8"},
    {"no_uuid",
     "\x0a\x03"
     "abc",
     5, "post_id is no UUID"},
    {"group", "\x13", 1, "wrong type"},
    {"huge_length", "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "malformed"},
};

static void each_bad_form_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        struct bytes wire = {(const uint8_t *)cases[i].wire, cases[i].len};
        enum nova_status status = check_message(TYPE, wire, &err);
        if (status != (cases[i].says == NULL ? NOVA_OK : NOVA_INVALID_ARGUMENT) ||
            (cases[i].says != NULL && strstr(err.text, cases[i].says) == NULL))
            fail_msg("%s: %d %s", cases[i].name, status, err.text);
    }
}

static void bounds_are_kept(void **state)
{
    (void)state;
    size_t len = MESSAGE_BYTES_MAX + 1;
    uint8_t *wire = malloc(len);
    memset(wire, 0x22, len);
    assert_int_equal(check_message(TYPE, (struct bytes){wire, len}, NULL), NOVA_INVALID_ARGUMENT);
    for (size_t i = 0; i < 1001; i++)
        memcpy(wire + 3 * i, "\x22\x01x", 3); // tags
    assert_int_equal(check_message(TYPE, (struct bytes){wire, 3 * 1000}, NULL), NOVA_OK);
    assert_int_equal(check_message(TYPE, (struct bytes){wire, 3 * 1001}, NULL),
                     NOVA_INVALID_ARGUMENT);
    free(wire);
}

static void nested_messages_are_checked(void **state)
{
    (void)state;
    struct error err = {0};
    // SearchUsersRequest.page = {token: "\x01"}
    struct bytes wire = {(const uint8_t *)"\x12\x03\x12\x01\x01", 5};
    assert_int_equal(check_message(&nova__search__v2__search_users_request__descriptor, wire, &err),
                     NOVA_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "in page: field token"));
}

static void whatever_is_accepted_unpacks(void **state)
{
    (void)state;
    unsigned seed = 20261123;
    size_t accepted = 0;
    struct arena *arena = arena_create();
    Nova__Content__V2__CreatePostRequest request = NOVA__CONTENT__V2__CREATE_POST_REQUEST__INIT;
    char *tags[] = {"sql", "c17"};
    request.post_id = ID;
    request.title = "A title, with words";
    request.text = "Some text";
    request.tags = tags;
    request.n_tags = 2;
    printf("# seed %u\n", seed);
    for (int i = 0; i < 20000; i++) {
        struct bytes wire = message_pack(arena, &request.base);
        uint8_t *data = (uint8_t *)wire.data;
        for (int changes = rand_r(&seed) % 4; changes >= 0; changes--)
            data[(size_t)rand_r(&seed) % wire.len] = (uint8_t)rand_r(&seed);
        wire.len -= (size_t)(rand_r(&seed) % 8 == 0 ? rand_r(&seed) % 10 : 0);
        if (check_message(TYPE, wire, NULL) != NOVA_OK)
            continue;
        accepted++;
        assert_non_null(message_unpack(arena, TYPE, wire));
        if (i % 256 == 0)
            arena_reset(arena);
    }
    assert_true(accepted > 100); // else nothing was tried
    arena_destroy(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_bad_form_is_refused_by_name),
        cmocka_unit_test(bounds_are_kept),
        cmocka_unit_test(nested_messages_are_checked),
        cmocka_unit_test(whatever_is_accepted_unpacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
