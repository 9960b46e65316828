// test_scram.c - password verifiers against the example of RFC 7677.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "migrations/scram.h"

static void base64(uint8_t *out, size_t size, const char *text, size_t text_len)
{
    size_t len = 0;
    assert_int_equal(sodium_base642bin(out, size, text, text_len, NULL, &len, NULL,
                                       sodium_base64_VARIANT_ORIGINAL),
                     0);
    assert_int_equal(len, size);
}

// RFC 7677, 3: the exchange of user "user" with password "pencil".
static void a_verifier_proves_what_the_rfcs_client_and_server_say(void **state)
{
    (void)state;
    static const char conversation[] =
        "n=user,r=rOprNGfwEbeRWgbNEkqO,"
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    uint8_t salt[SCRAM_SALT_BYTES], stored[32], server[32], proof[32], expected[32], got[32];
    char verifier[SCRAM_VERIFIER_BYTES];
    base64(salt, sizeof salt, "W22ZaJ0SNY7soEsUEjb6gQ==", 24);
    assert_int_equal(scram_verifier(verifier, "pencil", salt, NULL), NOVA_OK);
    static const char prefix[] = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$";
    assert_memory_equal(verifier, prefix, sizeof prefix - 1);
    const char *keys = verifier + sizeof prefix - 1;
    assert_int_equal(strlen(keys), 44 + 1 + 44);
    base64(stored, sizeof stored, keys, 44);
    base64(server, sizeof server, keys + 45, 44);

    // The server's signature is of the server key,
    unsigned int len = sizeof got;
    base64(expected, sizeof expected, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", 44);
    HMAC(EVP_sha256(), server, 32, (const uint8_t *)conversation, strlen(conversation), got, &len);
    assert_memory_equal(got, expected, 32);

    // and the client's proof hides the key whose hash is stored.
    base64(proof, sizeof proof, "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", 44);
    HMAC(EVP_sha256(), stored, 32, (const uint8_t *)conversation, strlen(conversation), got, &len);
    for (int i = 0; i < 32; i++)
        proof[i] ^= got[i];
    SHA256(proof, 32, got);
    assert_memory_equal(got, stored, 32);
}

static void a_verifier_knows_its_password_and_no_other(void **state)
{
    (void)state;
    char one[SCRAM_VERIFIER_BYTES], two[SCRAM_VERIFIER_BYTES];
    assert_int_equal(scram_verifier_new(one, "pencil", NULL), NOVA_OK);
    assert_int_equal(scram_verifier_new(two, "pencil", NULL), NOVA_OK);
    assert_string_not_equal(one, two); // another salt
    assert_true(scram_matches(one, "pencil"));
    assert_true(scram_matches(two, "pencil"));
    assert_false(scram_matches(one, "pencils"));
    assert_false(scram_matches(one, ""));
}

static void what_is_no_verifier_of_ours_matches_nothing(void **state)
{
    (void)state;
    static const char *const others[] = {
        "",
        "pencil",
        "md5a6b7c8",
        "SCRAM-SHA-256$4096:",
        "SCRAM-SHA-256$4096:AAAA$B:C",
        "SCRAM-SHA-256$10:W22ZaJ0SNY7soEsUEjb6gQ==$a:b",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==W22ZaJ0SNY7soEsUEjb6gQ==$a:b"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(scram_matches(others[i], "pencil"));
}

static void a_password_that_needs_preparation_is_refused(void **state)
{
    (void)state;
    char verifier[SCRAM_VERIFIER_BYTES], longest[SCRAM_PASSWORD_BYTES_MAX + 2];
    memset(longest, 'x', sizeof longest);
    longest[SCRAM_PASSWORD_BYTES_MAX + 1] = '\0';
    const char *const bad[] = {"", "two words", "pässword", "tab\t", longest};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error err;
        assert_int_equal(scram_verifier_new(verifier, bad[i], &err), NOVA_INVALID_ARGUMENT);
        assert_true(!*bad[i] || !strstr(err.text, bad[i]));
    }
    longest[SCRAM_PASSWORD_BYTES_MAX] = '\0';
    assert_int_equal(scram_verifier_new(verifier, longest, NULL), NOVA_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_verifier_proves_what_the_rfcs_client_and_server_say),
        cmocka_unit_test(a_verifier_knows_its_password_and_no_other),
        cmocka_unit_test(what_is_no_verifier_of_ours_matches_nothing),
        cmocka_unit_test(a_password_that_needs_preparation_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
