// test_session_rules.c - identity's rules of sessions: each rejection is produced, and the last
// case fails if one was not. Those of users and of the password are test_identity_rules.c's.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "test/lib/given_identity.h"

enum { NOW_US = 1000000 }; // when() says so
#define KEPT "0197a3c0-0000-7000-8000-000000000004"

// A session of USER that goes on until `expires_at_us`, unless it is refreshed before.
static void given_session_until(struct given *given, int64_t expires_at_us)
{
    struct uuid id = id_parse(SESSION);
    Nova__Identity__V2__SessionStarted *started =
        given_past(given, "identity", "session.started", &id);
    started->user_id = USER;
    started->refresh_expires_at_us = expires_at_us;
    started->ends_at_us = NOW_US + 7000000000;
}

static void given_session(struct given *given)
{
    given_user(given);
    given_session_until(given, NOW_US + 1);
}

static void given_refreshed(struct given *given, int64_t generation)
{
    struct uuid id = id_parse(SESSION);
    Nova__Identity__V2__SessionRefreshed *refreshed =
        given_past(given, "identity", "session.refreshed", &id);
    refreshed->generation = generation;
    refreshed->refresh_expires_at_us = NOW_US + 1;
}

static void given_revoked(struct given *given)
{
    struct uuid id = id_parse(SESSION);
    given_past(given, "identity", "session.revoked", &id);
}

// The service found that it is a token of that session and generation.
static void given_token(struct identity_facts *facts, int64_t generation)
{
    facts->refresh = (struct refresh_fact){.well_formed = true,
                                           .authentic = true,
                                           .session_id = id_parse(SESSION),
                                           .user_id = id_parse(USER),
                                           .generation = generation};
}

static void when_refreshed(struct given *given)
{
    Nova__Identity__V2__RefreshTokenRequest request =
        NOVA__IDENTITY__V2__REFRESH_TOKEN_REQUEST__INIT;
    when(given, "RefreshToken", &request);
}

static void when_logged_out(struct given *given)
{
    Nova__Identity__V2__LogoutRequest request = NOVA__IDENTITY__V2__LOGOUT_REQUEST__INIT;
    when(given, "Logout", &request);
}

// ---- Login --------------------------------------------------------------------------------------

static Nova__Identity__V2__LoginRequest login_from(const char *device, const char *address)
{
    Nova__Identity__V2__LoginRequest request = NOVA__IDENTITY__V2__LOGIN_REQUEST__INIT;
    request.device = (char *)(uintptr_t)device;
    request.address = (char *)(uintptr_t)address;
    return request;
}

static void a_login_says_how_long_each_token_lasts(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct given given = identity_given("", &facts);
    Nova__Identity__V2__LoginRequest request = login_from("", "");
    given_user(&given);
    when(&given, "Login", &request);
    const Nova__Identity__V2__LoginReply *reply = (const void *)given.reply;
    assert_int_equal(reply->issued_at_us, NOW_US);
    assert_int_equal(reply->expires_at_us, NOW_US + 3600000000);
    assert_int_equal(reply->refresh_expires_at_us, NOW_US + 7200000000);
    assert_null(given.decision.events[0].personal); // nothing to seal
    then_event(&given, "session.started");
    given = identity_given("", &facts);
    facts.session_lifetime_us = 60000000; // shorter than any of its tokens
    given_user(&given);
    when(&given, "Login", &request);
    reply = (const void *)given.reply;
    assert_int_equal(reply->expires_at_us, NOW_US + 60000000);
    assert_int_equal(reply->refresh_expires_at_us, NOW_US + 60000000);
    then_event(&given, "session.started");
    given = identity_given("", &facts);
    facts.refresh_lifetime_us = 60000000; // of a session that is over nothing is good
    given_user(&given);
    when(&given, "Login", &request);
    assert_int_equal(
        ((const Nova__Identity__V2__LoginReply *)(const void *)given.reply)->expires_at_us,
        NOW_US + 60000000);
    then_event(&given, "session.started");
}

static void device_and_address_are_personal_and_bounded(void **state)
{
    (void)state;
    char device[202], address[66];
    struct identity_facts facts;
    memset(device, 'd', sizeof device);
    memset(address, 'a', sizeof address);
    device[200] = address[64] = '\0';
    struct given given = identity_given("", &facts);
    Nova__Identity__V2__LoginRequest request = login_from(device, address);
    given_user(&given);
    when(&given, "Login", &request);
    const Nova__Identity__V2__SessionStartedPersonal *personal =
        (const void *)given.decision.events[0].personal;
    assert_string_equal(personal->device, device);
    assert_string_equal(personal->address, address);
    assert_true(uuid_equal(&given.decision.events[0].person_id, &facts.login_user_id));
    then_event(&given, "session.started");
    strcat(device, "d");
    strcat(address, "a");
    const char *const bad[][2] = {{device, ""}, {"", address}, {"a\nb", ""}, {"", "1\t2"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        given = identity_given("", &facts);
        given_user(&given);
        request = login_from(bad[i][0], bad[i][1]);
        when(&given, "Login", &request);
        then_rejected(&given, IDENTITY_DEVICE_INVALID);
    }
}

static void one_session_too_many_ends_the_one_least_used(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct uuid least_used = id_parse(SESSION);
    Nova__Identity__V2__LoginRequest request = login_from("", "");
    struct given given = identity_given("", &facts);
    facts.session_ids = &least_used;
    facts.session_count = 1;
    given_session(&given);
    when(&given, "Login", &request);
    assert_null(given.rejection);
    assert_int_equal(given.decision.event_count, 2);
    const Nova__Identity__V2__SessionRevoked *revoked =
        (const void *)given.decision.events[1].payload;
    assert_string_equal(given.decision.events[1].type->type, "session.revoked");
    assert_string_equal(revoked->reason, "too_many_sessions");
    assert_string_equal(revoked->user_id, USER);
    assert_string_equal(((Nova__Identity__V2__LoginReply *)given.reply)->user_id, USER);
    given_end(&given);
    given = identity_given("", &facts); // another login was faster
    facts.session_ids = &least_used;
    facts.session_count = 1;
    given_session(&given);
    given_revoked(&given);
    when(&given, "Login", &request);
    then_event(&given, "session.started");
}

// ---- RefreshToken -------------------------------------------------------------------------------

static void the_newest_token_gives_the_next(void **state)
{
    (void)state;
    static const char *const callers[] = {"", USER, "importer"};
    for (size_t i = 0; i < sizeof callers / sizeof *callers; i++) {
        struct identity_facts facts;
        struct given given = identity_given(callers[i], &facts);
        given_session(&given);
        given_refreshed(&given, 1);
        given_token(&facts, 1);
        when_refreshed(&given);
        const Nova__Identity__V2__SessionRefreshed *refreshed =
            (const void *)given.decision.events[0].payload;
        const Nova__Identity__V2__RefreshTokenReply *reply = (const void *)given.reply;
        assert_int_equal(refreshed->generation, 2);
        assert_string_equal(refreshed->user_id, USER);
        assert_string_equal(reply->user_id, USER);
        assert_string_equal(reply->session_id, SESSION);
        assert_int_equal(reply->issued_at_us, NOW_US);
        assert_int_equal(reply->expires_at_us, NOW_US + 3600000000);
        assert_int_equal(reply->refresh_expires_at_us, NOW_US + 7000000000); // the session's end
        then_event(&given, "session.refreshed");
    }
}

static void an_older_token_ends_the_session(void **state)
{
    (void)state;
    for (int64_t expires_at_us = NOW_US; expires_at_us <= NOW_US + 1; expires_at_us++) {
        struct identity_facts facts;
        struct given given = identity_given("", &facts);
        given_user(&given);
        given_session_until(&given, expires_at_us);
        given_refreshed(&given, 1);
        given_token(&facts, 0);
        when_refreshed(&given);
        const Nova__Identity__V2__SessionRevoked *revoked =
            (const void *)given.decision.events[0].payload;
        assert_string_equal(revoked->reason, "refresh_token_reused");
        assert_string_equal(revoked->user_id, USER);
        then_event_and_refused(&given, "session.revoked", IDENTITY_REFRESH_REUSED);
    }
}

static void a_token_that_is_none_is_refused(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct given given = identity_given("", &facts);
    given_session(&given);
    when_refreshed(&given);
    then_rejected(&given, IDENTITY_REFRESH_MALFORMED);
    given = identity_given("", &facts);
    given_session(&given);
    given_refreshed(&given, 1);
    given_token(&facts, 0); // an older one, if it were ours: nobody ends a session by guessing
    facts.refresh.authentic = false;
    when_refreshed(&given);
    then_rejected(&given, IDENTITY_REFRESH_UNKNOWN);
    given = identity_given("", &facts);
    given_session(&given);
    given_token(&facts, 1); // of a log that a recovery left behind
    when_refreshed(&given);
    then_rejected(&given, IDENTITY_REFRESH_UNKNOWN);
    given = identity_given("", &facts);
    given_user(&given);
    given_token(&facts, 0);
    when_refreshed(&given);
    then_rejected(&given, IDENTITY_REFRESH_UNKNOWN);
}

static void a_token_that_is_over_is_refused(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct given given = identity_given("", &facts);
    given_user(&given);
    given_session_until(&given, NOW_US);
    given_token(&facts, 0);
    when_refreshed(&given);
    then_rejected(&given, IDENTITY_REFRESH_EXPIRED);
    given = identity_given("", &facts);
    given_session(&given);
    given_revoked(&given);
    given_token(&facts, 0);
    when_refreshed(&given);
    then_rejected(&given, IDENTITY_REFRESH_REVOKED);
    given = identity_given("", &facts);
    given_deleted_user(&given);
    given_session_until(&given, NOW_US + 1);
    given_revoked(&given);
    given_token(&facts, 0);
    when_refreshed(&given);
    then_rejected(&given, IDENTITY_REFRESH_USER_DELETED);
}

static void another_users_token_is_not_mine(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct given given = identity_given(OTHER, &facts);
    given_session(&given);
    given_token(&facts, 0);
    when_refreshed(&given);
    then_rejected(&given, IDENTITY_REFRESH_OF_ANOTHER);
    given = identity_given(OTHER, &facts); // an old one ends nothing either
    given_session(&given);
    given_refreshed(&given, 1);
    given_token(&facts, 0);
    when_refreshed(&given);
    then_rejected(&given, IDENTITY_REFRESH_OF_ANOTHER);
}

// ---- Logout, RevokeSession, RevokeAllSessions ---------------------------------------------------

static void a_logout_ends_the_tokens_session(void **state)
{
    (void)state;
    for (int64_t generation = 0; generation < 2; generation++) { // an old token will do
        struct identity_facts facts;
        struct given given = identity_given("", &facts);
        given_session(&given);
        given_refreshed(&given, 1);
        given_token(&facts, generation);
        when_logged_out(&given);
        const Nova__Identity__V2__LogoutReply *reply = (const void *)given.reply;
        assert_string_equal(
            ((Nova__Identity__V2__SessionRevoked *)given.decision.events[0].payload)->reason,
            "logout");
        assert_string_equal(reply->session_id, SESSION);
        assert_int_equal(reply->ended_at_us, NOW_US);
        then_event(&given, "session.revoked");
    }
    struct identity_facts facts;
    struct given given = identity_given("", &facts);
    given_session(&given);
    given_revoked(&given);
    given_token(&facts, 0);
    when_logged_out(&given);
    then_rejected(&given, IDENTITY_REFRESH_REVOKED);
    given = identity_given("", &facts);
    when_logged_out(&given);
    then_rejected(&given, IDENTITY_REFRESH_MALFORMED);
}

static struct given given_revocation(const char *caller, struct identity_facts *facts)
{
    struct given given = identity_given(caller, facts);
    given_session(&given);
    return given;
}

static void a_user_ends_a_session_of_theirs(void **state)
{
    (void)state;
    struct identity_facts facts;
    Nova__Identity__V2__RevokeSessionRequest request =
        NOVA__IDENTITY__V2__REVOKE_SESSION_REQUEST__INIT;
    struct given given = given_revocation(USER, &facts);
    when(&given, "RevokeSession", &request);
    then_rejected(&given, IDENTITY_SESSION_ID_MISSING);
    request.session_id = SESSION;
    given = given_revocation(USER, &facts);
    when(&given, "RevokeSession", &request);
    assert_int_equal(((Nova__Identity__V2__RevokeSessionReply *)given.reply)->ended_at_us, NOW_US);
    then_event(&given, "session.revoked");
    static const char *const strangers[] = {"", OTHER}; // they hear no more than that
    for (size_t i = 0; i < 2; i++) {
        given = given_revocation(strangers[i], &facts);
        when(&given, "RevokeSession", &request);
        then_rejected(&given, IDENTITY_SESSION_UNKNOWN);
    }
    given = given_revocation(USER, &facts);
    request.session_id = KEPT;
    when(&given, "RevokeSession", &request);
    then_rejected(&given, IDENTITY_SESSION_UNKNOWN);
    given = given_revocation(USER, &facts);
    given_revoked(&given);
    request.session_id = SESSION;
    when(&given, "RevokeSession", &request);
    then_rejected(&given, IDENTITY_SESSION_ENDED);
}

static void all_sessions_end_but_the_one_to_keep(void **state)
{
    (void)state;
    struct identity_facts facts;
    const struct uuid ids[] = {id_parse(SESSION), id_parse(KEPT)};
    Nova__Identity__V2__RevokeAllSessionsRequest request =
        NOVA__IDENTITY__V2__REVOKE_ALL_SESSIONS_REQUEST__INIT;
    request.user_id = USER;
    struct given given = given_revocation(USER, &facts);
    facts.session_ids = ids;
    facts.session_count = 2;
    when(&given, "RevokeAllSessions", &request);
    assert_int_equal(((Nova__Identity__V2__RevokeAllSessionsReply *)given.reply)->revoked, 2);
    given_end(&given);
    given = given_revocation(USER, &facts);
    facts.session_ids = ids;
    facts.session_count = 2;
    request.keep_session_id = KEPT;
    when(&given, "RevokeAllSessions", &request);
    assert_true(uuid_equal(&given.decision.events[0].aggregate->id, &ids[0]));
    then_event(&given, "session.revoked");
    given = given_revocation(USER, &facts);
    when(&given, "RevokeAllSessions", &request); // none is open: nothing to do
    assert_int_equal(((Nova__Identity__V2__RevokeAllSessionsReply *)given.reply)->revoked, 0);
    assert_int_equal(given.decision.event_count, 0);
    given_end(&given);
    given = given_revocation(OTHER, &facts);
    when(&given, "RevokeAllSessions", &request);
    then_rejected(&given, IDENTITY_NOT_ALLOWED);
}

static void every_rejection_was_produced(void **state)
{
    (void)state;
    then_all_were_produced(IDENTITY_SESSIONS_FROM, IDENTITY_MAIL_FROM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_login_says_how_long_each_token_lasts),
        cmocka_unit_test(device_and_address_are_personal_and_bounded),
        cmocka_unit_test(one_session_too_many_ends_the_one_least_used),
        cmocka_unit_test(the_newest_token_gives_the_next),
        cmocka_unit_test(an_older_token_ends_the_session),
        cmocka_unit_test(a_token_that_is_none_is_refused),
        cmocka_unit_test(a_token_that_is_over_is_refused),
        cmocka_unit_test(another_users_token_is_not_mine),
        cmocka_unit_test(a_logout_ends_the_tokens_session),
        cmocka_unit_test(a_user_ends_a_session_of_theirs),
        cmocka_unit_test(all_sessions_end_but_the_one_to_keep),
        cmocka_unit_test(every_rejection_was_produced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
