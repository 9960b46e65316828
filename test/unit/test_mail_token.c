// test_mail_token.c - tokens sent by e-mail: derived, bound to what they are for, one text each.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "services/identity/mail_token.h"

static struct seal_key key_of(uint8_t byte)
{
    struct seal_key master, key;
    memset(master.bytes, byte, sizeof master.bytes);
    mail_token_key(&key, &master);
    return key;
}

static const struct mail_token token = {.purpose = MAIL_PASSWORD_RESET,
                                        .id = {{1}},
                                        .user_id = {{2}},
                                        .created_at_us = 1700000000000000};

static void the_same_is_derived_again_and_parsed(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct seal_key key = key_of(1);
    struct uuid id;
    char *text = mail_token_make(arena, &key, &token);
    assert_string_equal(text, mail_token_make(arena, &key, &token));
    assert_int_equal(strlen(text), MAIL_TOKEN_BYTES / 3 * 4);
    assert_true(mail_token_parse(&id, MAIL_PASSWORD_RESET, text));
    assert_true(uuid_equal(&id, &token.id));
    arena_destroy(&arena);
}

static void whatever_it_is_made_of_makes_another(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct seal_key key = key_of(1), other = key_of(2);
    struct mail_token changed[4] = {token, token, token, token};
    changed[0].purpose = MAIL_EMAIL_VERIFICATION;
    changed[1].id.bytes[15] = 1;
    changed[2].user_id.bytes[15] = 1;
    changed[3].created_at_us++;
    const char *text = mail_token_make(arena, &key, &token);
    assert_string_not_equal(text, mail_token_make(arena, &other, &token));
    for (int i = 0; i < 4; i++)
        assert_string_not_equal(text, mail_token_make(arena, &key, &changed[i]));
    arena_destroy(&arena);
}

static void what_has_another_form_or_purpose_is_none(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct seal_key key = key_of(1);
    struct uuid id;
    char *text = mail_token_make(arena, &key, &token);
    assert_false(mail_token_parse(&id, MAIL_EMAIL_VERIFICATION, text));
    assert_false(mail_token_parse(&id, MAIL_PASSWORD_RESET, ""));
    assert_false(mail_token_parse(&id, MAIL_PASSWORD_RESET, text + 1));
    assert_false(mail_token_parse(&id, MAIL_PASSWORD_RESET, arena_printf(arena, "%sA", text)));
    text[strlen(text) - 1] = 'B'; // the last zero
    assert_false(mail_token_parse(&id, MAIL_PASSWORD_RESET, text));
    text[strlen(text) - 1] = '=';
    assert_false(mail_token_parse(&id, MAIL_PASSWORD_RESET, text));
    arena_destroy(&arena);
}

static void purposes_have_names(void **state)
{
    (void)state;
    enum mail_purpose found;
    for (int i = MAIL_PASSWORD_RESET; i <= MAIL_PURPOSES; i++) {
        assert_true(mail_purpose_find(&found, mail_purpose_name((enum mail_purpose)i)));
        assert_int_equal(found, i);
    }
    assert_false(mail_purpose_find(&found, "something"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_is_derived_again_and_parsed),
        cmocka_unit_test(whatever_it_is_made_of_makes_another),
        cmocka_unit_test(what_has_another_form_or_purpose_is_none),
        cmocka_unit_test(purposes_have_names),
    };
    struct error err;
    return seal_start(&err) != NOVA_OK || cmocka_run_group_tests(tests, NULL, NULL);
}
