// test_mail_rules.c - identity's rules of passwords and addresses that are set by a token sent by
// e-mail: each rejection is produced, and the last case fails if one was not.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "test/lib/given_identity.h"

#define KEPT "0197a3c0-0000-7000-8000-000000000004"

static void when_asked(struct given *given, const char *email)
{
    Nova__Identity__V2__RequestPasswordResetRequest request =
        NOVA__IDENTITY__V2__REQUEST_PASSWORD_RESET_REQUEST__INIT;
    request.email = (char *)(uintptr_t)email;
    when(given, "RequestPasswordReset", &request);
}

static void when_reset(struct given *given)
{
    Nova__Identity__V2__ResetPasswordRequest request =
        NOVA__IDENTITY__V2__RESET_PASSWORD_REQUEST__INIT;
    when(given, "ResetPassword", &request);
}

static void given_mail_token(struct identity_facts *facts)
{
    facts->mail_token =
        (struct mail_token_fact){.well_formed = true, .known = true, .user_id = id_parse(USER)};
}

static void given_session(struct given *given, const char *text)
{
    struct uuid id = id_parse(text);
    Nova__Identity__V2__SessionStarted *started =
        given_past(given, "identity", "session.started", &id);
    started->user_id = USER;
}

// ---- asking -------------------------------------------------------------------------------------

static void who_asks_gets_the_same_whether_the_address_is_somebodys(void **state)
{
    (void)state;
    struct identity_facts facts;
    for (int known = 0; known < 2; known++) {
        struct given given = identity_given("", &facts);
        given_user(&given);
        if (known)
            facts.mail_user_id = id_parse(USER);
        when_asked(&given, "ada@example.org");
        assert_null(given.rejection);
        assert_int_equal(given.decision.event_count, 0);
        assert_int_equal(given.decision.aggregate_count, 1);
        assert_true(given.decision.writes_inline);
        assert_non_null(given.reply);
        given_end(&given);
    }
}

static void what_is_no_address_or_too_much_is_refused_for_everybody_alike(void **state)
{
    (void)state;
    struct identity_facts facts;
    for (int known = 0; known < 2; known++) {
        struct given given = identity_given("", &facts);
        if (known)
            facts.mail_user_id = id_parse(USER);
        when_asked(&given, "ada");
        then_rejected(&given, IDENTITY_EMAIL_INVALID);
        given = identity_given("", &facts);
        if (known)
            facts.mail_user_id = id_parse(USER);
        facts.mail_is_full = true;
        when_asked(&given, "ada@example.org");
        assert_false(given.decision.writes_inline);
        then_rejected(&given, IDENTITY_MAIL_FULL);
    }
}

// ---- setting ------------------------------------------------------------------------------------

static void a_token_sets_the_password_and_ends_every_session(void **state)
{
    (void)state;
    struct identity_facts facts;
    const struct uuid ids[] = {id_parse(SESSION), id_parse(KEPT)};
    struct given given = identity_given("", &facts);
    given_user(&given);
    given_session(&given, SESSION);
    given_session(&given, KEPT);
    given_mail_token(&facts);
    facts.session_ids = ids;
    facts.session_count = 2;
    when_reset(&given);
    assert_null(given.rejection);
    assert_int_equal(given.decision.event_count, 3);
    assert_string_equal(given.decision.events[0].type->type, "user.password_changed");
    const Nova__Identity__V2__UserPasswordChanged *changed =
        (const void *)given.decision.events[0].payload;
    assert_string_equal(changed->reason, "reset");
    for (int i = 1; i < 3; i++) {
        const Nova__Identity__V2__SessionRevoked *revoked =
            (const void *)given.decision.events[i].payload;
        assert_string_equal(given.decision.events[i].type->type, "session.revoked");
        assert_string_equal(revoked->reason, "password_changed");
        assert_string_equal(revoked->user_id, USER);
    }
    const Nova__Identity__V2__ResetPasswordReply *reply = (const void *)given.reply;
    assert_string_equal(reply->user_id, USER);
    assert_int_equal(((const struct user_state *)given.decision.aggregates[0].state)->has_password,
                     1);
    given_end(&given);
}

static void a_token_that_may_not_be_used_sets_nothing(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct given given = identity_given("", &facts);
    when_reset(&given);
    then_rejected(&given, IDENTITY_MAIL_TOKEN_MALFORMED);
    given = identity_given("", &facts);
    facts.mail_token.well_formed = true;
    when_reset(&given);
    then_rejected(&given, IDENTITY_MAIL_TOKEN_UNKNOWN);
    given = identity_given("", &facts);
    given_user(&given);
    given_mail_token(&facts);
    facts.mail_token.expired = true;
    when_reset(&given);
    then_rejected(&given, IDENTITY_MAIL_TOKEN_EXPIRED);
    given = identity_given("", &facts);
    given_deleted_user(&given);
    given_mail_token(&facts);
    when_reset(&given);
    then_rejected(&given, IDENTITY_MAIL_TOKEN_UNKNOWN);
}

static void a_password_out_of_its_length_is_not_set(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct given given = identity_given("", &facts);
    given_user(&given);
    given_mail_token(&facts);
    facts.password_length_ok = false;
    when_reset(&given);
    then_rejected(&given, IDENTITY_PASSWORD_LENGTH);
}

static void a_password_that_everybody_knows_is_not_set(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct given given = identity_given("", &facts);
    given_user(&given);
    given_mail_token(&facts);
    facts.password_leaked = true;
    when_reset(&given);
    then_rejected(&given, IDENTITY_PASSWORD_LEAKED);
}

// ---- changing it --------------------------------------------------------------------------------

static void when_changed(struct given *given, const char *keep)
{
    Nova__Identity__V2__ChangePasswordRequest request =
        NOVA__IDENTITY__V2__CHANGE_PASSWORD_REQUEST__INIT;
    request.user_id = USER;
    request.keep_session_id = (char *)(uintptr_t)keep;
    when(given, "ChangePassword", &request);
}

static void a_changed_password_ends_every_other_session(void **state)
{
    (void)state;
    struct identity_facts facts;
    const struct uuid ids[] = {id_parse(SESSION), id_parse(KEPT)};
    struct given given = identity_given(USER, &facts);
    given_user(&given);
    given_session(&given, SESSION);
    given_session(&given, KEPT);
    facts.session_ids = ids;
    facts.session_count = 2;
    when_changed(&given, KEPT);
    assert_null(given.rejection);
    assert_int_equal(given.decision.event_count, 2);
    const Nova__Identity__V2__UserPasswordChanged *changed =
        (const void *)given.decision.events[0].payload;
    assert_string_equal(changed->reason, "changed");
    assert_string_equal(given.decision.events[1].type->type, "session.revoked");
    assert_true(uuid_equal(&given.decision.events[1].aggregate->id, &ids[0]));
    assert_non_null(given.reply);
    given_end(&given);
}

static void a_password_is_changed_by_its_user_who_knows_it(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct given given = identity_given(OTHER, &facts);
    given_user(&given);
    when_changed(&given, "");
    then_rejected(&given, IDENTITY_NOT_ALLOWED);
    given = identity_given(USER, &facts);
    given_user(&given);
    facts.password_matches = false;
    when_changed(&given, "");
    then_rejected(&given, IDENTITY_WRONG_PASSWORD);
    given = identity_given(USER, &facts);
    given_user(&given);
    facts.password_length_ok = false;
    when_changed(&given, "");
    then_rejected(&given, IDENTITY_PASSWORD_LENGTH);
    given = identity_given(USER, &facts);
    given_user(&given);
    facts.password_leaked = true;
    when_changed(&given, "");
    then_rejected(&given, IDENTITY_PASSWORD_LEAKED);
    given = identity_given(USER, &facts);
    given_deleted_user(&given);
    when_changed(&given, "");
    then_rejected(&given, IDENTITY_USER_UNKNOWN);
}

// ---- showing that an address is theirs ----------------------------------------------------------

static void when_verification_asked(struct given *given)
{
    Nova__Identity__V2__RequestEmailVerificationRequest request =
        NOVA__IDENTITY__V2__REQUEST_EMAIL_VERIFICATION_REQUEST__INIT;
    request.user_id = USER;
    when(given, "RequestEmailVerification", &request);
}

static void when_verified(struct given *given)
{
    Nova__Identity__V2__VerifyEmailRequest request = NOVA__IDENTITY__V2__VERIFY_EMAIL_REQUEST__INIT;
    when(given, "VerifyEmail", &request);
}

static void a_user_asks_for_an_email_to_their_own_address(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct given given = identity_given(USER, &facts);
    given_user(&given);
    when_verification_asked(&given);
    assert_null(given.rejection);
    assert_int_equal(given.decision.event_count, 0);
    assert_true(given.decision.writes_inline);
    assert_non_null(given.reply);
    given_end(&given);
    given = identity_given(OTHER, &facts);
    given_user(&given);
    when_verification_asked(&given);
    then_rejected(&given, IDENTITY_NOT_ALLOWED);
    given = identity_given(USER, &facts);
    given_user(&given);
    facts.mail_is_full = true;
    when_verification_asked(&given);
    then_rejected(&given, IDENTITY_MAIL_FULL);
}

static void a_token_verifies_the_address(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct given given = identity_given("", &facts);
    given_user(&given);
    given_mail_token(&facts);
    when_verified(&given);
    const Nova__Identity__V2__VerifyEmailReply *reply = (const void *)given.reply;
    assert_string_equal(reply->user_id, USER);
    then_event(&given, "user.email_verified");
    given = identity_given("", &facts);
    facts.mail_token.well_formed = true;
    when_verified(&given);
    then_rejected(&given, IDENTITY_MAIL_TOKEN_UNKNOWN);
    given = identity_given("", &facts);
    given_deleted_user(&given);
    given_mail_token(&facts);
    when_verified(&given);
    then_rejected(&given, IDENTITY_MAIL_TOKEN_UNKNOWN);
}

static void every_rejection_was_produced(void **state)
{
    (void)state;
    then_all_were_produced(IDENTITY_MAIL_FROM, IDENTITY_KEYS_FROM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_asks_gets_the_same_whether_the_address_is_somebodys),
        cmocka_unit_test(what_is_no_address_or_too_much_is_refused_for_everybody_alike),
        cmocka_unit_test(a_token_sets_the_password_and_ends_every_session),
        cmocka_unit_test(a_token_that_may_not_be_used_sets_nothing),
        cmocka_unit_test(a_password_out_of_its_length_is_not_set),
        cmocka_unit_test(a_password_that_everybody_knows_is_not_set),
        cmocka_unit_test(a_changed_password_ends_every_other_session),
        cmocka_unit_test(a_password_is_changed_by_its_user_who_knows_it),
        cmocka_unit_test(a_user_asks_for_an_email_to_their_own_address),
        cmocka_unit_test(a_token_verifies_the_address),
        cmocka_unit_test(every_rejection_was_produced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
