// test_states.c - every aggregate's state can be shown, and all of it is.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "aggregates/list.h"

static void every_aggregate_of_the_contract_is_in_the_list(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < contract_event_count(); i++) {
        const struct contract_event *event = contract_event_at(i);
        assert_non_null(aggregate_type_find(event->service, event->aggregate_type));
    }
    assert_null(aggregate_type_find("identity", "post"));
}

static void cover(uint8_t *covered, const struct aggregate_type *type, size_t from, size_t bytes)
{
    assert_true(from + bytes <= type->state_bytes);
    for (size_t at = from; at < from + bytes; at++) {
        assert_int_equal(covered[at], 0); // no two fields at one place
        covered[at] = 1;
    }
}

// What no field covers is padding: less than an int64_t.
static void no_byte_of_a_state_is_left_out(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < aggregate_type_count(); i++) {
        uint8_t covered[UINT16_MAX] = {0};
        size_t bare = 0;
        const struct aggregate_type *type = aggregate_type_at(i);
        for (uint32_t k = 0; k < type->field_count; k++) {
            cover(covered, type, type->fields[k].offset, type->fields[k].bytes);
            if (type->fields[k].kind == STATE_IDS)
                cover(covered, type, type->fields[k].count_offset, 1);
        }
        for (size_t at = 0; at < type->state_bytes; at++) {
            bare = covered[at] ? 0 : bare + 1;
            assert_true(bare < sizeof(int64_t));
        }
    }
}

static void a_field_has_the_size_of_its_kind(void **unused)
{
    (void)unused;
    static const size_t bytes[] = {
        [STATE_FLAG] = 1, [STATE_NUMBER] = 8, [STATE_TIME] = 8, [STATE_ID] = sizeof(struct uuid)};
    for (size_t i = 0; i < aggregate_type_count(); i++) {
        const struct aggregate_type *type = aggregate_type_at(i);
        for (uint32_t k = 0; k < type->field_count; k++) {
            const struct state_field *field = &type->fields[k];
            if (field->kind == STATE_IDS)
                assert_int_equal(field->bytes % sizeof(struct uuid), 0);
            else
                assert_int_equal(field->bytes, bytes[field->kind]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_aggregate_of_the_contract_is_in_the_list),
        cmocka_unit_test(no_byte_of_a_state_is_left_out),
        cmocka_unit_test(a_field_has_the_size_of_its_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
