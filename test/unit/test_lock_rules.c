// test_lock_rules.c - identity's rules of logins that failed: when a user is locked for strangers,
// and what unlocks them. What is refused is WRONG_LOGIN each time, whoever it was for.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "test/lib/given_identity.h"

static void given_event(struct given *given, const char *type)
{
    struct uuid id = id_parse(USER);
    given_past(given, "identity", type, &id);
}

static void when_login_fails(struct given *given, struct identity_facts *facts, bool locks)
{
    Nova__Identity__V2__LoginRequest request = NOVA__IDENTITY__V2__LOGIN_REQUEST__INIT;
    request.session_id = SESSION;
    facts->password_matches = false;
    facts->attempt = (struct attempt_fact){.failed = true, .locks = locks, .from_stranger = true};
    when(given, "Login", &request);
}

static void when_login_succeeds(struct given *given, struct identity_facts *facts, bool stranger)
{
    Nova__Identity__V2__LoginRequest request = NOVA__IDENTITY__V2__LOGIN_REQUEST__INIT;
    facts->attempt.from_stranger = stranger;
    when(given, "Login", &request);
}

// Noted, refused, and no event.
static void then_only_refused(struct given *given)
{
    assert_null(given->rejection);
    assert_int_equal(given->decision.event_count, 0);
    assert_true(given->decision.writes_inline);
    assert_null(given->reply);
    assert_string_equal(given->refusal->name, "WRONG_LOGIN");
    given_end(given);
}

static void a_failed_login_is_noted_and_refused_whoever_it_was_for(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct given given = identity_given("", &facts);
    given_user(&given);
    when_login_fails(&given, &facts, false);
    then_only_refused(&given);
    for (int locks = 0; locks < 2; locks++) {
        given = identity_given("", &facts); // nobody has that name
        facts.login_user_id = (struct uuid){0};
        when_login_fails(&given, &facts, locks);
        assert_int_equal(given.decision.aggregate_count, 1); // as much is loaded
        then_only_refused(&given);
        given = identity_given("", &facts);
        given_deleted_user(&given);
        when_login_fails(&given, &facts, locks);
        then_only_refused(&given);
    }
}

static void one_failure_too_many_locks_the_user_once(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct given given = identity_given("", &facts);
    given_user(&given);
    when_login_fails(&given, &facts, true);
    assert_true(given.decision.writes_inline);
    const Nova__Identity__V2__UserLocked *locked = (const void *)given.decision.events[0].payload;
    assert_string_equal(locked->reason, "failed_logins");
    assert_int_equal(((const struct user_state *)given.decision.aggregates[0].state)->locked, 1);
    then_event_and_refused(&given, "user.locked", IDENTITY_WRONG_LOGIN);
    given = identity_given("", &facts);
    given_user(&given);
    given_event(&given, "user.locked");
    when_login_fails(&given, &facts, true);
    then_only_refused(&given);
    given = identity_given("", &facts); // and again after it was unlocked
    given_user(&given);
    given_event(&given, "user.locked");
    given_event(&given, "user.unlocked");
    when_login_fails(&given, &facts, true);
    then_event_and_refused(&given, "user.locked", IDENTITY_WRONG_LOGIN);
}

static void then_unlocked(struct given *given, uint32_t place, uint32_t count, const char *reason)
{
    assert_null(given->rejection);
    assert_int_equal(given->decision.event_count, count);
    assert_string_equal(given->decision.events[place].type->type, "user.unlocked");
    const Nova__Identity__V2__UserUnlocked *unlocked =
        (const void *)given->decision.events[place].payload;
    assert_string_equal(unlocked->reason, reason);
    assert_non_null(given->reply);
    given_end(given);
}

static void a_stranger_who_knows_the_password_unlocks(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct given given = identity_given("", &facts);
    given_user(&given);
    given_event(&given, "user.locked");
    when_login_succeeds(&given, &facts, true);
    assert_string_equal(given.decision.events[0].type->type, "session.started");
    then_unlocked(&given, 1, 2, "login");
    given = identity_given("", &facts); // there is nothing to unlock
    given_user(&given);
    when_login_succeeds(&given, &facts, true);
    then_event(&given, "session.started");
}

// Else whoever is at the door would begin anew each time that the user comes in.
static void a_known_device_gets_in_and_leaves_strangers_locked_out(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct given given = identity_given("", &facts);
    given_user(&given);
    given_event(&given, "user.locked");
    when_login_succeeds(&given, &facts, false);
    then_event(&given, "session.started");
}

static void a_new_password_unlocks(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct given given = identity_given("", &facts);
    Nova__Identity__V2__ResetPasswordRequest reset =
        NOVA__IDENTITY__V2__RESET_PASSWORD_REQUEST__INIT;
    Nova__Identity__V2__ChangePasswordRequest change =
        NOVA__IDENTITY__V2__CHANGE_PASSWORD_REQUEST__INIT;
    facts.mail_token =
        (struct mail_token_fact){.well_formed = true, .known = true, .user_id = id_parse(USER)};
    given_user(&given);
    given_event(&given, "user.locked");
    when(&given, "ResetPassword", &reset);
    assert_string_equal(given.decision.events[0].type->type, "user.password_changed");
    then_unlocked(&given, 1, 2, "password_reset");
    given = identity_given(USER, &facts);
    change.user_id = USER;
    given_user(&given);
    given_event(&given, "user.locked");
    when(&given, "ChangePassword", &change);
    then_unlocked(&given, 1, 2, "password_changed");
}

// Who has somebody's session guesses at their password: each guess is noted, and refused.
static void a_wrong_old_password_is_noted_for_who_may_change_it(void **state)
{
    (void)state;
    struct identity_facts facts;
    Nova__Identity__V2__ChangePasswordRequest request =
        NOVA__IDENTITY__V2__CHANGE_PASSWORD_REQUEST__INIT;
    request.user_id = USER;
    struct given given = identity_given(USER, &facts);
    given_user(&given);
    facts.attempt.failed = true;
    when(&given, "ChangePassword", &request);
    assert_null(given.rejection);
    assert_int_equal(given.decision.event_count, 0);
    assert_true(given.decision.writes_inline);
    assert_string_equal(given.refusal->name, "WRONG_PASSWORD");
    given_end(&given);
    given = identity_given(OTHER, &facts);
    given_user(&given);
    facts.attempt.failed = true;
    when(&given, "ChangePassword", &request);
    assert_false(given.decision.writes_inline);
    then_rejected(&given, IDENTITY_NOT_ALLOWED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_login_is_noted_and_refused_whoever_it_was_for),
        cmocka_unit_test(one_failure_too_many_locks_the_user_once),
        cmocka_unit_test(a_stranger_who_knows_the_password_unlocks),
        cmocka_unit_test(a_known_device_gets_in_and_leaves_strangers_locked_out),
        cmocka_unit_test(a_new_password_unlocks),
        cmocka_unit_test(a_wrong_old_password_is_noted_for_who_may_change_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
