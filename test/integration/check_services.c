// check_services.c - the services as their callers see them, on a Nova that runs: NOVA_HOME and the
// ports say which (test/integration/services_test.py starts it). Every case brings its own users.
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// After those it needs.
#include <cmocka.h>

#include "base/access.h"
#include "base/log.h"
#include "bus/process_token.h"
#include "bus/rpc.h"
#include "nova/identity/v2/identity.pb-c.h"
#include "nova/search/v2/search.pb-c.h"

static struct settings *settings;
static struct arena *arena;
static struct bus_connection *importer, *operator_rpc;
static struct process_token *importer_token, *operator_token;

// ---- asking -------------------------------------------------------------------------------------

static void connect_as(struct bus_connection **connection, struct process_token **token,
                       const char *user)
{
    struct error err = {0};
    char url[ACCESS_URL_BYTES], seed[PATH_MAX];
    if (access_nats_url(url, settings, &err) != NOVA_OK ||
        access_nats_seed_path(seed, settings, user, &err) != NOVA_OK ||
        process_token_create(token, user, seed, &err) != NOVA_OK ||
        bus_connect(connection, &(struct bus_options){url, "test", user, seed, 10000}, &err) !=
            NOVA_OK) {
        fprintf(stderr, "%s: %s\n", user, err.text);
        exit(1);
    }
}

struct asked {
    enum nova_status status;
    int64_t position;
    struct error err;
    const void *reply;
};

static struct asked ask(const char *service, const char *method, const void *request,
                        const struct rpc_headers *headers)
{
    struct asked asked = {0};
    ProtobufCMessage *reply = NULL;
    asked.status = rpc_call(&reply, &asked.position, operator_rpc, service, method, request,
                            headers, arena, &asked.err);
    asked.reply = reply;
    return asked;
}

static struct rpc_headers as_operator(void)
{
    return (struct rpc_headers){.token = process_token_text(operator_token, arena)};
}

static void assert_refused(const struct asked *asked, enum nova_status status, const char *name)
{
    assert_int_equal(asked->status, status);
    if (strstr(asked->err.text, name) == NULL)
        fail_msg("'%s' is not in '%s'", name, asked->err.text);
}

static void assert_ok(const struct asked *asked)
{
    if (asked->status != NOVA_OK)
        fail_msg("%s", asked->err.text);
}

// ---- users --------------------------------------------------------------------------------------

static char *unique(const char *format)
{
    struct uuid id = uuid_v7();
    char text[UUID_TEXT_BYTES], *c, *out = text;
    uuid_format(text, &id);
    for (c = text; *c; c++)
        if (*c != '-')
            *out++ = *c;
    *out = '\0';
    return arena_printf(arena, format, text + 12);
}

#define PASSWORD "correct horse battery"

static struct asked user_register(const char *handle, const char *password,
                                  const struct rpc_headers *headers)
{
    Nova__Identity__V2__RegisterRequest request = NOVA__IDENTITY__V2__REGISTER_REQUEST__INIT;
    request.handle = (char *)(uintptr_t)handle;
    request.email = arena_printf(arena, "%s@example.invalid", handle);
    request.display_name = "Ada Lovelace";
    request.password = (char *)(uintptr_t)password;
    return ask("identity", "Register", &request, headers);
}

static const char *new_user(const char *handle, int64_t *position)
{
    struct asked asked = user_register(handle, PASSWORD, &(struct rpc_headers){0});
    assert_ok(&asked);
    if (position)
        *position = asked.position;
    return ((const Nova__Identity__V2__RegisterReply *)asked.reply)->user_id;
}

static struct asked login(const char *name, const char *password)
{
    Nova__Identity__V2__LoginRequest request = NOVA__IDENTITY__V2__LOGIN_REQUEST__INIT;
    request.login = (char *)(uintptr_t)name;
    request.password = (char *)(uintptr_t)password;
    return ask("identity", "Login", &request, &(struct rpc_headers){0});
}

static struct asked verify(const char *token)
{
    Nova__Identity__V2__VerifyTokenRequest request = NOVA__IDENTITY__V2__VERIFY_TOKEN_REQUEST__INIT;
    request.access_token = (char *)(uintptr_t)token;
    return ask("identity", "VerifyToken", &request, &(struct rpc_headers){0});
}

static struct asked get_user(const char *user_id, const struct rpc_headers *headers)
{
    Nova__Identity__V2__GetUserRequest request = NOVA__IDENTITY__V2__GET_USER_REQUEST__INIT;
    request.user_id = (char *)(uintptr_t)user_id;
    return ask("identity", "GetUser", &request, headers);
}

static void a_registered_user_is_found_by_search_at_the_position_of_the_answer(void **state)
{
    (void)state;
    int64_t position = 0;
    const char *handle = unique("ada%s");
    const char *user_id = new_user(handle, &position);
    struct rpc_headers headers = as_operator();
    headers.min_position_count = 1;
    strcpy(headers.min_positions[0].service, "identity");
    headers.min_positions[0].position = position;
    Nova__Search__V2__SearchUsersRequest request = NOVA__SEARCH__V2__SEARCH_USERS_REQUEST__INIT;
    request.query = (char *)(uintptr_t)handle;
    struct asked asked = ask("search", "SearchUsers", &request, &headers);
    assert_ok(&asked);
    const Nova__Search__V2__SearchUsersReply *found = asked.reply;
    assert_int_equal(found->n_users, 1);
    assert_string_equal(found->users[0]->user_id, user_id);
    assert_string_equal(found->users[0]->display_name, "Ada Lovelace");
}

static void the_same_command_id_has_the_same_answer_and_no_second_effect(void **state)
{
    (void)state;
    const char *handle = unique("bob%s");
    struct rpc_headers headers = {.command_id = uuid_v7()};
    struct asked first = user_register(handle, PASSWORD, &headers);
    struct asked again = user_register(handle, PASSWORD, &headers);
    assert_ok(&first);
    assert_ok(&again);
    const Nova__Identity__V2__RegisterReply *one = first.reply, *two = again.reply;
    assert_string_equal(one->user_id, two->user_id);
    assert_int_equal(one->created_at_us, two->created_at_us);
    assert_int_equal(first.position, again.position);
    struct asked other = user_register(unique("eve%s"), PASSWORD, &headers);
    assert_refused(&other, NOVA_FAILED_PRECONDITION, "COMMAND_ID_TAKEN");
}

static void names_are_taken_whatever_their_case(void **state)
{
    (void)state;
    char *handle = unique("carol%s");
    new_user(handle, NULL);
    handle[0] = 'C';
    struct asked asked = user_register(handle, PASSWORD, &(struct rpc_headers){0});
    assert_refused(&asked, NOVA_ALREADY_EXISTS, "HANDLE_TAKEN");
}

static void a_login_gives_a_token_that_says_who_asks(void **state)
{
    (void)state;
    const char *handle = unique("dora%s");
    const char *user_id = new_user(handle, NULL);
    struct asked asked = login(handle, PASSWORD);
    assert_ok(&asked);
    const Nova__Identity__V2__LoginReply *session = asked.reply;
    assert_string_equal(session->user_id, user_id);
    struct asked verified = verify(session->access_token);
    assert_ok(&verified);
    assert_string_equal(((const Nova__Identity__V2__VerifyTokenReply *)verified.reply)->user_id,
                        user_id);
    const struct rpc_headers own = {.token = session->access_token};
    struct asked seen = get_user(user_id, &own);
    assert_ok(&seen);
    const Nova__Identity__V2__User *user =
        ((const Nova__Identity__V2__GetUserReply *)seen.reply)->user;
    assert_string_equal(user->handle, handle);
    assert_true(strchr(user->email, '@') != NULL);
    struct asked stranger = get_user(new_user(unique("fay%s"), NULL), &own);
    assert_ok(&stranger);
    assert_string_equal(((const Nova__Identity__V2__GetUserReply *)stranger.reply)->user->email,
                        "");
}

static void a_wrong_password_and_an_unknown_name_are_the_same(void **state)
{
    (void)state;
    const char *handle = unique("gus%s");
    new_user(handle, NULL);
    struct asked wrong = login(handle, "not the password");
    struct asked unknown = login(unique("nobody%s"), PASSWORD);
    struct asked shortest = login(handle, "x");
    assert_refused(&wrong, NOVA_UNAUTHENTICATED, "WRONG_LOGIN");
    assert_refused(&unknown, NOVA_UNAUTHENTICATED, "WRONG_LOGIN");
    assert_refused(&shortest, NOVA_UNAUTHENTICATED, "WRONG_LOGIN");
    assert_string_equal(wrong.err.text, unknown.err.text);
}

static void a_token_with_a_changed_byte_is_refused(void **state)
{
    (void)state;
    const char *handle = unique("hal%s");
    const char *user_id = new_user(handle, NULL);
    struct asked asked = login(handle, PASSWORD);
    assert_ok(&asked);
    char *token =
        arena_strdup(arena, ((const Nova__Identity__V2__LoginReply *)asked.reply)->access_token);
    char *signature = strrchr(token, '.') + 5;
    *signature = *signature == 'A' ? 'B' : 'A';
    struct asked seen = get_user(user_id, &(struct rpc_headers){.token = token});
    assert_int_equal(seen.status, NOVA_UNAUTHENTICATED);
    struct asked nobody = get_user(user_id, &(struct rpc_headers){0});
    assert_int_equal(nobody.status, NOVA_UNAUTHENTICATED);
}

static void only_the_user_and_operators_change_a_user(void **state)
{
    (void)state;
    const char *handle = unique("ida%s");
    const char *user_id = new_user(handle, NULL), *other = unique("jim%s");
    new_user(other, NULL);
    struct asked session = login(other, PASSWORD);
    assert_ok(&session);
    const struct rpc_headers stranger = {
        .token = ((const Nova__Identity__V2__LoginReply *)session.reply)->access_token};
    Nova__Identity__V2__UpdateUserRequest request = NOVA__IDENTITY__V2__UPDATE_USER_REQUEST__INIT;
    request.user_id = (char *)(uintptr_t)user_id;
    request.display_name = "Someone Else";
    struct asked refused = ask("identity", "UpdateUser", &request, &stranger);
    assert_refused(&refused, NOVA_PERMISSION_DENIED, "NOT_ALLOWED");
    const struct rpc_headers all = as_operator();
    struct asked done = ask("identity", "UpdateUser", &request, &all);
    assert_ok(&done);
    struct asked seen = get_user(user_id, &all);
    assert_ok(&seen);
    const Nova__Identity__V2__User *user =
        ((const Nova__Identity__V2__GetUserReply *)seen.reply)->user;
    assert_string_equal(user->display_name, "Someone Else");
    assert_int_equal(user->version, 2);
}

static void a_deleted_user_is_gone_and_cannot_log_in(void **state)
{
    (void)state;
    const char *handle = unique("kim%s");
    const char *user_id = new_user(handle, NULL);
    struct asked session = login(handle, PASSWORD);
    assert_ok(&session);
    const char *token = ((const Nova__Identity__V2__LoginReply *)session.reply)->access_token;
    Nova__Identity__V2__DeleteUserRequest request = NOVA__IDENTITY__V2__DELETE_USER_REQUEST__INIT;
    request.user_id = (char *)(uintptr_t)user_id;
    const struct rpc_headers own = {.token = token};
    struct asked deleted = ask("identity", "DeleteUser", &request, &own);
    assert_ok(&deleted);
    struct asked verified = verify(token);
    assert_int_equal(verified.status, NOVA_UNAUTHENTICATED);
    struct asked again = login(handle, PASSWORD);
    assert_refused(&again, NOVA_UNAUTHENTICATED, "WRONG_LOGIN");
    const struct rpc_headers all = as_operator();
    struct asked seen = get_user(user_id, &all);
    assert_refused(&seen, NOVA_NOT_FOUND, "USER_UNKNOWN");
    struct asked taken = user_register(handle, PASSWORD, &(struct rpc_headers){0});
    assert_refused(&taken, NOVA_ALREADY_EXISTS, "HANDLE_TAKEN");
}

static void an_import_wants_an_importer(void **state)
{
    (void)state;
    const char *handle = unique("lea%s");
    Nova__Identity__V2__ImportUserRequest request = NOVA__IDENTITY__V2__IMPORT_USER_REQUEST__INIT;
    request.handle = (char *)(uintptr_t)handle;
    request.email = arena_printf(arena, "%s@example.invalid", handle);
    request.display_name = "Lea";
    struct asked nobody = ask("identity", "ImportUser", &request, &(struct rpc_headers){0});
    assert_refused(&nobody, NOVA_PERMISSION_DENIED, "IMPORTER_ONLY");
    struct asked early =
        ask("identity", "ImportUser", &request,
            &(struct rpc_headers){.has_occurred_at = true, .occurred_at_us = 1234567890000000});
    assert_refused(&early, NOVA_PERMISSION_DENIED, "only an importer");
    struct rpc_headers headers = {.token = process_token_text(importer_token, arena),
                                  .has_occurred_at = true,
                                  .occurred_at_us = 1234567890000000};
    ProtobufCMessage *reply = NULL;
    struct error err = {0};
    enum nova_status status = rpc_call(&reply, NULL, importer, "identity", "ImportUser",
                                       &request.base, &headers, arena, &err);
    if (status != NOVA_OK)
        fail_msg("%s", err.text);
    assert_int_equal(((const Nova__Identity__V2__ImportUserReply *)reply)->created_at_us,
                     1234567890000000);
}

int main(void)
{
    struct error err = {0};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_registered_user_is_found_by_search_at_the_position_of_the_answer),
        cmocka_unit_test(the_same_command_id_has_the_same_answer_and_no_second_effect),
        cmocka_unit_test(names_are_taken_whatever_their_case),
        cmocka_unit_test(a_login_gives_a_token_that_says_who_asks),
        cmocka_unit_test(a_wrong_password_and_an_unknown_name_are_the_same),
        cmocka_unit_test(a_token_with_a_changed_byte_is_refused),
        cmocka_unit_test(only_the_user_and_operators_change_a_user),
        cmocka_unit_test(a_deleted_user_is_gone_and_cannot_log_in),
        cmocka_unit_test(an_import_wants_an_importer),
    };
    arena = arena_create();
    if (seal_start(&err) != NOVA_OK ||
        settings_load(&settings, &(struct settings_options){0}, &err) != NOVA_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    connect_as(&importer, &importer_token, "importer");
    connect_as(&operator_rpc, &operator_token, "operator_rpc");
    int failed = cmocka_run_group_tests_name("services", tests, NULL, NULL);
    bus_connection_destroy(&importer);
    bus_connection_destroy(&operator_rpc);
    process_token_destroy(&importer_token);
    process_token_destroy(&operator_token);
    settings_destroy(&settings);
    arena_destroy(&arena);
    return failed;
}
