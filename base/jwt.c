// jwt.c - see jwt.h. JSON by jansson, Ed25519 by libsodium. What is refused and why: RFC 8725, 3.
#include "base/jwt.h"

#include <assert.h>
#include <jansson.h>
#include <sodium.h>
#include <string.h>

#include "base/base64url.h"

#define JWT_AUDIENCE "nova"
static const char jwt_kid_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// jti: one of these claims, and no other; 128 bits.
static char *jwt_id(struct arena *arena, const struct jwt_claims *claims, const char *kid)
{
    uint8_t digest[16];
    const char *text = arena_printf(
        arena, "%s %s %s %s %lld %lld", kid, claims->issuer, claims->subject, claims->session,
        (long long)claims->issued_at_s, (long long)claims->expires_at_s);
    crypto_generichash(digest, sizeof digest, (const uint8_t *)text, strlen(text), NULL, 0);
    return base64url_encode(arena, digest, sizeof digest);
}

static char *jwt_part(struct arena *arena, json_t *object)
{
    char *json = json_dumps(object, JSON_COMPACT);
    assert(json != NULL);
    char *part = base64url_encode(arena, json, strlen(json));
    free(json);
    json_decref(object);
    return part;
}

char *jwt_sign(struct arena *arena, const struct jwt_claims *claims, const char *kid,
               const uint8_t secret[JWT_SECRET_BYTES])
{
    json_t *header = json_pack("{s:s, s:s, s:s}", "alg", "EdDSA", "typ", "JWT", "kid", kid);
    json_t *body =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:s}", "iss", claims->issuer, "sub",
                  claims->subject, "aud", JWT_AUDIENCE, "iat", (json_int_t)claims->issued_at_s,
                  "nbf", (json_int_t)claims->issued_at_s, "exp", (json_int_t)claims->expires_at_s,
                  "jti", jwt_id(arena, claims, kid));
    assert(header != NULL && body != NULL); // our own texts are UTF-8
    if (claims->session[0] != '\0')
        json_object_set_new(body, "sid", json_string(claims->session));
    char *header_part = jwt_part(arena, header);
    char *signed_text = arena_printf(arena, "%s.%s", header_part, jwt_part(arena, body));
    uint8_t signature[crypto_sign_BYTES];
    crypto_sign_detached(signature, NULL, (const uint8_t *)signed_text, strlen(signed_text),
                         secret);
    return arena_printf(arena, "%s.%s", signed_text,
                        base64url_encode(arena, signature, sizeof signature));
}

static enum nova_status jwt_refuse(struct error *err, const char *why)
{
    return error_set(err, NOVA_UNAUTHENTICATED, "the token is refused: %s", why);
}

static json_t *jwt_object(const char *text, size_t len)
{
    uint8_t plain[JWT_BYTES_MAX];
    long bytes = base64url_decode_any(plain, sizeof plain, text, len);
    if (bytes < 0)
        return NULL;
    json_t *object = json_loadb((const char *)plain, (size_t)bytes, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(object))
        return object;
    json_decref(object);
    return NULL;
}

static bool jwt_text(char out[JWT_NAME_BYTES], const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (text == NULL || strlen(text) >= JWT_NAME_BYTES)
        return false;
    strcpy(out, text);
    return true;
}

// The header: EdDSA and a key's name, of the letters that ours have; nothing else, so nothing that
// a verifier might follow, and nothing critical that we would not understand.
static bool jwt_header_kid(char kid[JWT_NAME_BYTES], const char *text, size_t len)
{
    json_t *header = jwt_object(text, len);
    char alg[JWT_NAME_BYTES], typ[JWT_NAME_BYTES];
    const bool has_typ = json_object_get(header, "typ") != NULL;
    bool good = header != NULL && json_object_size(header) == (has_typ ? 3 : 2) &&
                jwt_text(alg, header, "alg") && strcmp(alg, "EdDSA") == 0 &&
                jwt_text(kid, header, "kid") && kid[0] != '\0' &&
                kid[strspn(kid, jwt_kid_letters)] == '\0' &&
                (!has_typ || (jwt_text(typ, header, "typ") && strcmp(typ, "JWT") == 0));
    json_decref(header);
    return good;
}

// Seconds that one may add to and multiply by a million: up to the year 9999.
static bool jwt_time(int64_t *out, const json_t *body, const char *key)
{
    const json_t *time = json_object_get(body, key);
    *out = json_integer_value(time);
    return json_is_integer(time) && *out >= 0 && *out <= INT64_C(253402300799);
}

static const char *jwt_times_of(struct jwt_claims *out, const json_t *body, int64_t now_s)
{
    int64_t not_before_s = 0;
    if (!jwt_time(&out->issued_at_s, body, "iat") || !jwt_time(&out->expires_at_s, body, "exp"))
        return "its times are missing";
    if (json_object_get(body, "nbf") != NULL && !jwt_time(&not_before_s, body, "nbf"))
        return "its nbf is no time";
    if (out->issued_at_s > now_s + JWT_CLOCK_SKEW_S)
        return "it was issued in the future";
    if (not_before_s > now_s + JWT_CLOCK_SKEW_S)
        return "it is not valid yet";
    if (out->expires_at_s <= now_s - JWT_CLOCK_SKEW_S)
        return "it has expired; log in again";
    if (out->expires_at_s <= out->issued_at_s ||
        out->expires_at_s - out->issued_at_s > JWT_LIFETIME_S_MAX)
        return "it would be valid for longer than any of ours, or never";
    return NULL;
}

static const char *jwt_claims_of(struct jwt_claims *out, const json_t *body, int64_t now_s)
{
    char audience[JWT_NAME_BYTES], id[JWT_NAME_BYTES];
    if (!jwt_text(audience, body, "aud") || strcmp(audience, JWT_AUDIENCE) != 0)
        return "its audience is another";
    if (!jwt_text(out->issuer, body, "iss") || !jwt_text(out->subject, body, "sub"))
        return "issuer or subject is missing";
    if (json_object_get(body, "sid") != NULL && !jwt_text(out->session, body, "sid"))
        return "its session is no text";
    if (json_object_get(body, "jti") != NULL && !jwt_text(id, body, "jti"))
        return "its jti is no text";
    return jwt_times_of(out, body, now_s);
}

enum nova_status jwt_verify(struct jwt_claims *out, const char *token, jwt_key_of key_of,
                            void *context, int64_t now_s, struct error *err)
{
    size_t len = strnlen(token, JWT_BYTES_MAX + 1);
    const char *dot = memchr(token, '.', len);
    const char *last = memrchr(token, '.', len);
    if (len > JWT_BYTES_MAX || dot == NULL || dot == last)
        return jwt_refuse(err, "it is no JWT of three parts");
    char kid[JWT_NAME_BYTES], issuer[JWT_NAME_BYTES];
    uint8_t public_key[JWT_KEY_BYTES], signature[crypto_sign_BYTES];
    if (!jwt_header_kid(kid, token, (size_t)(dot - token)))
        return jwt_refuse(err, "its header must say alg EdDSA and a kid");
    if (!key_of(context, kid, public_key, issuer))
        return jwt_refuse(err, "nobody knows its key");
    if (!base64url_decode(signature, sizeof signature, last + 1,
                          (size_t)(token + len - last - 1)) ||
        crypto_sign_verify_detached(signature, (const uint8_t *)token, (size_t)(last - token),
                                    public_key) != 0)
        return jwt_refuse(err, "its signature is wrong");
    json_t *body = jwt_object(dot + 1, (size_t)(last - dot - 1));
    if (body == NULL)
        return jwt_refuse(err, "its claims are no JSON object");
    struct jwt_claims claims = {0};
    const char *wrong = jwt_claims_of(&claims, body, now_s);
    json_decref(body);
    if (wrong == NULL && strcmp(claims.issuer, issuer) != 0)
        wrong = "its key may not sign for its issuer";
    if (wrong != NULL)
        return jwt_refuse(err, wrong);
    strcpy(claims.kid, kid);
    *out = claims;
    return NOVA_OK;
}
