// test_note.c - signed notes and their keys, with the example of golang.org/x/mod/sumdb/note.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "audit/note.h"

static const char neumann_key[] =
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
static const char neumann_secret[] =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
#define NEUMANN_TEXT                                                                               \
    "If you think cryptography is the answer to your problem,\n"                                   \
    "then you don't know what your problem is.\n"
#define NEUMANN_LINE                                                                               \
    "\xe2\x80\x94 PeterNeumann "                                                                   \
    "x08go/ZJkuBS9UG/"                                                                             \
    "SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"

static struct arena *arena;

static struct note_key key_of(const char *text)
{
    struct note_key key;
    struct error err = {0};
    if (note_key_parse(&key, text, &err) != NOVA_OK)
        fail_msg("%s", err.text);
    return key;
}

static void gos_example_is_verified_and_signed_the_same(void **state)
{
    (void)state;
    struct note note;
    struct note_signer signer;
    struct note_key key = key_of(neumann_key);
    const char *text = NEUMANN_TEXT "\n" NEUMANN_LINE;
    assert_int_equal(note_parse(&note, arena, text, strlen(text), NULL), NOVA_OK);
    assert_int_equal(note.text_len, strlen(NEUMANN_TEXT));
    assert_int_equal(note_verify(NULL, &note, &key, NULL), NOVA_OK);
    assert_int_equal(note_signer_parse(&signer, neumann_secret, NULL), NOVA_OK);
    assert_string_equal(note_sign(arena, &signer, NEUMANN_TEXT, strlen(NEUMANN_TEXT), 0),
                        NEUMANN_LINE);
    assert_string_equal(note_key_text(arena, &signer.key), neumann_key);
    assert_string_equal(note_signer_text(arena, &signer), neumann_secret);
}

static enum nova_status verify(const char *text, const char *key_text, struct error *err)
{
    struct note note;
    struct note_key key = key_of(key_text);
    enum nova_status status = note_parse(&note, arena, text, strlen(text), err);
    return status == NOVA_OK ? note_verify(NULL, &note, &key, err) : status;
}

static void a_changed_text_or_signature_is_refused(void **state)
{
    (void)state;
    struct error err = {0};
    char text[] = NEUMANN_TEXT "\n" NEUMANN_LINE;
    text[0] = 'i';
    assert_int_equal(verify(text, neumann_key, &err), NOVA_UNAUTHENTICATED);
    assert_string_equal(err.text, "the signature of PeterNeumann is wrong");
    text[0] = 'I';
    char *at = strstr(text, "ZJkuBS");
    *at = 'Y';
    assert_int_equal(verify(text, neumann_key, &err), NOVA_UNAUTHENTICATED);
}

static void one_wrong_signature_of_a_known_key_spoils_the_note(void **state)
{
    (void)state;
    char text[] = NEUMANN_TEXT "\n" NEUMANN_LINE NEUMANN_LINE;
    assert_int_equal(verify(text, neumann_key, NULL), NOVA_OK);
    char *last = strrchr(text, 'k'); // in the second line
    while (strncmp(last, "kuBS", 4) != 0)
        last--;
    *last = 'l';
    assert_int_equal(verify(text, neumann_key, NULL), NOVA_UNAUTHENTICATED);
}

static void a_signature_of_another_key_says_nothing(void **state)
{
    (void)state;
    struct note_signer other;
    struct error err = {0};
    assert_int_equal(note_signer_make(&other, "PeterNeumann", NOTE_KEY_LOG, NULL), NOVA_OK);
    assert_int_equal(verify(NEUMANN_TEXT "\n" NEUMANN_LINE, note_key_text(arena, &other.key), &err),
                     NOVA_UNAUTHENTICATED);
    assert_non_null(strstr(err.text, "it is not signed by the key PeterNeumann+"));
}

static void a_signature_that_is_not_ed25519_of_a_known_key_is_wrong(void **state)
{
    (void)state;
    assert_int_equal(
        verify(NEUMANN_TEXT "\n\xe2\x80\x94 PeterNeumann x08go/Y=\n", neumann_key, NULL),
        NOVA_UNAUTHENTICATED);
}

static void what_is_no_note_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "\n",
        "\n\n",
        "\n\n" NEUMANN_LINE,                              // no text
        NEUMANN_TEXT,                                     // no signature
        NEUMANN_TEXT "\n",                                // none either
        NEUMANN_TEXT NEUMANN_LINE,                        // no empty line
        NEUMANN_TEXT "\n- Peter x08go/ZJ\n",              // no em dash
        NEUMANN_TEXT "\n\xe2\x80\x94 x08go/ZJkuBS\n",     // no name
        NEUMANN_TEXT "\n\xe2\x80\x94  x08go/ZJkuBS\n",    // an empty one
        NEUMANN_TEXT "\n\xe2\x80\x94 a+b x08go/ZJkuBS\n", // a plus in it
        NEUMANN_TEXT "\n\xe2\x80\x94 a\xc2\xa0"
                     "b x08go/ZJ\n",                     // a Unicode space in it
        NEUMANN_TEXT "\n\xe2\x80\x94 a x08go/ZJkuBS",    // no end of line
        NEUMANN_TEXT "\n\xe2\x80\x94 a x08g\n",          // no more than an id
        NEUMANN_TEXT "\n\xe2\x80\x94 a x08go/ZJkuB\n",   // cut base64
        NEUMANN_TEXT "\n\xe2\x80\x94 a x08go_ZJkuBS\n",  // the other alphabet
        NEUMANN_TEXT "\n\xe2\x80\x94 a x08go/ZJkuBS \n", // a blank behind
        "a\tb\n\n" NEUMANN_LINE,                         // a control character
        "a\xff\n\n" NEUMANN_LINE,                        // no UTF-8
        "a\xed\xa0\x80\n\n" NEUMANN_LINE,                // a surrogate
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct note note;
        struct error err = {0};
        if (note_parse(&note, arena, bad[i], strlen(bad[i]), &err) != NOVA_INVALID_ARGUMENT)
            fail_msg("%zu: %s", i, bad[i]);
        assert_true(err.text[0] != '\0');
    }
}

static void the_last_empty_line_divides(void **state)
{
    (void)state;
    struct note note;
    const char *text = "a\n\nb\n\n\n" NEUMANN_LINE;
    assert_int_equal(note_parse(&note, arena, text, strlen(text), NULL), NOVA_OK);
    assert_int_equal(note.text_len, strlen("a\n\nb\n\n"));
    assert_int_equal(note.count, 1);
}

static void too_many_signatures_or_bytes_are_refused(void **state)
{
    (void)state;
    struct note note;
    struct error err = {0};
    char *text = arena_strdup(arena, NEUMANN_TEXT "\n");
    for (int i = 0; i < NOTE_SIGNATURES_MAX; i++)
        text = arena_printf(arena, "%s%s", text, NEUMANN_LINE);
    assert_int_equal(note_parse(&note, arena, text, strlen(text), NULL), NOVA_OK);
    text = arena_printf(arena, "%s%s", text, NEUMANN_LINE);
    assert_int_equal(note_parse(&note, arena, text, strlen(text), &err), NOVA_INVALID_ARGUMENT);
    char *large = arena_alloc(arena, NOTE_BYTES_MAX + 1);
    memset(large, '\n', NOTE_BYTES_MAX + 1);
    assert_int_equal(note_parse(&note, arena, large, NOTE_BYTES_MAX + 1, &err),
                     NOVA_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "more than"));
}

static void a_cosignature_says_when_and_the_latest_counts(void **state)
{
    (void)state;
    struct note_signer witness;
    struct note note;
    uint64_t when = 0;
    const char *text = "log.example/a\n1\nAA==\n";
    assert_int_equal(note_signer_make(&witness, "w.example/1", NOTE_KEY_WITNESS, NULL), NOVA_OK);
    char *early = note_sign(arena, &witness, text, strlen(text), 1700000000);
    char *late = note_sign(arena, &witness, text, strlen(text), 1700000009);
    char *whole = arena_printf(arena, "%s\n%s%s", text, late, early);
    assert_int_equal(note_parse(&note, arena, whole, strlen(whole), NULL), NOVA_OK);
    assert_int_equal(note_verify(&when, &note, &witness.key, NULL), NOVA_OK);
    assert_int_equal(when, 1700000009);
}

static void a_cosignature_is_no_signature_of_a_log_and_the_other_way_round(void **state)
{
    (void)state;
    struct note_signer witness, log;
    struct note note;
    const char *text = "log.example/a\n1\nAA==\n";
    assert_int_equal(note_signer_make(&witness, "a.example", NOTE_KEY_WITNESS, NULL), NOVA_OK);
    log = witness; // the same key pair under the other type has another id
    assert_int_equal(
        note_key_make(&log.key, "a.example", NOTE_KEY_LOG, witness.key.public_key, NULL), NOVA_OK);
    char *whole =
        arena_printf(arena, "%s\n%s", text, note_sign(arena, &witness, text, strlen(text), 5));
    assert_int_equal(note_parse(&note, arena, whole, strlen(whole), NULL), NOVA_OK);
    assert_int_equal(note_verify(NULL, &note, &witness.key, NULL), NOVA_OK);
    assert_int_equal(note_verify(NULL, &note, &log.key, NULL), NOVA_UNAUTHENTICATED);
}

static void a_cosignature_with_another_time_is_wrong(void **state)
{
    (void)state;
    struct note_signer witness;
    struct note note;
    const char *text = "log.example/a\n1\nAA==\n";
    assert_int_equal(note_signer_make(&witness, "w.example/1", NOTE_KEY_WITNESS, NULL), NOVA_OK);
    char *whole = arena_printf(arena, "%s\n%s", text,
                               note_sign(arena, &witness, text, strlen(text), 1700000000));
    assert_int_equal(note_parse(&note, arena, whole, strlen(whole), NULL), NOVA_OK);
    ((uint8_t *)note.signatures[0].bytes)[7] ^= 1;
    assert_int_equal(note_verify(NULL, &note, &witness.key, NULL), NOVA_UNAUTHENTICATED);
    ((uint8_t *)note.signatures[0].bytes)[0] |= 0x80; // beyond 2^63 - 1
    assert_int_equal(note_verify(NULL, &note, &witness.key, NULL), NOVA_UNAUTHENTICATED);
}

static void what_is_no_key_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        "PeterNeumann+c74f20a3+",
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", // another id
        "PeterNeumanN+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", // another name
        "PeterNeumann+c74f20a3+Arpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", // another type
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T",  // cut
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", // another form
        "PeterNeumann+c74f20a+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\nx",
    };
    struct note_key key;
    struct note_signer signer;
    struct error err = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (note_key_parse(&key, bad[i], &err) != NOVA_INVALID_ARGUMENT || err.text[0] == '\0')
            fail_msg("%s", bad[i]);
    assert_int_equal(note_signer_parse(&signer, neumann_key, &err), NOVA_INVALID_ARGUMENT);
    assert_int_equal(note_key_parse(&key, neumann_secret, &err), NOVA_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "secret"));
    assert_int_equal(note_signer_make(&signer, "a b", NOTE_KEY_LOG, &err), NOVA_INVALID_ARGUMENT);
    assert_int_equal(note_key_parse(&key, arena_printf(arena, "%s\n", neumann_key), NULL), NOVA_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gos_example_is_verified_and_signed_the_same),
        cmocka_unit_test(a_changed_text_or_signature_is_refused),
        cmocka_unit_test(one_wrong_signature_of_a_known_key_spoils_the_note),
        cmocka_unit_test(a_signature_of_another_key_says_nothing),
        cmocka_unit_test(a_signature_that_is_not_ed25519_of_a_known_key_is_wrong),
        cmocka_unit_test(what_is_no_note_is_refused),
        cmocka_unit_test(the_last_empty_line_divides),
        cmocka_unit_test(too_many_signatures_or_bytes_are_refused),
        cmocka_unit_test(a_cosignature_says_when_and_the_latest_counts),
        cmocka_unit_test(a_cosignature_is_no_signature_of_a_log_and_the_other_way_round),
        cmocka_unit_test(a_cosignature_with_another_time_is_wrong),
        cmocka_unit_test(what_is_no_key_is_refused),
    };
    if (sodium_init() < 0)
        return 1;
    arena = arena_create();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_destroy(&arena);
    return failed;
}
