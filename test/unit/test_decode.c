// test_decode.c - from a stream's message to a handler's event: what is wanted, what is opened,
// what is turned into today's form, and what is only noted as bad.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "inbox/decode.h"
#include "nova/content/v2/content.pb-c.h"
#include "nova/identity/v2/identity.pb-c.h"
#include "proto/sealed.h"

static struct arena *arena;
static struct seal_key key;
static struct uuid key_id;

static enum nova_status fetch(void *context, const char *service, const struct uuid *ids,
                              size_t count, struct seal_key *keys, bool *found, struct error *err)
{
    (void)service;
    (void)err;
    for (size_t i = 0; i < count; i++) {
        found[i] = context == NULL && uuid_equal(&ids[i], &key_id);
        keys[i] = found[i] ? key : (struct seal_key){{0}};
    }
    return NOVA_OK;
}

static enum nova_status apply(struct inbox_batch *batch, struct pg *pg, struct error *err)
{
    (void)batch;
    (void)pg;
    (void)err;
    return NOVA_OK;
}

static const struct inbox_source source = {
    "identity", {"user.created", "user.deleted"}, apply, INBOX_UNKNOWN_SKIP};

// Stands for a change of contract: user.updated is the old form of user.created.
static enum nova_status created_of_updated(struct upcast_event *event, struct arena *into,
                                           struct error *err)
{
    Nova__Identity__V2__UserCreated *payload = arena_alloc(into, sizeof *payload);
    nova__identity__v2__user_created__init(payload);
    payload->imported = true;
    event->payload = &payload->base;
    const Nova__Identity__V2__UserUpdatedPersonal *old = (const void *)event->personal;
    if (!old)
        return NOVA_OK;
    if (old->handle[0] == '\0')
        return error_set(err, NOVA_INVALID_ARGUMENT, "no handle");
    Nova__Identity__V2__UserCreatedPersonal *personal = arena_alloc(into, sizeof *personal);
    nova__identity__v2__user_created_personal__init(personal);
    personal->handle = old->handle;
    event->personal = &personal->base;
    return NOVA_OK;
}

// A chain: session.started -> user.updated -> user.created.
static enum nova_status updated_of_session(struct upcast_event *event, struct arena *into,
                                           struct error *err)
{
    (void)err;
    Nova__Identity__V2__UserUpdated *payload = arena_alloc(into, sizeof *payload);
    nova__identity__v2__user_updated__init(payload);
    event->payload = &payload->base;
    return NOVA_OK;
}

static const struct upcaster none[] = {{NULL, NULL, NULL, NULL}};
static const struct upcaster test_table[] = {
    {"content", "user.updated", "post.created", NULL}, // another service's, never to be taken
    {"identity", "session.started", "user.updated", updated_of_session},
    {"identity", "user.updated", "user.created", created_of_updated},
    {NULL, NULL, NULL, NULL},
};

static struct event event_of(const char *type, ProtobufCMessage *payload,
                             const ProtobufCMessage *personal)
{
    struct event event = {.n = 1, .position = 5, .type = type, .event_id = uuid_v7()};
    const struct contract_event *contract = contract_event_find("identity", type);
    if (personal)
        contract_sealed_put(contract, payload,
                            sealed_make(arena, contract, &event.event_id, personal, &key_id, &key));
    event.payload = message_pack(arena, payload);
    return event;
}

static struct event updated_event(const char *handle)
{
    Nova__Identity__V2__UserUpdated payload = NOVA__IDENTITY__V2__USER_UPDATED__INIT;
    Nova__Identity__V2__UserUpdatedPersonal personal =
        NOVA__IDENTITY__V2__USER_UPDATED_PERSONAL__INIT;
    personal.handle = (char *)handle;
    return event_of("user.updated", &payload.base, &personal.base);
}

static struct event created_event(void)
{
    Nova__Identity__V2__UserCreated payload = NOVA__IDENTITY__V2__USER_CREATED__INIT;
    Nova__Identity__V2__UserCreatedPersonal personal =
        NOVA__IDENTITY__V2__USER_CREATED_PERSONAL__INIT;
    personal.handle = "ada";
    return event_of("user.created", &payload.base, &personal.base);
}

static void open_one(struct decoded *out, const struct event *event, const struct upcaster *table,
                     void *context)
{
    struct error err;
    struct keys *keys = keys_create("identity", fetch, context);
    decode_envelope(out, event, (struct bytes){0}, &source, table);
    assert_int_equal(decode_batch(out, 1, keys, table, arena, &err), NOVA_OK);
    keys_destroy(&keys);
}

static void personal_data_is_opened(void **state)
{
    (void)state;
    struct event event = created_event();
    struct decoded decoded;
    open_one(&decoded, &event, none, NULL);
    assert_true(decoded.wanted);
    assert_null(decoded.bad);
    const Nova__Identity__V2__UserCreatedPersonal *personal = (const void *)decoded.inbox.personal;
    assert_string_equal(personal->handle, "ada");
}

static void erased_data_is_as_if_absent(void **state)
{
    (void)state;
    struct event event = created_event();
    struct decoded decoded;
    open_one(&decoded, &event, none, &arena); // a service that has no key any more
    assert_null(decoded.bad);
    assert_non_null(decoded.inbox.payload);
    assert_null(decoded.inbox.personal);
}

static void unknown_and_unwanted_types_are_told_apart(void **state)
{
    (void)state;
    struct decoded decoded;
    struct event newer = {.type = "user.teleported"}, other = {.type = "session.revoked"};
    decode_envelope(&decoded, &newer, (struct bytes){0}, &source, none);
    assert_true(decoded.unknown && !decoded.wanted);
    decode_envelope(&decoded, &other, (struct bytes){0}, &source, none);
    assert_true(!decoded.unknown && !decoded.wanted);
}

static void a_payload_that_is_none_is_noted_and_stops_nothing(void **state)
{
    (void)state;
    static const uint8_t cut[] = {0x7a, 0x05, 'a'};
    struct event event = {.type = "user.created", .position = 5, .payload = {cut, sizeof cut}};
    struct decoded decoded;
    open_one(&decoded, &event, none, NULL);
    assert_non_null(decoded.bad);
    assert_non_null(strstr(decoded.bad->text, "position 5"));
}

static void a_field_of_a_newer_contract_is_no_error(void **state)
{
    (void)state;
    struct event event = created_event();
    uint8_t *longer = arena_alloc(arena, event.payload.len + 3);
    memcpy(longer, event.payload.data, event.payload.len);
    memcpy(longer + event.payload.len, "\xa0\x06\x01", 3); // field 100 = 1
    event.payload = (struct bytes){longer, event.payload.len + 3};
    struct decoded decoded;
    open_one(&decoded, &event, none, NULL);
    assert_null(decoded.bad);
    assert_non_null(decoded.inbox.personal);
}

static void a_changed_sealed_part_is_noted(void **state)
{
    (void)state;
    struct event event = created_event();
    ((uint8_t *)event.payload.data)[event.payload.len - 1] ^= 1;
    struct decoded decoded;
    open_one(&decoded, &event, none, NULL);
    assert_non_null(decoded.bad);
    assert_int_equal(decoded.bad->status, NOVA_DATA_LOSS);
}

static void an_old_type_is_opened_by_its_own_name_and_turned(void **state)
{
    (void)state;
    struct event event = updated_event("grace");
    struct decoded decoded;
    open_one(&decoded, &event, test_table, NULL);
    assert_true(decoded.wanted);
    assert_null(decoded.bad);
    assert_string_equal(decoded.inbox.type->type, "user.created");
    assert_string_equal(decoded.inbox.event.type, "user.updated"); // the log says what it said
    const Nova__Identity__V2__UserCreatedPersonal *personal = (const void *)decoded.inbox.personal;
    assert_string_equal(personal->handle, "grace");
    assert_true(((const Nova__Identity__V2__UserCreated *)decoded.inbox.payload)->imported);
}

static void without_its_upcaster_an_old_type_is_not_wanted(void **state)
{
    (void)state;
    struct event event = updated_event("grace");
    struct decoded decoded;
    open_one(&decoded, &event, none, NULL);
    assert_false(decoded.wanted);
}

static void a_chain_of_turns_is_followed_to_its_end(void **state)
{
    (void)state;
    Nova__Identity__V2__SessionStarted payload = NOVA__IDENTITY__V2__SESSION_STARTED__INIT;
    struct event event = event_of("session.started", &payload.base, NULL);
    struct decoded decoded;
    open_one(&decoded, &event, test_table, NULL);
    assert_null(decoded.bad);
    assert_string_equal(decoded.inbox.type->type, "user.created");
}

static void an_event_that_cannot_be_turned_is_noted(void **state)
{
    (void)state;
    struct event event = updated_event("");
    struct decoded decoded;
    open_one(&decoded, &event, test_table, NULL);
    assert_non_null(strstr(decoded.bad->text, "turning a user.updated into a user.created"));
}

static int start(void **state)
{
    (void)state;
    struct error err;
    arena = arena_create();
    key_id = uuid_v7();
    if (seal_start(&err) != NOVA_OK)
        return -1;
    seal_key_generate(&key);
    return 0;
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
        cmocka_unit_test(personal_data_is_opened),
        cmocka_unit_test(erased_data_is_as_if_absent),
        cmocka_unit_test(unknown_and_unwanted_types_are_told_apart),
        cmocka_unit_test(a_payload_that_is_none_is_noted_and_stops_nothing),
        cmocka_unit_test(a_field_of_a_newer_contract_is_no_error),
        cmocka_unit_test(a_changed_sealed_part_is_noted),
        cmocka_unit_test(an_old_type_is_opened_by_its_own_name_and_turned),
        cmocka_unit_test(without_its_upcaster_an_old_type_is_not_wanted),
        cmocka_unit_test(a_chain_of_turns_is_followed_to_its_end),
        cmocka_unit_test(an_event_that_cannot_be_turned_is_noted),
    };
    return cmocka_run_group_tests(tests, start, end);
}
