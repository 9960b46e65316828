// test_seal.c - sealing: what opens, what does not, and what erasure rests on.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "base/seal.h"

static const struct bytes text = {(const uint8_t *)"ada@example.invalid", 19};
static const struct bytes bound = {(const uint8_t *)"event-1", 7};

struct sealed {
    struct seal_key key;
    uint8_t nonce[SEAL_NONCE_BYTES];
    uint8_t bytes[64];
};

static struct sealed sealed_text(void)
{
    struct sealed made;
    seal_key_generate(&made.key);
    seal_text(made.bytes, made.nonce, &made.key, text, bound);
    return made;
}

static enum nova_status open_text(uint8_t *out, const struct sealed *made, struct bytes with,
                                  struct error *err)
{
    struct bytes sealed = {made->bytes, text.len + SEAL_TAG_BYTES};
    return seal_open(out, made->nonce, &made->key, sealed, with, err);
}

static void a_sealed_text_opens_under_its_key(void **state)
{
    (void)state;
    struct sealed made = sealed_text();
    uint8_t out[64];
    struct error err;
    assert_int_equal(open_text(out, &made, bound, &err), NOVA_OK);
    assert_memory_equal(out, text.data, text.len);
    assert_memory_not_equal(made.bytes, text.data, text.len);
}

static void another_key_opens_nothing(void **state)
{
    (void)state;
    struct sealed made = sealed_text();
    seal_key_generate(&made.key);
    uint8_t out[64];
    struct error err;
    assert_int_equal(open_text(out, &made, bound, &err), NOVA_DATA_LOSS);
    assert_non_null(strstr(err.text, "does not open"));
}

static void a_text_cannot_move_to_another_event(void **state)
{
    (void)state;
    struct sealed made = sealed_text();
    struct bytes other = {(const uint8_t *)"event-2", 7};
    uint8_t out[64];
    struct error err;
    assert_int_equal(open_text(out, &made, other, &err), NOVA_DATA_LOSS);
}

static void every_flipped_bit_is_noticed(void **state)
{
    (void)state;
    struct sealed made = sealed_text();
    uint8_t out[64];
    struct error err;
    for (size_t bit = 0; bit < 8 * (text.len + SEAL_TAG_BYTES); bit++) {
        made.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_equal(open_text(out, &made, bound, &err), NOVA_DATA_LOSS);
        made.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    assert_int_equal(open_text(out, &made, bound, &err), NOVA_OK);
}

static void a_text_too_short_to_be_sealed_is_refused(void **state)
{
    (void)state;
    struct sealed made = sealed_text();
    struct bytes cut = {made.bytes, SEAL_TAG_BYTES - 1};
    uint8_t out[64];
    struct error err;
    assert_int_equal(seal_open(out, made.nonce, &made.key, cut, bound, &err), NOVA_DATA_LOSS);
}

static void the_same_text_is_sealed_differently_each_time(void **state)
{
    (void)state;
    struct sealed first = sealed_text(), second = first;
    seal_text(second.bytes, second.nonce, &first.key, text, bound);
    assert_memory_not_equal(first.nonce, second.nonce, SEAL_NONCE_BYTES);
    assert_memory_not_equal(first.bytes, second.bytes, text.len);
}

static void a_wrapped_key_unwraps_for_its_own_id_only(void **state)
{
    (void)state;
    struct seal_key master, key, out;
    struct uuid id = uuid_v7(), other = uuid_v7();
    uint8_t wrapped[SEAL_WRAPPED_BYTES];
    struct bytes whole = {wrapped, sizeof wrapped}, cut = {wrapped, sizeof wrapped - 1};
    struct error err;
    seal_key_generate(&master);
    seal_key_generate(&key);
    seal_key_wrap(wrapped, &master, &key, &id);
    assert_int_equal(seal_key_unwrap(&out, &master, whole, &id, &err), NOVA_OK);
    assert_memory_equal(out.bytes, key.bytes, SEAL_KEY_BYTES);
    assert_int_equal(seal_key_unwrap(&out, &master, whole, &other, &err), NOVA_DATA_LOSS);
    assert_int_equal(seal_key_unwrap(&out, &master, cut, &id, &err), NOVA_DATA_LOSS);
}

static void a_forgotten_key_is_all_zero(void **state)
{
    (void)state;
    struct seal_key key, zero = {{0}};
    seal_key_generate(&key);
    seal_key_forget(&key);
    assert_memory_equal(key.bytes, zero.bytes, SEAL_KEY_BYTES);
}

static int start(void **state)
{
    (void)state;
    return seal_start(NULL) == NOVA_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sealed_text_opens_under_its_key),
        cmocka_unit_test(another_key_opens_nothing),
        cmocka_unit_test(a_text_cannot_move_to_another_event),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(a_text_too_short_to_be_sealed_is_refused),
        cmocka_unit_test(the_same_text_is_sealed_differently_each_time),
        cmocka_unit_test(a_wrapped_key_unwraps_for_its_own_id_only),
        cmocka_unit_test(a_forgotten_key_is_all_zero),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
