// check_bus.c - connecting to a real nats-server: NOVA_HOME and the ports say which
// (test/integration/bus_test.py starts it).
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
// After those it needs.
#include <cmocka.h>

#include "base/access.h"
#include "bus/connection.h"

static struct settings *settings;

// One signature in 256 begins with a zero byte, and nats.c does not send it.
static void every_connection_is_let_in(void **state)
{
    (void)state;
    struct error err = {0};
    char url[ACCESS_URL_BYTES], seed[PATH_MAX];
    assert_int_equal(NOVA_OK, access_nats_url(url, settings, &err));
    assert_int_equal(NOVA_OK, access_nats_seed_path(seed, settings, "importer", &err));
    for (int i = 0; i < 2000; i++) {
        struct bus_connection *connection = NULL;
        enum nova_status status = bus_connect(
            &connection, &(struct bus_options){url, "test", "importer", seed, 10000}, &err);
        if (status != NOVA_OK)
            fail_msg("connection %d: %s", i, err.text);
        bus_connection_destroy(&connection);
    }
}

int main(void)
{
    struct error err = {0};
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_connection_is_let_in)};
    if (settings_load(&settings, &(struct settings_options){0}, &err) != NOVA_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    int failed = cmocka_run_group_tests_name("bus", tests, NULL, NULL);
    settings_destroy(&settings);
    return failed;
}
