// test_leaf.c - leaf bytes v1 against golden vectors of an independent implementation.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "bus/leaf.h"

enum { LEAF_BYTES_MAX = 1024 };

static const struct vector {
    const char *name;
    struct event event;
    const char *leaf_hex;
    const char *hash_hex;
} vectors[] = {
#include "test/vectors/leaf_v1.inc"
};
enum { VECTORS = sizeof vectors / sizeof *vectors };

static void every_vector_has_its_leaf_and_its_hash(void **state)
{
    (void)state;
    for (int i = 0; i < VECTORS; i++) {
        uint8_t leaf[LEAF_BYTES_MAX], hash[LEAF_HASH_BYTES];
        char hex[2 * LEAF_BYTES_MAX + 1];
        size_t len = leaf_bytes_v1(leaf, sizeof leaf, &vectors[i].event);
        assert_in_range(len, 1, sizeof leaf);
        assert_string_equal(sodium_bin2hex(hex, sizeof hex, leaf, len), vectors[i].leaf_hex);
        leaf_hash_v1(hash, (struct bytes){leaf, len});
        assert_string_equal(sodium_bin2hex(hex, sizeof hex, hash, sizeof hash),
                            vectors[i].hash_hex);
    }
}

static void a_short_buffer_is_left_untouched(void **state)
{
    (void)state;
    uint8_t leaf[LEAF_BYTES_MAX];
    memset(leaf, 0xee, sizeof leaf);
    size_t needed = leaf_bytes_v1(NULL, 0, &vectors[0].event);
    assert_int_equal(leaf_bytes_v1(leaf, needed - 1, &vectors[0].event), needed);
    for (size_t i = 0; i < sizeof leaf; i++)
        assert_int_equal(leaf[i], 0xee);
    assert_int_equal(leaf_bytes_v1(leaf, needed, &vectors[0].event), needed);
    assert_int_equal(leaf[needed], 0xee);
}

static void assert_leaf_differs(const struct event *changed)
{
    uint8_t before[LEAF_BYTES_MAX], after[LEAF_BYTES_MAX];
    size_t before_len = leaf_bytes_v1(before, sizeof before, &vectors[0].event);
    size_t after_len = leaf_bytes_v1(after, sizeof after, changed);
    assert_true(before_len != after_len || memcmp(before, after, before_len) != 0);
}

static void every_field_changes_the_leaf(void **state)
{
    (void)state;
#define CHANGED(field, value)                                                                      \
    do {                                                                                           \
        struct event changed = vectors[0].event;                                                   \
        changed.field = (value);                                                                   \
        assert_leaf_differs(&changed);                                                             \
    } while (0)
    static const struct uuid id = {{9}};
    CHANGED(n, 99);
    CHANGED(position, 99);
    CHANGED(log_id, id);
    CHANGED(event_id, id);
    CHANGED(type, "user.updated");
    CHANGED(aggregate_type, "usex");
    CHANGED(aggregate_id, id);
    CHANGED(version, 99);
    CHANGED(actor, "operator");
    CHANGED(command_id, id);
    CHANGED(correlation_id, id);
    CHANGED(causation_id, id);
    CHANGED(occurred_at_us, 99);
    CHANGED(recorded_at_us, 99);
    CHANGED(payload.len, 1);
#undef CHANGED
}

static void text_cannot_move_between_neighbouring_fields(void **state)
{
    (void)state;
    struct event left = vectors[0].event, right = left;
    uint8_t left_leaf[LEAF_BYTES_MAX], right_leaf[LEAF_BYTES_MAX];
    left.type = "ab";
    left.aggregate_type = "c";
    right.type = "a";
    right.aggregate_type = "bc";
    size_t left_len = leaf_bytes_v1(left_leaf, sizeof left_leaf, &left);
    size_t right_len = leaf_bytes_v1(right_leaf, sizeof right_leaf, &right);
    assert_int_equal(left_len, right_len);
    assert_memory_not_equal(left_leaf, right_leaf, left_len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector_has_its_leaf_and_its_hash),
        cmocka_unit_test(a_short_buffer_is_left_untouched),
        cmocka_unit_test(every_field_changes_the_leaf),
        cmocka_unit_test(text_cannot_move_between_neighbouring_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
