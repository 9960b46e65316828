// test_jwks.c - keys of access tokens: asked for when one is unknown, and not more often than that.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bus/jwks.h"

// Identity, as the test wants it.
struct identity {
    enum nova_status status;
    const char *kids[4];
    int asked;
};

static enum nova_status answer(void *context, struct jwks_key *keys, size_t cap, size_t *count,
                               struct error *err)
{
    struct identity *identity = context;
    identity->asked++;
    *count = 0;
    for (size_t i = 0; i < 4 && i < cap && identity->kids[i] != NULL; i++) {
        snprintf(keys[i].kid, sizeof keys[i].kid, "%s", identity->kids[i]);
        memset(keys[i].public_key, identity->kids[i][1], sizeof keys[i].public_key);
        (*count)++;
    }
    return identity->status == NOVA_OK ? NOVA_OK : error_set(err, identity->status, "away");
}

// How often it may have been asked since: once a second, however slow the machine is.
static void asked_at_most(const struct identity *identity, const struct timespec *since)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    assert_in_range(identity->asked, 1, 2 + now.tv_sec - since->tv_sec);
}

static void found(struct jwks *jwks, const char *kid, enum jwks_answer expected)
{
    uint8_t key[JWT_KEY_BYTES] = {0};
    assert_int_equal(jwks_find(key, jwks, kid, true), expected);
    assert_int_equal(key[0], expected == JWKS_KNOWN ? kid[1] : 0);
}

static void a_known_key_is_not_asked_for_and_an_unknown_one_once(void **state)
{
    (void)state;
    struct identity identity = {NOVA_OK, {"k1", "k2"}, 0};
    struct timespec begin;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    struct jwks *jwks = jwks_create(answer, &identity);
    found(jwks, "k1", JWKS_KNOWN);
    found(jwks, "k2", JWKS_KNOWN);
    assert_int_equal(identity.asked, 1);
    for (int i = 0; i < 100; i++) // made-up tokens, far more than one a second
        found(jwks, "kx", JWKS_UNKNOWN);
    asked_at_most(&identity, &begin);
    jwks_destroy(&jwks);
    assert_null(jwks);
}

static void who_cannot_be_asked_leaves_it_open(void **state)
{
    (void)state;
    struct identity identity = {NOVA_UNAVAILABLE, {NULL}, 0};
    struct timespec begin;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    struct jwks *jwks = jwks_create(answer, &identity);
    found(jwks, "k1", JWKS_UNSURE);
    found(jwks, "k1", JWKS_UNSURE); // and is not asked again within the second
    asked_at_most(&identity, &begin);
    jwks_destroy(&jwks);
}

static void old_keys_are_asked_for_again_and_a_removed_one_is_forgotten(void **state)
{
    (void)state;
    struct identity identity = {NOVA_OK, {"k1"}, 0};
    struct jwks *jwks = jwks_create(answer, &identity);
    jwks_renew(jwks, 0); // nobody needed one yet
    assert_int_equal(identity.asked, 0);
    found(jwks, "k1", JWKS_KNOWN);
    jwks_renew(jwks, 3600000);
    assert_int_equal(identity.asked, 1);
    identity = (struct identity){NOVA_OK, {"k2", "k3"}, 1};
    while (identity.asked == 1) // not more often than once a second, either
        jwks_renew(jwks, 0);
    found(jwks, "k2", JWKS_KNOWN);
    found(jwks, "k3", JWKS_KNOWN);
    found(jwks, "k1", JWKS_UNKNOWN);
    jwks_destroy(&jwks);
}

static void a_renewal_that_fails_leaves_the_keys(void **state)
{
    (void)state;
    struct identity identity = {NOVA_OK, {"k1"}, 0};
    struct jwks *jwks = jwks_create(answer, &identity);
    found(jwks, "k1", JWKS_KNOWN);
    identity.status = NOVA_UNAVAILABLE;
    while (identity.asked == 1)
        jwks_renew(jwks, 0);
    found(jwks, "k1", JWKS_KNOWN);
    jwks_destroy(&jwks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_key_is_not_asked_for_and_an_unknown_one_once),
        cmocka_unit_test(who_cannot_be_asked_leaves_it_open),
        cmocka_unit_test(old_keys_are_asked_for_again_and_a_removed_one_is_forgotten),
        cmocka_unit_test(a_renewal_that_fails_leaves_the_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
