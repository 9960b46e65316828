// test_mail_text.c - the text of an e-mail: templates and headers.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "services/mail/smtp.h"
#include "services/mail/template.h"

static enum nova_status read_as(struct mail_template *out, struct arena *arena, const char *text,
                                bool brings_token, struct error *err)
{
    char path[] = "/tmp/nova-template.XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), (ssize_t)strlen(text));
    close(file);
    enum nova_status status = mail_template_read(out, arena, path, brings_token, err);
    unlink(path);
    return status;
}

static enum nova_status read_text(struct mail_template *out, struct arena *arena, const char *text,
                                  struct error *err)
{
    return read_as(out, arena, text, true, err);
}

static void a_template_is_filled(void **state)
{
    (void)state;
    struct mail_template template;
    struct error err;
    struct arena *arena = arena_create();
    assert_int_equal(
        read_text(&template, arena, "Subject: Grüße\n\n{token}, {minutes} {minutes}\nend\n", &err),
        NOVA_OK);
    assert_string_equal(template.subject, "Grüße");
    assert_string_equal(mail_template_fill(arena, template.text, "T", 30), "T, 30 30\nend\n");
    assert_string_equal(mail_template_fill(arena, template.text, "{minutes}", 1),
                        "{minutes}, 1 1\nend\n"); // what was filled in is not looked at again
    arena_destroy(&arena);
}

static void what_is_wrong_with_a_template_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wrong;
    } cases[] = {
        {"", "Subject"},
        {"Subject: x\n{token}", "empty line"},
        {"Subject: x\nBcc: y@example.org\n\n{token}", "empty line"},
        {"Subject: x\r\n\r\n{token}", "carriage returns"},
        {"Subject: x\n\nno token", "{token}"},
        {"Subject: {token}\n\nin the subject only", "{token}"},
        {"Subject: x\n\n{token} {name}", "no other name"},
        {"Subject: x\n\n{token} \xff", "UTF-8"},
    };
    struct mail_template template;
    struct error err;
    struct arena *arena = arena_create();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(read_text(&template, arena, cases[i].text, &err), NOVA_INVALID_ARGUMENT);
        if (strstr(err.text, cases[i].wrong) == NULL)
            fail_msg("%s: %s", cases[i].wrong, err.text);
    }
    char *large = arena_alloc(arena, MAIL_TEMPLATE_BYTES_MAX + 2);
    memset(large, 'x', MAIL_TEMPLATE_BYTES_MAX + 1);
    large[MAIL_TEMPLATE_BYTES_MAX + 1] = '\0';
    assert_int_equal(read_text(&template, arena, large, &err), NOVA_INVALID_ARGUMENT);
    assert_int_equal(mail_template_read(&template, arena, "/nowhere/x.txt", true, &err),
                     NOVA_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nowhere/x.txt"));
    arena_destroy(&arena);
}

static void a_text_that_brings_no_token_has_no_braces(void **state)
{
    (void)state;
    struct mail_template template;
    struct error err;
    struct arena *arena = arena_create();
    assert_int_equal(read_as(&template, arena, "Subject: x\n\nNo token.", false, &err), NOVA_OK);
    assert_string_equal(mail_template_fill(arena, template.text, "T", 1), "No token.");
    assert_int_equal(read_as(&template, arena, "Subject: x\n\n{token}", false, &err),
                     NOVA_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "braces"));
    arena_destroy(&arena);
}

static void the_products_own_templates_are_whole(void **state)
{
    (void)state;
    static const char *const names[] = {"password_reset", "email_verification",
                                        "registration_attempt"};
    int folder = (int)(strrchr(__FILE__, '/') - __FILE__);
    struct mail_template template;
    struct error err;
    struct arena *arena = arena_create();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *path = arena_printf(arena, "%.*s/../../services/identity/mail/%s.txt", folder,
                                        __FILE__, names[i]);
        assert_int_equal(mail_template_read(&template, arena, path, i < 2, &err), NOVA_OK);
    }
    arena_destroy(&arena);
}

static void no_text_begins_a_header(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    assert_string_equal(smtp_header_text(arena, "plain text"), "plain text");
    assert_string_equal(smtp_header_text(arena, "a\r\nBcc: b@example.org"),
                        "a  Bcc: b@example.org");
    assert_string_equal(smtp_header_text(arena, "Grüße"), "=?UTF-8?B?R3LDvMOfZQ==?=");
    assert_string_equal(smtp_header_text(arena, "=?x"), "=?UTF-8?B?PT94?=");
    // 60 times two bytes: two words and a third, each at most 75 characters, cut between
    // characters.
    char *text = arena_strdup(arena, "");
    for (int i = 0; i < 60; i++)
        text = arena_printf(arena, "%sü", text);
    char *encoded = smtp_header_text(arena, text);
    int words = 0;
    for (char *line = strtok(encoded, "\r\n"); line != NULL; line = strtok(NULL, "\r\n"), words++)
        assert_true(strlen(line) <= 76 && strstr(line, "=?UTF-8?B?") != NULL);
    assert_int_equal(words, 3);
    arena_destroy(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_template_is_filled),
        cmocka_unit_test(what_is_wrong_with_a_template_is_named),
        cmocka_unit_test(a_text_that_brings_no_token_has_no_braces),
        cmocka_unit_test(the_products_own_templates_are_whole),
        cmocka_unit_test(no_text_begins_a_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
