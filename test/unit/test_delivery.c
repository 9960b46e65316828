// test_delivery.c - the numbers in the reply subject of what JetStream delivers.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "bus/delivery.h"

static void both_forms_of_the_subject_are_read(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "$JS.ACK.NOVA_IDENTITY.content-verifier.1.4711.17.1700000000000000000.3",
        "$JS.ACK._.hash.NOVA_IDENTITY.content-verifier.1.4711.17.1700000000000000000.3",
        "$JS.ACK._.hash.NOVA_IDENTITY.content-verifier.1.4711.17.1700000000000000000.3.token"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct delivery delivery = {0};
        assert_true(delivery_parse(&delivery, forms[i]));
        assert_int_equal(delivery.consumer_len, strlen("content-verifier"));
        assert_memory_equal(delivery.consumer, "content-verifier", delivery.consumer_len);
        assert_int_equal(delivery.n, 4711);
        assert_int_equal(delivery.delivery, 17);
        assert_int_equal(delivery.behind, 3);
    }
}

static void anything_else_is_none(void **state)
{
    (void)state;
    static const char *const others[] = {"",
                                         "$JS.ACK.",
                                         "_INBOX.x.y",
                                         "$JS.ACK.NOVA_IDENTITY.c.1.4711.17.170",
                                         "$JS.ACK.NOVA_IDENTITY.c.1.x.17.170.3",
                                         "$JS.ACK.NOVA_IDENTITY.c.1.4711.-1.170.3",
                                         "JS.ACK.NOVA_IDENTITY.c.1.4711.17.170.3"};
    struct delivery delivery;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (delivery_parse(&delivery, others[i]))
            fail_msg("'%s' was read", others[i]);
    assert_false(delivery_parse(&delivery, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms_of_the_subject_are_read),
        cmocka_unit_test(anything_else_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
