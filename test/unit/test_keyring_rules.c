// test_keyring_rules.c - who rotates the signing keys, and when not.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "test/lib/given_identity.h"

enum { NOW = 5000000, LEAD = 60000000 };

static struct given given_rotation(const char *caller, struct identity_facts *facts)
{
    struct given given = identity_given(caller, facts);
    if (*caller == '\0')
        given.caller.kind = CALLER_OPERATOR;
    facts->new_key =
        (struct new_key_fact){.kid = "k2", .x = "AAAA", .now_us = NOW, .lead_us = LEAD};
    return given;
}

static void given_rotated(struct given *given, int64_t signs_from_us)
{
    struct uuid id = id_parse(KEYRING_ID);
    Nova__Identity__V2__KeyringRotated *rotated =
        given_past(given, "identity", "keyring.rotated", &id);
    rotated->kid = "k1";
    rotated->signs_from_us = signs_from_us;
}

static void when_rotated(struct given *given)
{
    Nova__Identity__V2__RotateSigningKeyRequest request =
        NOVA__IDENTITY__V2__ROTATE_SIGNING_KEY_REQUEST__INIT;
    when(given, "RotateSigningKey", &request);
}

static void an_operator_publishes_a_key_before_it_signs(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct given given = given_rotation("", &facts);
    given_rotated(&given, NOW); // whose time has come
    when_rotated(&given);
    const Nova__Identity__V2__RotateSigningKeyReply *reply = (const void *)given.reply;
    assert_non_null(reply);
    assert_string_equal(reply->kid, "k2");
    assert_int_equal(reply->signs_from_us, NOW + LEAD);
    const Nova__Identity__V2__KeyringRotated *rotated =
        (const void *)given.decision.events[0].payload;
    assert_string_equal(rotated->kid, "k2");
    assert_string_equal(rotated->x, "AAAA");
    assert_int_equal(((const struct keyring_state *)given.decision.aggregates[0].state)->rotations,
                     2);
    then_event(&given, "keyring.rotated");
}

static void nobody_else_does(void **state)
{
    (void)state;
    static const char *const others[] = {USER, "importer"};
    struct identity_facts facts;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct given given = given_rotation(others[i], &facts);
        when_rotated(&given);
        then_rejected(&given, IDENTITY_OPERATOR_ONLY);
    }
}

static void a_key_that_waits_is_not_overtaken(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct given given = given_rotation("", &facts);
    given_rotated(&given, NOW + 1);
    when_rotated(&given);
    then_rejected(&given, IDENTITY_ROTATION_UNDER_WAY);
}

static void no_more_keys_than_can_be_published(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct given given = given_rotation("", &facts);
    facts.new_key.is_one_too_many = true;
    when_rotated(&given);
    then_rejected(&given, IDENTITY_KEYS_TOO_MANY);
}

static void every_rejection_was_produced(void **state)
{
    (void)state;
    then_all_were_produced(IDENTITY_KEYS_FROM, IDENTITY_REJECTION_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_operator_publishes_a_key_before_it_signs),
        cmocka_unit_test(nobody_else_does),
        cmocka_unit_test(a_key_that_waits_is_not_overtaken),
        cmocka_unit_test(no_more_keys_than_can_be_published),
        cmocka_unit_test(every_rejection_was_produced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
