// test_email_address.c - addresses that exist are taken, what nothing can be delivered to is not,
// and two spellings of a domain are one.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "base/email_address.h"

static void addresses_that_exist_are_taken(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sent;
    } cases[] = {
        {"ada@example.org", NULL},
        {"a@b", NULL},
        {"Ada.Lovelace+tag@Example.ORG", "Ada.Lovelace+tag@example.org"},
        {"o'brien!#$%&*/=?^_`{|}~-@example.museum", NULL},
        {"two..dots.@docomo.example", NULL}, // RFC 5322 has no such, and Japan has
        {"1234567890@xn--bcher-kva.example", NULL},
        {"ada@bücher.example", "ada@xn--bcher-kva.example"},
        {"ada@BÜCHER.example", "ada@xn--bcher-kva.example"},
        {"ada@straße.example", "ada@xn--strae-oqa.example"},
        {"用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v"},
        {"अजय@डाटा.भारत", "अजय@xn--c2bd1gb.xn--h2brj9c"},
        {"ada@example。org", "ada@example.org"}, // the dot of a Chinese keyboard
        {"ada@a-very.long-but-valid.name-of-a-host.example.co.uk", NULL},
    };
    struct arena *arena = arena_create();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *sent = email_address_to_send(arena, cases[i].text);
        const char *want = cases[i].sent != NULL ? cases[i].sent : cases[i].text;
        if (sent == NULL || strcmp(sent, want) != 0)
            fail_msg("%s: %s", cases[i].text, sent != NULL ? sent : "refused");
        assert_true(email_address_is_valid(cases[i].text));
    }
    arena_destroy(&arena);
}

static void what_nothing_is_delivered_to_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "@",
        "ada",
        "ada@",
        "@example.org",
        "a@b@c",
        "a b@example.org",
        "ada@exa mple.org",
        "ada@example..org",
        "ada@.example.org",
        "ada@example.org.",
        "ada@-example.org",
        "ada@example-.org",
        "ada@127.0.0.1",
        "ada@[127.0.0.1]",
        "ada@under_score.example",
        "\"ada\"@example.org",
        "ada,bob@example.org",
        "<ada@example.org>",
        "ada;bob@example.org",
        "ada(x)@example.org",
        "ada\\@example.org",
        "ada\r\nBcc: b@example.org",
        "ada\n@example.org",
        "ada\t@example.org",
        "ada@example.org\r\n",
        "ada\x7f@example.org",
        "ada\xc2\x85@example.org",
        "ada\xe2\x80\xa8@example.org",
        "ada\xe2\x80\x8b@example.org",
        "ada\xff@example.org",
        "ada@\xff.example",
        "ada@xn--\xc3\xbc.example",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (email_address_is_valid(cases[i]))
            fail_msg("%s is taken", cases[i]);
}

static void lengths_are_those_of_smtp(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    char local[66], domain[260];
    memset(local, 'a', 65);
    local[65] = '\0';
    assert_false(email_address_is_valid(arena_printf(arena, "%s@example.org", local)));
    assert_true(email_address_is_valid(arena_printf(arena, "%s@example.org", local + 1)));
    assert_false(email_address_is_valid(arena_printf(arena, "ada@%s.org", local + 1)));
    assert_true(email_address_is_valid(arena_printf(arena, "ada@%s.org", local + 2)));
    for (int i = 0; i < 259; i++)
        domain[i] = i % 2 ? '.' : 'a';
    domain[251] = '\0'; // 251 bytes: with "a@" 253, with "aaa@" 255
    assert_true(email_address_is_valid(arena_printf(arena, "a@%s", domain)));
    assert_true(email_address_is_valid(arena_printf(arena, "aa@%s", domain)));
    assert_false(email_address_is_valid(arena_printf(arena, "aaa@%s", domain)));
    arena_destroy(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_that_exist_are_taken),
        cmocka_unit_test(what_nothing_is_delivered_to_is_refused),
        cmocka_unit_test(lengths_are_those_of_smtp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
