// test_jwt.c - tokens: what is signed verifies, and nothing else does (RFC 8725).
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/base64url.h"
#include "base/jwt.h"

static uint8_t public_key[JWT_KEY_BYTES], secret[JWT_SECRET_BYTES];
static struct arena *arena;
enum { NOW = 1700000000 };

static bool key_of(void *context, const char *kid, uint8_t out[JWT_KEY_BYTES],
                   char issuer[JWT_NAME_BYTES])
{
    (void)context;
    memcpy(out, public_key, JWT_KEY_BYTES);
    strcpy(issuer, "identity");
    return strcmp(kid, "k1") == 0;
}

static struct jwt_claims claims(void)
{
    return (struct jwt_claims){.issuer = "identity",
                               .subject = "0197a3c0-0000-7000-8000-000000000001",
                               .session = "0197a3c0-0000-7000-8000-000000000002",
                               .issued_at_s = NOW,
                               .expires_at_s = NOW + 3600};
}

// A token with a header and claims of the attacker's choice, signed with the right key.
static char *token_of(const char *header, const char *body)
{
    char *text = arena_printf(arena, "%s.%s", base64url_encode(arena, header, strlen(header)),
                              base64url_encode(arena, body, strlen(body)));
    uint8_t signature[64];
    crypto_sign_detached(signature, NULL, (uint8_t *)text, strlen(text), secret);
    return arena_printf(arena, "%s.%s", text, base64url_encode(arena, signature, 64));
}

static void a_signed_token_verifies_and_is_the_same_every_time(void **state)
{
    (void)state;
    struct jwt_claims in = claims(), out;
    char *token = jwt_sign(arena, &in, "k1", secret);
    assert_string_equal(token, jwt_sign(arena, &in, "k1", secret));
    assert_int_equal(jwt_verify(&out, token, key_of, NULL, NOW + 10, NULL), NOVA_OK);
    assert_string_equal(out.subject, in.subject);
    assert_string_equal(out.session, in.session);
    assert_int_equal(out.expires_at_s, in.expires_at_s);
}

// A signature is 86 letters; libsodium alone would take some bytes above 127 for '_'.
static void a_signature_has_one_text(void **state)
{
    (void)state;
    struct jwt_claims in = claims(), out;
    size_t seen = 0;
    for (int i = 0; i < 16; i++) {
        in.issued_at_s = NOW - i;
        char *token = jwt_sign(arena, &in, "k1", secret);
        char *low = strchr(strrchr(token, '.'), '_');
        for (int byte = 128; low != NULL && byte < 256; byte++) {
            *low = (char)byte;
            assert_int_equal(jwt_verify(&out, token, key_of, NULL, NOW, NULL),
                             NOVA_UNAUTHENTICATED);
            seen++;
        }
    }
    assert_true(seen > 0);
}

static void every_changed_byte_is_refused(void **state)
{
    (void)state;
    struct jwt_claims in = claims(), out;
    char *token = jwt_sign(arena, &in, "k1", secret);
    for (size_t i = 0; i < strlen(token); i++) {
        char *changed = arena_strdup(arena, token);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_int_equal(jwt_verify(&out, changed, key_of, NULL, NOW, NULL), NOVA_UNAUTHENTICATED);
    }
}

#define HEADER "{\"alg\":\"EdDSA\",\"kid\":\"k1\"}"
#define BODY(iss, aud, iat, exp)                                                                   \
    "{\"iss\":\"" iss "\",\"sub\":\"x\",\"aud\":\"" aud "\",\"iat\":" iat ",\"exp\":" exp "}"

static const struct bad {
    const char *header, *body, *text;
} bad[] = {
    {"{\"alg\":\"none\",\"kid\":\"k1\"}", BODY("identity", "nova", "1700000000", "1700003600"),
     "alg EdDSA"},
    {"{\"alg\":\"HS256\",\"kid\":\"k1\"}", BODY("identity", "nova", "1700000000", "1700003600"),
     "alg EdDSA"},
    {"{\"alg\":\"EdDSA\"}", BODY("identity", "nova", "1700000000", "1700003600"), "kid"},
    {"{\"alg\":\"EdDSA\",\"kid\":\"k1\",\"crit\":[\"x\"]}",
     BODY("identity", "nova", "1700000000", "1700003600"), "header"},
    {"{\"alg\":\"EdDSA\",\"kid\":\"k2\"}", BODY("identity", "nova", "1700000000", "1700003600"),
     "nobody knows"},
    {"{\"alg\":\"EdDSA\",\"alg\":\"none\",\"kid\":\"k1\"}",
     BODY("identity", "nova", "1700000000", "1700003600"), "header"},
    {"[]", BODY("identity", "nova", "1700000000", "1700003600"), "header"},
    {HEADER, BODY("identity", "other", "1700000000", "1700003600"), "audience"},
    {HEADER, BODY("process", "nova", "1700000000", "1700003600"), "may not sign"},
    {HEADER, BODY("identity", "nova", "1700009999", "1700013600"), "future"},
    {HEADER, BODY("identity", "nova", "1690000000", "1690003600"), "expired"},
    {HEADER, "{\"iss\":\"identity\",\"sub\":\"x\",\"aud\":\"nova\",\"iat\":1}", "times"},
    {HEADER, "{\"iss\":\"identity\",\"aud\":\"nova\",\"iat\":1,\"exp\":2}", "missing"},
    {HEADER, "no JSON", "no JSON object"},
};

static void hostile_tokens_are_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct jwt_claims out;
        struct error err;
        char *token = token_of(bad[i].header, bad[i].body);
        assert_int_equal(jwt_verify(&out, token, key_of, NULL, NOW, &err), NOVA_UNAUTHENTICATED);
        if (strstr(err.text, bad[i].text) == NULL)
            fail_msg("case %zu says: %s", i, err.text);
    }
}

static void what_is_no_token_is_refused(void **state)
{
    (void)state;
    struct jwt_claims out;
    char *longest = arena_alloc(arena, 3 * JWT_BYTES_MAX);
    memset(longest, '.', 3 * JWT_BYTES_MAX - 1);
    const char *texts[] = {"", ".", "..", "...", "a.b", "a.b.c", "\xff.\xff.\xff", longest};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(jwt_verify(&out, texts[i], key_of, NULL, NOW, NULL), NOVA_UNAUTHENTICATED);
}

static int start(void **state)
{
    (void)state;
    arena = arena_create();
    return sodium_init() < 0 || crypto_sign_keypair(public_key, secret) != 0;
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
        cmocka_unit_test(a_signed_token_verifies_and_is_the_same_every_time),
        cmocka_unit_test(a_signature_has_one_text),
        cmocka_unit_test(every_changed_byte_is_refused),
        cmocka_unit_test(hostile_tokens_are_refused_by_name),
        cmocka_unit_test(what_is_no_token_is_refused),
    };
    return cmocka_run_group_tests(tests, start, end);
}
