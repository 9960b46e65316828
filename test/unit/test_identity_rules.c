// test_identity_rules.c - identity's rules of users and logins: each rejection is produced, and the
// last case fails if one was not.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "test/lib/given_identity.h"

// ---- Register -----------------------------------------------------------------------------------

static Nova__Identity__V2__RegisterRequest registration(void)
{
    Nova__Identity__V2__RegisterRequest request = NOVA__IDENTITY__V2__REGISTER_REQUEST__INIT;
    request.user_id = USER;
    request.email = "ada@example.invalid";
    request.handle = "ada";
    request.display_name = "Ada";
    request.password = "0123456789";
    return request;
}

static void whoever_comes_may_register(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct given given = identity_given("", &facts);
    Nova__Identity__V2__RegisterRequest request = registration();
    when(&given, "Register", &request);
    assert_string_equal(((Nova__Identity__V2__RegisterReply *)given.reply)->user_id, USER);
    assert_non_null(given.decision.events[0].personal);
    then_event(&given, "user.created");
}

static void names_of_a_wrong_form_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *email, *handle, *name;
        enum identity_rejection rejection;
    } cases[] = {
        {"", "ada", "Ada", IDENTITY_EMAIL_INVALID},
        {"ada", "ada", "Ada", IDENTITY_EMAIL_INVALID},
        {"a@b@c", "ada", "Ada", IDENTITY_EMAIL_INVALID},
        {"a b@c", "ada", "Ada", IDENTITY_EMAIL_INVALID},
        {"@c", "ada", "Ada", IDENTITY_EMAIL_INVALID},
        {"a@b", "", "Ada", IDENTITY_HANDLE_INVALID},
        {"a@b", "a", "Ada", IDENTITY_HANDLE_INVALID},
        {"a@b", "a/b", "Ada", IDENTITY_HANDLE_INVALID},
        {"a@b", "ADMIN", "Ada", IDENTITY_HANDLE_RESERVED},
        {"a@b", "www", "Ada", IDENTITY_HANDLE_RESERVED},
        {"a@b", "ada", "", IDENTITY_NAME_INVALID},
        {"a@b", "ada", "   ", IDENTITY_NAME_INVALID},
        {"a@b", "ada", "a\tb", IDENTITY_NAME_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct identity_facts facts;
        struct given given = identity_given("", &facts);
        Nova__Identity__V2__RegisterRequest request = registration();
        request.email = (char *)(uintptr_t)cases[i].email;
        request.handle = (char *)(uintptr_t)cases[i].handle;
        request.display_name = (char *)(uintptr_t)cases[i].name;
        when(&given, "Register", &request);
        then_rejected(&given, cases[i].rejection);
    }
}

static void what_looks_like_a_reserved_name_is_reserved(void **state)
{
    (void)state;
    static const char *const reserved[] = {
        "admin",  "ADMIN",  "a.d.m.i.n", "_admin_",     "adm1n",     "adrnin",
        "ADRN1N", "4dm1n",  "supp0rt",   "5upport",     "lnfo",      "aIl",
        "a1l",    "vvvvvv", "www",       "n0va",        "m0derator", "rnoderator",
        "w-w-w",  "R00T",   "sy5tem",    "post-master", "5ecurity"};
    static const char *const free_names[] = {
        "member5", "user5_",   "n0v4",   "ada",        "ali",      "admins-friend",
        "admi",    "nova2018", "admn",   "administer", "bob.root", "wwwv",
        "jo",      "ada_1",    "rooted", "iI",         "u0.1"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (!handle_is_reserved(reserved[i]))
            fail_msg("%s is not reserved", reserved[i]);
    for (size_t i = 0; i < sizeof free_names / sizeof *free_names; i++)
        if (handle_is_reserved(free_names[i]))
            fail_msg("%s is reserved", free_names[i]);
}

static void what_is_taken_is_refused(void **state)
{
    (void)state;
    struct identity_facts facts;
    Nova__Identity__V2__RegisterRequest request = registration();
    struct given given = identity_given("importer", &facts); // strangers do not hear of an address
    facts.email_taken = true;
    when(&given, "Register", &request);
    then_rejected(&given, IDENTITY_EMAIL_TAKEN);
    for (int email_taken = 0; email_taken < 2; email_taken++) {
        given = identity_given("", &facts);
        facts.handle_taken = true;
        facts.email_taken = email_taken; // makes no difference
        when(&given, "Register", &request);
        then_rejected(&given, IDENTITY_HANDLE_TAKEN);
    }
    given = identity_given("", &facts);
    given_user(&given);
    when(&given, "Register", &request);
    then_rejected(&given, IDENTITY_USER_EXISTS);
    given = identity_given("", &facts);
    facts.password_length_ok = false;
    when(&given, "Register", &request);
    then_rejected(&given, IDENTITY_PASSWORD_LENGTH);
    given = identity_given("", &facts);
    facts.password_leaked = true;
    when(&given, "Register", &request);
    then_rejected(&given, IDENTITY_PASSWORD_LEAKED);
}

// What is answered without an event: like a registration that was one.
static void then_in_silence(struct given *given, bool writes, const char *user_id, int64_t at_us)
{
    const Nova__Identity__V2__RegisterReply *reply = (const void *)given->reply;
    assert_null(given->rejection);
    assert_int_equal(given->decision.event_count, 0);
    assert_int_equal(given->decision.writes_inline, writes);
    assert_string_equal(reply->user_id, user_id);
    assert_int_equal(reply->created_at_us, at_us);
    given_end(given);
}

static void an_address_that_is_taken_is_answered_alike_and_leaves_no_event(void **state)
{
    (void)state;
    struct identity_facts facts;
    Nova__Identity__V2__RegisterRequest request = registration();
    static const char *const callers[] = {"", USER};
    for (size_t i = 0; i < sizeof callers / sizeof *callers; i++) {
        struct given given = identity_given(callers[i], &facts);
        facts.email_taken = true;
        when(&given, "Register", &request);
        then_in_silence(&given, true, USER, 1000000);
    }
    struct given given = identity_given("", &facts);
    facts.email_taken = true;
    request.user_id = "";
    when(&given, "Register", &request);
    const Nova__Identity__V2__RegisterReply *reply = (const void *)given.reply;
    assert_string_equal(reply->user_id, id_text(given.arena, &given.decision.new_id));
    given_end(&given);
}

// What was answered once is answered again, whatever has become of the names meanwhile.
static void the_same_registration_again_has_the_answer_of_the_first(void **state)
{
    (void)state;
    struct identity_facts facts;
    Nova__Identity__V2__RegisterRequest request = registration();
    for (int taken = 0; taken < 2; taken++) {
        struct given given = identity_given("", &facts);
        facts.email_taken = facts.handle_taken = taken;
        facts.registration = (struct registration_fact){
            .repeated = true, .user_id = id_parse(OTHER), .created_at_us = 77};
        when(&given, "Register", &request);
        then_in_silence(&given, false, OTHER, 77);
    }
}

// ---- ImportUser ---------------------------------------------------------------------------------

static void only_importers_bring_users_in(void **state)
{
    (void)state;
    struct identity_facts facts;
    Nova__Identity__V2__ImportUserRequest request = NOVA__IDENTITY__V2__IMPORT_USER_REQUEST__INIT;
    request.email = "ada@example.invalid";
    request.handle = "ada";
    request.display_name = "Ada";
    struct given given = identity_given(USER, &facts);
    when(&given, "ImportUser", &request);
    then_rejected(&given, IDENTITY_IMPORTER_ONLY);
    given = identity_given("importer", &facts);
    facts.password_hash_ok = false;
    when(&given, "ImportUser", &request);
    then_rejected(&given, IDENTITY_PASSWORD_HASH_INVALID);
    given = identity_given("importer", &facts);
    when(&given, "ImportUser", &request);
    then_event(&given, "user.created");
}

// ---- UpdateUser and DeleteUser ------------------------------------------------------------------

static void a_user_changes_what_is_theirs(void **state)
{
    (void)state;
    struct identity_facts facts;
    Nova__Identity__V2__UpdateUserRequest request = NOVA__IDENTITY__V2__UPDATE_USER_REQUEST__INIT;
    struct given given = identity_given(USER, &facts);
    when(&given, "UpdateUser", &request);
    then_rejected(&given, IDENTITY_USER_ID_MISSING);
    request.user_id = USER;
    given = identity_given(USER, &facts);
    when(&given, "UpdateUser", &request);
    then_rejected(&given, IDENTITY_USER_UNKNOWN);
    given = identity_given(OTHER, &facts);
    given_user(&given);
    when(&given, "UpdateUser", &request);
    then_rejected(&given, IDENTITY_NOT_ALLOWED);
    given = identity_given(USER, &facts);
    given_user(&given);
    when(&given, "UpdateUser", &request);
    then_rejected(&given, IDENTITY_NOTHING_TO_UPDATE);
    request.display_name = "Ada L.";
    given = identity_given(USER, &facts);
    given_user(&given);
    when(&given, "UpdateUser", &request);
    then_event(&given, "user.updated");
}

// One who changes it may not again until the wait is over; in other letters it is the same handle.
static void a_handle_is_changed_at_a_bounded_rate(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct uuid id = id_parse(USER);
    Nova__Identity__V2__UpdateUserRequest request = NOVA__IDENTITY__V2__UPDATE_USER_REQUEST__INIT;
    request.user_id = USER;
    request.handle = "countess";
    const struct {
        const char *caller;
        bool is_new;
        int64_t wait_us;
        bool refused;
    } cases[] = {{USER, true, 1000000, true},
                 {USER, true, 999999, false},
                 {USER, false, 1000000, false},
                 {"importer", true, 1000000, false}};
    struct given given = identity_given(USER, &facts);
    given_user(&given);
    when(&given, "UpdateUser", &request);
    const Nova__Identity__V2__UserUpdated *first = (const void *)given.decision.events[0].payload;
    assert_true(first->handle_changed);
    then_event(&given, "user.updated");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        given = identity_given(cases[i].caller, &facts);
        facts.handle_is_new = cases[i].is_new;
        facts.handle_change_wait_us = cases[i].wait_us;
        given_user(&given);
        Nova__Identity__V2__UserUpdated *changed =
            given_past(&given, "identity", "user.updated", &id);
        changed->handle_changed = true;
        when(&given, "UpdateUser", &request);
        if (cases[i].refused)
            then_rejected(&given, IDENTITY_HANDLE_CHANGED_LATELY);
        else
            then_event(&given, "user.updated");
    }
}

static void a_deletion_ends_the_sessions(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct uuid session = id_parse(SESSION);
    Nova__Identity__V2__DeleteUserRequest request = NOVA__IDENTITY__V2__DELETE_USER_REQUEST__INIT;
    request.user_id = USER;
    struct given given = identity_given(USER, &facts);
    facts.session_ids = &session;
    facts.session_count = 1;
    given_user(&given);
    given_past(&given, "identity", "session.started", &session);
    when(&given, "DeleteUser", &request);
    assert_null(given.rejection);
    assert_int_equal(given.decision.event_count, 2);
    assert_string_equal(given.decision.events[1].type->type, "session.revoked");
    given_end(&given);
    given = identity_given(USER, &facts);
    given_deleted_user(&given);
    when(&given, "DeleteUser", &request);
    then_rejected(&given, IDENTITY_USER_UNKNOWN);
}

// ---- Login --------------------------------------------------------------------------------------

static void a_login_wants_the_password_of_somebody_who_is_there(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct uuid session = id_parse(SESSION);
    Nova__Identity__V2__LoginRequest request = NOVA__IDENTITY__V2__LOGIN_REQUEST__INIT;
    request.session_id = SESSION;
    struct given given = identity_given("", &facts);
    given_user(&given);
    when(&given, "Login", &request);
    assert_true(((Nova__Identity__V2__LoginReply *)given.reply)->expires_at_us > 1000000);
    then_event(&given, "session.started");
    given = identity_given("", &facts);
    given_user(&given);
    facts.password_matches = false;
    when(&given, "Login", &request);
    then_rejected(&given, IDENTITY_WRONG_LOGIN);
    given = identity_given("", &facts);
    given_deleted_user(&given);
    when(&given, "Login", &request);
    then_rejected(&given, IDENTITY_WRONG_LOGIN);
    given = identity_given("", &facts);
    given_user(&given);
    given_past(&given, "identity", "session.started", &session);
    when(&given, "Login", &request);
    then_rejected(&given, IDENTITY_SESSION_EXISTS);
}

// Otherwise a session_id that is known to be a user's would tell whether a login exists.
static void a_wrong_password_is_all_a_stranger_hears(void **state)
{
    (void)state;
    struct identity_facts facts;
    struct uuid session = id_parse(SESSION);
    Nova__Identity__V2__LoginRequest request = NOVA__IDENTITY__V2__LOGIN_REQUEST__INIT;
    request.session_id = USER;
    struct given given = identity_given("", &facts);
    given_user(&given);
    facts.password_matches = false;
    when(&given, "Login", &request);
    then_rejected(&given, IDENTITY_WRONG_LOGIN);
    given = identity_given("", &facts);
    facts.password_matches = false;
    facts.login_user_id = (struct uuid){0};
    when(&given, "Login", &request);
    then_rejected(&given, IDENTITY_WRONG_LOGIN);
    request.session_id = SESSION;
    given = identity_given("", &facts);
    given_user(&given);
    given_past(&given, "identity", "session.started", &session);
    facts.password_matches = false;
    when(&given, "Login", &request);
    then_rejected(&given, IDENTITY_WRONG_LOGIN);
}

// Those of sessions are test_session_rules.c's.
static void every_rejection_was_produced(void **state)
{
    (void)state;
    then_all_were_produced(0, IDENTITY_SESSIONS_FROM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_comes_may_register),
        cmocka_unit_test(names_of_a_wrong_form_are_refused),
        cmocka_unit_test(what_looks_like_a_reserved_name_is_reserved),
        cmocka_unit_test(what_is_taken_is_refused),
        cmocka_unit_test(an_address_that_is_taken_is_answered_alike_and_leaves_no_event),
        cmocka_unit_test(the_same_registration_again_has_the_answer_of_the_first),
        cmocka_unit_test(a_handle_is_changed_at_a_bounded_rate),
        cmocka_unit_test(only_importers_bring_users_in),
        cmocka_unit_test(a_user_changes_what_is_theirs),
        cmocka_unit_test(a_deletion_ends_the_sessions),
        cmocka_unit_test(a_login_wants_the_password_of_somebody_who_is_there),
        cmocka_unit_test(a_wrong_password_is_all_a_stranger_hears),
        cmocka_unit_test(every_rejection_was_produced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
