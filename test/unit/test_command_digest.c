// test_command_digest.c - what tells a repeated command gives nothing to guess on: keyed, and
// without the password.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// Before cmocka.h.
#include <setjmp.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "aggregates/runtime/digest.h"
#include "cli/import_line.h"
#include "nova/identity/v2/identity.pb-c.h"
#include "proto/sealed.h"

static struct arena *arena;
static const struct seal_key master = {{1}}, other_master = {{2}};

static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

struct digest {
    uint8_t bytes[COMMAND_DIGEST_BYTES];
};

static struct digest digest_of(const struct seal_key *of, const char *method,
                               const ProtobufCMessage *request)
{
    struct digest out;
    struct command_digest_key key;
    command_digest_key_make(&key, of);
    command_digest(out.bytes, &key, method, request, message_pack(arena, request), arena);
    command_digest_key_forget(&key);
    return out;
}

static struct digest digest_of_login(const struct seal_key *of, const char *login,
                                     const char *password)
{
    Nova__Identity__V2__LoginRequest request = NOVA__IDENTITY__V2__LOGIN_REQUEST__INIT;
    request.login = text(login);
    request.password = text(password);
    struct digest out = digest_of(of, "Login", &request.base);
    assert_string_equal(request.password, password); // the request itself stays whole
    return out;
}

static void assert_same(bool same, struct digest a, struct digest b)
{
    assert_int_equal(memcmp(&a, &b, sizeof a) == 0, same);
}

static void the_same_request_has_the_same_digest_and_another_one_has_not(void **state)
{
    (void)state;
    struct digest one = digest_of_login(&master, "ada", "correct horse battery");
    assert_same(true, one, digest_of_login(&master, "ada", "correct horse battery"));
    assert_same(false, one, digest_of_login(&master, "eve", "correct horse battery"));
    Nova__Identity__V2__LoginRequest request = NOVA__IDENTITY__V2__LOGIN_REQUEST__INIT;
    request.login = text("ada");
    assert_same(false, digest_of(&master, "Register", &request.base),
                digest_of(&master, "Login", &request.base));
}

static void another_master_key_gives_another_digest(void **state)
{
    (void)state;
    assert_same(false, digest_of_login(&master, "ada", "x"),
                digest_of_login(&other_master, "ada", "x"));
}

static void a_password_is_not_in_it(void **state)
{
    (void)state;
    assert_same(true, digest_of_login(&master, "ada", "correct horse battery"),
                digest_of_login(&master, "ada", "12345678901"));
}

static void no_hash_without_the_key_is_it(void **state)
{
    (void)state;
    Nova__Identity__V2__GetUserRequest request = NOVA__IDENTITY__V2__GET_USER_REQUEST__INIT;
    request.user_id = text("0197a3c0-0000-7000-8000-000000000001");
    struct digest real = digest_of(&master, "GetUser", &request.base), guess;
    struct bytes wire = message_pack(arena, &request.base);
    uint8_t both[256];
    memcpy(both, "GetUser", 8);
    memcpy(both + 8, wire.data, wire.len);
    crypto_generichash(guess.bytes, sizeof guess, wire.data, wire.len, NULL, 0);
    assert_same(false, real, guess);
    crypto_generichash(guess.bytes, sizeof guess, both, wire.len + 8, NULL, 0);
    assert_same(false, real, guess);
    crypto_hash_sha256(guess.bytes, both, wire.len + 8);
    assert_same(false, real, guess);
}

// Every request of every contract: a field that sounds like a secret is known as one.
static void every_password_of_the_contracts_is_known_as_a_secret(void **state)
{
    (void)state;
    unsigned found = 0;
    for (size_t i = 0; i < contract_service_count(); i++) {
        const ProtobufCServiceDescriptor *service = contract_service_at(i)->descriptor;
        for (unsigned m = 0; m < service->n_methods; m++) {
            const ProtobufCMessageDescriptor *request = service->methods[m].input;
            for (unsigned f = 0; f < request->n_fields; f++) {
                const char *name = request->fields[f].name;
                if (strstr(name, "password") == NULL || strcmp(name, "password_hash") == 0)
                    continue;
                assert_true(contract_is_secret(&request->fields[f]));
                found++;
            }
        }
    }
    assert_int_equal(found, 5); // Register, Login, ResetPassword, and two of ChangePassword
}

static struct uuid id_of_line(const char *method, const char *more, const char *password)
{
    struct import_line line;
    struct error err = {0};
    char *json = arena_printf(arena,
                              "{\"service\":\"identity\",\"method\":\"%s\",\"request\":{%s,"
                              "\"password\":\"%s\"}}",
                              method, more, password);
    if (import_line_read(&line, json, strlen(json), arena, &err) != NOVA_OK)
        fail_msg("%s", err.text);
    return line.headers.command_id;
}

// The id of a line that says none is made of the line, and everybody reads it in the log.
static void a_line_of_an_import_has_an_id_without_the_password(void **state)
{
    (void)state;
    struct uuid one = id_of_line("Login", "\"login\":\"ada\"", "correct horse battery");
    struct uuid same = id_of_line("Login", "\"login\":\"ada\"", "12345678901");
    struct uuid other = id_of_line("Login", "\"login\":\"eve\"", "correct horse battery");
    assert_true(uuid_equal(&one, &same));
    assert_false(uuid_equal(&one, &other));
}

int main(void)
{
    struct error err = {0};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_request_has_the_same_digest_and_another_one_has_not),
        cmocka_unit_test(another_master_key_gives_another_digest),
        cmocka_unit_test(a_password_is_not_in_it),
        cmocka_unit_test(no_hash_without_the_key_is_it),
        cmocka_unit_test(every_password_of_the_contracts_is_known_as_a_secret),
        cmocka_unit_test(a_line_of_an_import_has_an_id_without_the_password),
    };
    arena = arena_create();
    if (seal_start(&err) != NOVA_OK)
        return 1;
    int failed = cmocka_run_group_tests_name("command_digest", tests, NULL, NULL);
    arena_destroy(&arena);
    return failed;
}
