// test_timestamp.c - times as text and back.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/timestamp.h"

static const struct {
    const char *text;
    int64_t unix_us;
    const char *again; // NULL: refused
} cases[] = {
    {"1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"},
    {"2018-03-12T18:43:31.583", 1520880211583000, "2018-03-12T18:43:31.583000Z"},
    {"2018-03-12 18:43:31.5Z", 1520880211500000, "2018-03-12T18:43:31.500000Z"},
    {"2018-03-12T20:43:31+02:00", 1520880211000000, "2018-03-12T18:43:31Z"},
    {"2018-03-12T17:43:31-0100", 1520880211000000, "2018-03-12T18:43:31Z"},
    {"2018-03-12", 1520812800000000, "2018-03-12T00:00:00Z"},
    {"2000-02-29", 951782400000000, "2000-02-29T00:00:00Z"},
    {"1969-12-31T23:59:59.999999Z", -1, "1969-12-31T23:59:59.999999Z"},
    {"1900-02-29", 0, NULL},
    {"2018-13-01", 0, NULL},
    {"2018-04-31", 0, NULL},
    {"2018-03-12T25:00:00Z", 0, NULL},
    {"2018-03-12T18:43:31.Z", 0, NULL},
    {"2018-03-12T18:43Z", 0, NULL},
    {"2018-03-12T18:43:31Zx", 0, NULL},
    {"12.3.2018", 0, NULL},
    {"", 0, NULL},
};

static void each_time_is_read_and_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t unix_us = 0;
        char text[TIMESTAMP_BYTES];
        bool is_one = timestamp_parse(&unix_us, cases[i].text);
        if (is_one != (cases[i].again != NULL))
            fail_msg("'%s' was %s", cases[i].text, is_one ? "taken" : "refused");
        if (!is_one)
            continue;
        assert_int_equal(unix_us, cases[i].unix_us);
        timestamp_format(text, unix_us);
        assert_string_equal(text, cases[i].again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_time_is_read_and_written)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
