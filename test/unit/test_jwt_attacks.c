// test_jwt_attacks.c - the known attacks on JWTs (RFC 8725, 2 and 3), one a row: each is refused,
// and beside each the token that it was made of, or its nearest honest neighbour, is accepted.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64url.h"
#include "base/jwt.h"

static uint8_t public_key[JWT_KEY_BYTES], secret[JWT_SECRET_BYTES];
static uint8_t other_public[JWT_KEY_BYTES], other_secret[JWT_SECRET_BYTES];
static struct arena *arena;
enum { NOW = 1700000000 };

// Two keys are known: identity's k1, and a process's p1.
static bool key_of(void *context, const char *kid, uint8_t out[JWT_KEY_BYTES],
                   char issuer[JWT_NAME_BYTES])
{
    (void)context;
    bool process = strcmp(kid, "p1") == 0;
    memcpy(out, process ? other_public : public_key, JWT_KEY_BYTES);
    strcpy(issuer, process ? "process" : "identity");
    return process || strcmp(kid, "k1") == 0;
}

static const char *part(const char *text)
{
    return base64url_encode(arena, text, strlen(text));
}

// header.body of these texts, with a signature that is right for them.
static char *signed_with(const char *header, const char *body, const uint8_t key[JWT_SECRET_BYTES])
{
    char *text = arena_printf(arena, "%s.%s", part(header), part(body));
    uint8_t signature[crypto_sign_BYTES];
    crypto_sign_detached(signature, NULL, (uint8_t *)text, strlen(text), key);
    return arena_printf(arena, "%s.%s", text, base64url_encode(arena, signature, sizeof signature));
}

#define GOOD_HEADER "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"k1\"}"
#define CLAIMS(aud, times)                                                                         \
    "{\"iss\":\"identity\",\"sub\":\"x\",\"sid\":\"y\",\"aud\":" aud "," times ",\"jti\":\"z\"}"
#define TIMES "\"iat\":1700000000,\"nbf\":1700000000,\"exp\":1700000600"
#define GOOD_BODY CLAIMS("\"nova\"", TIMES)

static char *good_token(void)
{
    return signed_with(GOOD_HEADER, GOOD_BODY, secret);
}

static void accepted(const char *what, const char *token)
{
    struct jwt_claims claims;
    struct error err;
    if (jwt_verify(&claims, token, key_of, NULL, NOW, &err) != NOVA_OK)
        fail_msg("beside \"%s\": %s", what, err.text);
}

static void refused(const char *what, const char *token, const char *why)
{
    struct jwt_claims claims;
    struct error err = {0};
    if (jwt_verify(&claims, token, key_of, NULL, NOW, &err) != NOVA_UNAUTHENTICATED)
        fail_msg("\"%s\" was accepted", what);
    if (strstr(err.text, why) == NULL)
        fail_msg("\"%s\" was refused for another reason: %s", what, err.text);
}

// ---- headers: the algorithm, the key's name, keys that come along -------------------------------

#define KID(kid) "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":" kid "}"
#define ALG(alg) "{\"alg\":" alg ",\"typ\":\"JWT\",\"kid\":\"k1\"}"
#define WITH(more) "{\"alg\":\"EdDSA\",\"kid\":\"k1\"," more "}"

static const struct {
    const char *what, *header, *why;
} headers[] = {
    {"alg none", ALG("\"none\""), "alg EdDSA"},
    {"alg None", ALG("\"None\""), "alg EdDSA"},
    {"alg HS256", ALG("\"HS256\""), "alg EdDSA"},
    {"alg RS256", ALG("\"RS256\""), "alg EdDSA"},
    {"alg ES256", ALG("\"ES256\""), "alg EdDSA"},
    {"alg eddsa", ALG("\"eddsa\""), "alg EdDSA"},
    {"alg Ed25519", ALG("\"Ed25519\""), "alg EdDSA"},
    {"alg with a blank", ALG("\"EdDSA \""), "alg EdDSA"},
    {"alg with a NUL", ALG("\"EdDSA\\u0000\""), "alg EdDSA"},
    {"alg is a list", ALG("[\"EdDSA\"]"), "alg EdDSA"},
    {"alg is null", ALG("null"), "alg EdDSA"},
    {"no alg", "{\"typ\":\"JWT\",\"kid\":\"k1\"}", "alg EdDSA"},
    {"alg twice, none last", "{\"alg\":\"EdDSA\",\"alg\":\"none\",\"kid\":\"k1\"}", "alg EdDSA"},
    {"alg twice, none first", "{\"alg\":\"none\",\"alg\":\"EdDSA\",\"kid\":\"k1\"}", "alg EdDSA"},
    {"alg in other letters beside alg", WITH("\"ALG\":\"none\""), "alg EdDSA"},
    {"a key nobody knows", KID("\"k2\""), "nobody knows"},
    {"another case of a kid", KID("\"K1\""), "nobody knows"},
    {"the beginning of a kid", KID("\"k\""), "nobody knows"},
    {"another's key", KID("\"p1\""), "signature"},
    {"an empty kid", KID("\"\""), "a kid"},
    {"no kid", "{\"alg\":\"EdDSA\",\"typ\":\"JWT\"}", "a kid"},
    {"kid is a number", KID("1"), "a kid"},
    {"kid is a list", KID("[\"k1\"]"), "a kid"},
    {"kid twice", "{\"alg\":\"EdDSA\",\"kid\":\"k2\",\"kid\":\"k1\"}", "a kid"},
    {"kid is a path", KID("\"../../dev/null\""), "a kid"},
    {"kid is SQL", KID("\"k1' OR '1'='1\""), "a kid"},
    {"kid is a command", KID("\"k1;id|sh\""), "a kid"},
    {"kid ends at a NUL", KID("\"k1\\u0000k2\""), "a kid"},
    {"kid ends a log's line", KID("\"k1\\nlevel=error\""), "a kid"},
    {"kid ends in a blank", KID("\"k1 \""), "a kid"},
    {"a key comes along", WITH("\"jwk\":{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}"),
     "header"},
    {"the address of a key comes along", WITH("\"jku\":\"https://example.invalid/\""), "header"},
    {"a certificate's address comes along", WITH("\"x5u\":\"https://example.invalid/\""), "header"},
    {"something critical", WITH("\"crit\":[\"b64\"],\"b64\":false"), "header"},
    {"b64 alone", WITH("\"b64\":false"), "header"},
    {"a nested token", WITH("\"cty\":\"JWT\""), "header"},
    {"compressed", WITH("\"zip\":\"DEF\""), "header"},
    {"another type of token", "{\"alg\":\"EdDSA\",\"typ\":\"dpop+jwt\",\"kid\":\"k1\"}", "header"},
    {"bytes behind the header", GOOD_HEADER "x", "header"},
    {"two headers", GOOD_HEADER GOOD_HEADER, "header"},
    {"a list", "[" GOOD_HEADER "]", "header"},
    {"nothing", "", "header"},
};

static void headers_that_choose_for_the_verifier_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        refused(headers[i].what, signed_with(headers[i].header, GOOD_BODY, secret), headers[i].why);
        accepted(headers[i].what, good_token());
    }
    accepted("no typ", signed_with("{\"alg\":\"EdDSA\",\"kid\":\"k1\"}", GOOD_BODY, secret));
}

// ---- claims: duplicates, numbers, audience, times -----------------------------------------------

#define AUDIENCE(aud) CLAIMS(aud, TIMES)
#define AT(iat, nbf, exp) CLAIMS("\"nova\"", "\"iat\":" iat ",\"nbf\":" nbf ",\"exp\":" exp)

static const struct {
    const char *what, *body, *beside, *why; // beside: the nearest that is right
} bodies[] = {
    {"another audience", AUDIENCE("\"admin\""), GOOD_BODY, "audience"},
    {"an audience that begins alike", AUDIENCE("\"nova.example\""), GOOD_BODY, "audience"},
    {"another case of the audience", AUDIENCE("\"Nova\""), GOOD_BODY, "audience"},
    {"several audiences", AUDIENCE("[\"nova\",\"other\"]"), GOOD_BODY, "audience"},
    {"an empty audience", AUDIENCE("\"\""), GOOD_BODY, "audience"},
    {"no audience", "{\"iss\":\"identity\",\"sub\":\"x\"," TIMES "}", GOOD_BODY, "audience"},
    {"another issuer", "{\"iss\":\"process\",\"sub\":\"x\",\"aud\":\"nova\"," TIMES "}", GOOD_BODY,
     "may not sign"},
    {"no issuer", "{\"sub\":\"x\",\"aud\":\"nova\"," TIMES "}", GOOD_BODY, "issuer"},
    {"no subject", "{\"iss\":\"identity\",\"aud\":\"nova\"," TIMES "}", GOOD_BODY, "subject"},
    {"a subject that is a number", "{\"iss\":\"identity\",\"sub\":1,\"aud\":\"nova\"," TIMES "}",
     GOOD_BODY, "subject"},
    {"two subjects",
     "{\"iss\":\"identity\",\"sub\":\"x\",\"sub\":\"y\",\"aud\":\"nova\"," TIMES "}", GOOD_BODY,
     "no JSON object"},
    {"two times of expiry", AT("1700000000", "1700000000", "1700000600,\"exp\":1700009999"),
     GOOD_BODY, "no JSON object"},
    {"a session that is a list",
     "{\"iss\":\"identity\",\"sub\":\"x\",\"sid\":[],\"aud\":\"nova\"," TIMES "}", GOOD_BODY,
     "session"},
    {"a jti that is a number",
     "{\"iss\":\"identity\",\"sub\":\"x\",\"aud\":\"nova\",\"jti\":1," TIMES "}", GOOD_BODY, "jti"},
    {"issued in the future", AT("1700000061", "1700000000", "1700000600"),
     AT("1700000060", "1700000000", "1700000600"), "future"},
    {"not valid yet", AT("1700000000", "1700000061", "1700000600"),
     AT("1700000000", "1700000060", "1700000600"), "not valid yet"},
    {"expired", AT("1699990000", "1699990000", "1699999940"),
     AT("1699990000", "1699990000", "1699999941"), "expired"},
    {"expired before it was issued", AT("1700000050", "0", "1700000010"),
     AT("1700000010", "0", "1700000050"), "never"},
    {"valid for years", AT("1700000000", "1700000000", "1700086401"),
     AT("1700000000", "1700000000", "1700086400"), "longer"},
    {"the largest number", AT("1700000000", "1700000000", "9223372036854775807"), GOOD_BODY,
     "times"},
    {"more than the largest number", AT("1700000000", "1700000000", "9223372036854775808"),
     GOOD_BODY, "no JSON object"},
    {"a number of no number's size", AT("1700000000", "1700000000", "1e999"), GOOD_BODY,
     "no JSON object"},
    {"the smallest number", AT("-9223372036854775808", "0", "1700000600"), GOOD_BODY, "times"},
    {"a time below nought", AT("-1", "0", "1700000600"), GOOD_BODY, "times"},
    {"a time with a fraction", AT("1700000000", "0", "1700000600.5"), GOOD_BODY, "times"},
    {"a time with an exponent", AT("1700000000", "0", "17e8"), GOOD_BODY, "times"},
    {"a time that is a text", AT("1700000000", "0", "\"1700000600\""), GOOD_BODY, "times"},
    {"a time that is true", AT("1700000000", "0", "true"), GOOD_BODY, "times"},
    {"an nbf that is a text", AT("1700000000", "\"0\"", "1700000600"), GOOD_BODY, "nbf"},
    {"no expiry", CLAIMS("\"nova\"", "\"iat\":1700000000"), GOOD_BODY, "times"},
    {"no time of issue", CLAIMS("\"nova\"", "\"exp\":1700000600"), GOOD_BODY, "times"},
    {"bytes behind the claims", GOOD_BODY "x", GOOD_BODY, "no JSON object"},
    {"claims twice", GOOD_BODY GOOD_BODY, GOOD_BODY, "no JSON object"},
    {"claims in a list", "[" GOOD_BODY "]", GOOD_BODY, "no JSON object"},
    {"no claims", "", GOOD_BODY, "no JSON object"},
    {"no UTF-8", "{\"iss\":\"identity\",\"sub\":\"\xff\",\"aud\":\"nova\"," TIMES "}", GOOD_BODY,
     "no JSON object"},
};

static void claims_of_another_meaning_are_refused_whoever_signed_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        refused(bodies[i].what, signed_with(GOOD_HEADER, bodies[i].body, secret), bodies[i].why);
        accepted(bodies[i].what, signed_with(GOOD_HEADER, bodies[i].beside, secret));
    }
}

// ---- signatures ---------------------------------------------------------------------------------

// RFC 8725, 2.1: the public key, which everybody has, taken for the key of an HMAC.
static void an_hmac_with_the_public_key_is_refused(void **state)
{
    (void)state;
    const char *names[] = {"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k1\"}", GOOD_HEADER};
    for (size_t i = 0; i < 2; i++) {
        char *text = arena_printf(arena, "%s.%s", part(names[i]), part(GOOD_BODY));
        uint8_t mac[crypto_auth_hmacsha256_BYTES];
        crypto_auth_hmacsha256(mac, (uint8_t *)text, strlen(text), public_key);
        refused("HS256 with the public key",
                arena_printf(arena, "%s.%s", text, base64url_encode(arena, mac, sizeof mac)),
                i == 0 ? "alg EdDSA" : "signature");
        accepted("HS256 with the public key", good_token());
    }
}

static void what_its_key_did_not_sign_is_refused(void **state)
{
    (void)state;
    const char *text = arena_printf(arena, "%s.%s", part(GOOD_HEADER), part(GOOD_BODY));
    uint8_t zeros[crypto_sign_BYTES] = {0};
    const char *other_body = part(CLAIMS("\"nova\"", "\"iat\":1700000000,\"exp\":1700000601"));
    const char *other_header = part("{\"alg\":\"EdDSA\",\"kid\":\"k1\"}");
    const char *signature = strrchr(good_token(), '.');
    refused("no signature", arena_printf(arena, "%s.", text), "signature");
    refused("no third part", text, "three parts");
    refused("a signature of zeros",
            arena_printf(arena, "%s.%s", text, base64url_encode(arena, zeros, sizeof zeros)),
            "signature");
    refused("other claims under an old signature",
            arena_printf(arena, "%s.%s%s", part(GOOD_HEADER), other_body, signature), "signature");
    refused("another header over an old signature",
            arena_printf(arena, "%s.%s%s", other_header, part(GOOD_BODY), signature), "signature");
    refused("another known key's signature", signed_with(GOOD_HEADER, GOOD_BODY, other_secret),
            "signature");
    refused("a process that speaks for identity",
            signed_with("{\"alg\":\"EdDSA\",\"kid\":\"p1\"}", GOOD_BODY, other_secret),
            "may not sign");
    accepted("all of these", good_token());
}

// S and S + L satisfy the same equation: one token would have two texts (RFC 8032, 5.1.7).
static void a_signature_with_the_group_s_order_added_is_refused(void **state)
{
    (void)state;
    static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                      0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
    char *token = good_token(), *dot = strrchr(token, '.');
    uint8_t signature[crypto_sign_BYTES];
    assert_true(base64url_decode(signature, sizeof signature, dot + 1, strlen(dot + 1)));
    sodium_add(signature + 32, order, sizeof order);
    *dot = '\0';
    refused(
        "S + L",
        arena_printf(arena, "%s.%s", token, base64url_encode(arena, signature, sizeof signature)),
        "signature");
    accepted("S + L", good_token());
}

// ---- texts --------------------------------------------------------------------------------------

// Every text but the one that was signed: behind it, before it, between its parts, in other base64.
static void a_token_has_one_text(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "%s\n", "%s ", "%s\t", "%s=",    "%s==", "%s.",    "%s.x",  "%sA",  "%s%%3D", " %s",
        "\n%s", ".%s", "=%s",  "\"%s\"", "[%s]", "%s\r\n", "%s,%s", "%s;x", "%s\x01", "Bearer %s"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char text[2 * JWT_BYTES_MAX];
        const char *mark = strstr(forms[i], "%s");
        const char *token = good_token();
        snprintf(text, sizeof text, "%.*s%s%s", (int)(mark - forms[i]), forms[i], token, mark + 2);
        refused(forms[i], text, "the token is refused");
        accepted(forms[i], token);
    }
}

// White space, padding and the other alphabet, in each of the three parts; signed anew, so that it
// is the form that is refused.
static void each_part_is_base64url_and_nothing_else(void **state)
{
    (void)state;
    static const char *const tails[] = {"=", "==", " ", "\n", "\r\n", "+", "/", "%3D", "\t"};
    const char *header = part(GOOD_HEADER), *body = part(GOOD_BODY);
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++)
        for (int where = 0; where < 3; where++) {
            char *text = arena_printf(arena, "%s%s.%s%s", header, where == 0 ? tails[i] : "", body,
                                      where == 1 ? tails[i] : "");
            uint8_t signature[crypto_sign_BYTES];
            crypto_sign_detached(signature, NULL, (uint8_t *)text, strlen(text), secret);
            char *token = arena_printf(arena, "%s.%s%s", text,
                                       base64url_encode(arena, signature, sizeof signature),
                                       where == 2 ? tails[i] : "");
            refused(tails[i], token, "the token is refused");
            accepted(tails[i], good_token());
        }
}

// The last letter of 64 bytes carries four bits that mean nothing: all but zeros are refused.
static void the_bits_that_mean_nothing_are_zero(void **state)
{
    (void)state;
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char *token = good_token(), *last = token + strlen(token) - 1;
    const char right = *last;
    for (const char *letter = letters; *letter != '\0'; letter++) {
        *last = *letter;
        if (*letter == right)
            accepted("the right letter", token);
        else
            refused("another last letter", token, "signature");
    }
}

// jansson stops at 2,048 levels and a token at 4,096 bytes: neither takes the stack.
static void depth_and_length_are_bounded(void **state)
{
    (void)state;
    char deep[2600] = "{\"alg\":";
    memset(deep + strlen(deep), '[', sizeof deep - strlen(deep) - 1);
    refused("2,600 lists", signed_with(deep, GOOD_BODY, secret), "header");
    char *wide = arena_alloc(arena, 2 * JWT_BYTES_MAX);
    memset(wide, ' ', 2 * JWT_BYTES_MAX);
    memcpy(wide + 2 * JWT_BYTES_MAX - sizeof GOOD_BODY, GOOD_BODY, sizeof GOOD_BODY);
    refused("8,192 bytes", signed_with(GOOD_HEADER, wide, secret), "three parts");
    accepted("both", good_token());
}

// A whole claim set: what RFC 7519 names is there, and the same claims have the same jti.
static void what_we_sign_says_when_and_which(void **state)
{
    (void)state;
    struct jwt_claims claims = {.issuer = "identity",
                                .subject = "x",
                                .session = "y",
                                .issued_at_s = NOW,
                                .expires_at_s = NOW + 600};
    uint8_t first[1024] = {0}, second[1024] = {0};
    const char *tokens[2] = {jwt_sign(arena, &claims, "k1", secret), NULL};
    claims.expires_at_s++;
    tokens[1] = jwt_sign(arena, &claims, "k1", secret);
    for (int i = 0; i < 2; i++) {
        const char *dot = strchr(tokens[i], '.') + 1;
        assert_true(base64url_decode_any(i == 0 ? first : second, 1023, dot,
                                         (size_t)(strrchr(dot, '.') - dot)) > 0);
        accepted("ours", tokens[i]);
    }
    assert_non_null(strstr((char *)first, "\"nbf\":1700000000"));
    const char *one = strstr((char *)first, "\"jti\":"), *two = strstr((char *)second, "\"jti\":");
    assert_true(one != NULL && two != NULL && strlen(one) == strlen(two) && strlen(one) > 28);
    assert_string_not_equal(one, two);
}

static int start(void **state)
{
    (void)state;
    arena = arena_create();
    return sodium_init() < 0 || crypto_sign_keypair(public_key, secret) != 0 ||
           crypto_sign_keypair(other_public, other_secret) != 0;
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
        cmocka_unit_test(headers_that_choose_for_the_verifier_are_refused),
        cmocka_unit_test(claims_of_another_meaning_are_refused_whoever_signed_them),
        cmocka_unit_test(an_hmac_with_the_public_key_is_refused),
        cmocka_unit_test(what_its_key_did_not_sign_is_refused),
        cmocka_unit_test(a_signature_with_the_group_s_order_added_is_refused),
        cmocka_unit_test(a_token_has_one_text),
        cmocka_unit_test(each_part_is_base64url_and_nothing_else),
        cmocka_unit_test(the_bits_that_mean_nothing_are_zero),
        cmocka_unit_test(depth_and_length_are_bounded),
        cmocka_unit_test(what_we_sign_says_when_and_which),
    };
    return cmocka_run_group_tests(tests, start, end);
}
