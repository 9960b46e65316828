// test_uuid.c - UUIDs: known answers of RFC 9562, order, and what is no UUID.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/uuid.h"

enum { COUNT = 50000, THREADS = 4 };

// This program's clock: the real one, set back or forward by a case.
static atomic_int clock_off_s;

int clock_gettime(clockid_t id, struct timespec *out)
{
    int failed = (int)syscall(SYS_clock_gettime, id, out);
    if (failed == 0 && id == CLOCK_REALTIME)
        out->tv_sec += atomic_load(&clock_off_s);
    return failed;
}

static void version_5_matches_the_rfc(void **state)
{
    (void)state;
    struct uuid dns;
    char text[UUID_TEXT_BYTES];
    assert_true(uuid_parse(&dns, "6ba7b810-9dad-11d1-80b4-00c04fd430c8"));
    struct uuid id = uuid_v5(&dns, "www.example.com", strlen("www.example.com"));
    uuid_format(text, &id);
    assert_string_equal(text, "2ed6657d-e927-568b-95e1-2665a8aea6a2");
}

static void version_7_has_its_version_and_variant(void **state)
{
    (void)state;
    struct uuid id = uuid_v7();
    assert_int_equal(id.bytes[6] >> 4, 7);
    assert_int_equal(id.bytes[8] >> 6, 2);
}

static void *make_ascending(void *all_ascending)
{
    struct uuid last = uuid_v7();
    for (int i = 0; i < COUNT; i++) {
        struct uuid next = uuid_v7();
        if (memcmp(&last, &next, 8) >= 0)
            *(int *)all_ascending = 0;
        last = next;
    }
    return NULL;
}

static void version_7_ascends_within_a_process_on_every_thread(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    int ascending[THREADS];
    for (int i = 0; i < THREADS; i++) {
        ascending[i] = 1;
        assert_int_equal(pthread_create(&threads[i], NULL, make_ascending, &ascending[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(ascending[i]);
    }
}

static void version_7_ascends_while_the_clock_steps_back(void **state)
{
    (void)state;
    static const int steps_s[] = {0, -3600, 7200, -86400, 0, -1};
    struct timespec before, after;
    struct uuid last = uuid_v7();
    clock_gettime(CLOCK_REALTIME, &before);
    for (size_t step = 0; step < sizeof steps_s / sizeof *steps_s; step++) {
        atomic_store(&clock_off_s, steps_s[step]);
        for (int i = 0; i < COUNT; i++) {
            struct uuid next = uuid_v7();
            assert_true(memcmp(&last, &next, 8) < 0);
            last = next;
        }
    }
    clock_gettime(CLOCK_REALTIME, &after);
    assert_true(after.tv_sec < before.tv_sec + 3600); // the clock that was tried is this one
    atomic_store(&clock_off_s, -100);
    clock_gettime(CLOCK_REALTIME, &after);
    assert_true(after.tv_sec < before.tv_sec);
    atomic_store(&clock_off_s, 0);
}

static void a_text_survives_the_round_trip_in_lower_case(void **state)
{
    (void)state;
    struct uuid id;
    char text[UUID_TEXT_BYTES];
    assert_true(uuid_parse(&id, "2ED6657D-E927-568B-95E1-2665A8AEA6A2"));
    uuid_format(text, &id);
    assert_string_equal(text, "2ed6657d-e927-568b-95e1-2665a8aea6a2");
}

static void what_is_no_uuid_is_refused_and_leaves_the_output_alone(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2ed6657d",
        "2ed6657de927568b95e12665a8aea6a2",
        "2ed6657d-e927-568b-95e1-2665a8aea6a",
        "2ed6657d-e927-568b-95e1-2665a8aea6a2 ",
        "2ed6657d-e927-568b-95e1-2665a8aea6ag",
        "{2ed6657d-e927-568b-95e1-2665a8aea6a",
        "2ed6657d+e927+568b+95e1+2665a8aea6a2",
    };
    struct uuid id = uuid_v7(), before = id;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(uuid_parse(&id, bad[i]));
        assert_true(uuid_equal(&id, &before));
    }
}

static void only_all_zero_is_nil(void **state)
{
    (void)state;
    struct uuid id = {{0}};
    assert_true(uuid_is_nil(&id));
    id.bytes[15] = 1;
    assert_false(uuid_is_nil(&id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_5_matches_the_rfc),
        cmocka_unit_test(version_7_has_its_version_and_variant),
        cmocka_unit_test(version_7_ascends_within_a_process_on_every_thread),
        cmocka_unit_test(version_7_ascends_while_the_clock_steps_back),
        cmocka_unit_test(a_text_survives_the_round_trip_in_lower_case),
        cmocka_unit_test(what_is_no_uuid_is_refused_and_leaves_the_output_alone),
        cmocka_unit_test(only_all_zero_is_nil),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
