// jwt.c - see jwt.h. JSON by jansson, Ed25519 by libsodium.
#include "base/jwt.h"

#include <assert.h>
#include <jansson.h>
#include <sodium.h>
#include <string.h>

#include "base/base64url.h"

#define JWT_AUDIENCE "nova"

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
        json_pack("{s:s, s:s, s:s, s:I, s:I}", "iss", claims->issuer, "sub", claims->subject, "aud",
                  JWT_AUDIENCE, "iat", (json_int_t)claims->issued_at_s, "exp",
                  (json_int_t)claims->expires_at_s);
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

// The header: EdDSA and a key name, nothing critical that we would not understand.
static bool jwt_header_kid(char kid[JWT_NAME_BYTES], const char *text, size_t len)
{
    json_t *header = jwt_object(text, len);
    char alg[JWT_NAME_BYTES], typ[JWT_NAME_BYTES] = "JWT";
    bool good = header != NULL && jwt_text(alg, header, "alg") && strcmp(alg, "EdDSA") == 0 &&
                jwt_text(kid, header, "kid") && json_object_get(header, "crit") == NULL &&
                (json_object_get(header, "typ") == NULL ||
                 (jwt_text(typ, header, "typ") && strcmp(typ, "JWT") == 0));
    json_decref(header);
    return good;
}

static const char *jwt_claims_of(struct jwt_claims *out, const json_t *body, int64_t now_s)
{
    char audience[JWT_NAME_BYTES];
    const json_t *iat = json_object_get(body, "iat"), *exp = json_object_get(body, "exp");
    if (!jwt_text(audience, body, "aud") || strcmp(audience, JWT_AUDIENCE) != 0)
        return "its audience is another";
    if (!jwt_text(out->issuer, body, "iss") || !jwt_text(out->subject, body, "sub"))
        return "issuer or subject is missing";
    if (json_object_get(body, "sid") != NULL && !jwt_text(out->session, body, "sid"))
        return "its session is no text";
    if (!json_is_integer(iat) || !json_is_integer(exp))
        return "its times are missing";
    out->issued_at_s = json_integer_value(iat);
    out->expires_at_s = json_integer_value(exp);
    if (out->issued_at_s > now_s + JWT_CLOCK_SKEW_S)
        return "it was issued in the future";
    if (out->expires_at_s <= now_s - JWT_CLOCK_SKEW_S)
        return "it has expired; log in again";
    return NULL;
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
