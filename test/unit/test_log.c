// test_log.c - a log line is one line, valid JSON, and bounded, whatever is put into it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

// What log calls wrote to stderr since log_capture.
static int pipe_ends[2];
static int stderr_before;
static char captured[65536];

static void log_capture(enum log_form form)
{
    assert_int_equal(pipe(pipe_ends), 0);
    stderr_before = dup(STDERR_FILENO);
    dup2(pipe_ends[1], STDERR_FILENO);
    close(pipe_ends[1]);
    log_start("relay/identity");
    log_set_form(form);
}

static const char *log_captured(void)
{
    dup2(stderr_before, STDERR_FILENO);
    close(stderr_before);
    size_t len = 0;
    for (ssize_t got; (got = read(pipe_ends[0], captured + len, sizeof captured - 1 - len)) > 0;)
        len += (size_t)got;
    captured[len] = '\0';
    close(pipe_ends[0]);
    return captured;
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in: %s", part, text);
}

static size_t count_lines(const char *text)
{
    size_t lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void a_line_is_json_with_level_process_sentence_and_fields(void **state)
{
    (void)state;
    struct uuid id;
    assert_true(uuid_parse(&id, "01890a5d-ac96-774b-bcce-b302099a8057"));
    log_capture(LOG_FORM_JSON);
    log_info("relay: stream is whole", LOG_TEXT("stream", "NOVA_IDENTITY"), LOG_INT("events", -12),
             LOG_BOOL("healed", true), LOG_UUID("log_id", &id), LOG_TEXT("none", NULL));
    const char *line = log_captured();
    assert_contains(line, "Z\",\"level\":\"info\",\"process\":\"relay/identity\","
                          "\"msg\":\"relay: stream is whole\",\"stream\":\"NOVA_IDENTITY\","
                          "\"events\":-12,\"healed\":true,"
                          "\"log_id\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"none\":null}\n");
    assert_int_equal(count_lines(line), 1);
}

static void a_terminal_gets_text_for_people(void **state)
{
    (void)state;
    log_capture(LOG_FORM_HUMAN);
    log_warn("relay: retrying", LOG_TEXT("stream", "NOVA_X"), LOG_TEXT("err", "no answer"),
             LOG_END);
    assert_contains(log_captured(), " warn  relay: retrying  stream=NOVA_X err=\"no answer\"\n");
}

static void a_sentence_without_fields_is_a_line(void **state)
{
    (void)state;
    log_capture(LOG_FORM_JSON);
    log_error("relay: stopped");
    assert_contains(log_captured(), "\"msg\":\"relay: stopped\"}\n");
}

static void hostile_bytes_stay_inside_their_field(void **state)
{
    (void)state;
    log_capture(LOG_FORM_JSON);
    log_info("x", LOG_TEXT("name", "a\"b\\c\nd\x01\x7f\xff\xc3\xa9\xed\xa0\x80"));
    const char *line = log_captured();
    assert_contains(line, "\"name\":\"a\\\"b\\\\c\\u000ad\\u0001\\u007f\\ufffd\xc3\xa9"
                          "\\ufffd\\ufffd\\ufffd\"}\n");
    assert_int_equal(count_lines(line), 1);
}

static void a_text_that_is_cut_in_a_character_is_still_utf8(void **state)
{
    (void)state;
    static char text[LOG_TEXT_BYTES_MAX + 8];
    memset(text, 'x', LOG_TEXT_BYTES_MAX - 2);
    strcpy(text + LOG_TEXT_BYTES_MAX - 2, "\xc3\xa9");
    log_capture(LOG_FORM_JSON);
    log_info("x", LOG_TEXT("name", text));
    assert_contains(log_captured(), "xx\\ufffd\"}\n");
}

static void fields_that_do_not_fit_are_left_out_whole(void **state)
{
    (void)state;
    static char text[LOG_TEXT_BYTES_MAX];
    memset(text, '\n', sizeof text - 1); // six bytes each when escaped
    log_capture(LOG_FORM_JSON);
    log_info("x", LOG_TEXT("first", text), LOG_TEXT("second", text), LOG_INT("third", 3));
    const char *line = log_captured();
    assert_in_range(strlen(line), 1, LOG_LINE_BYTES_MAX);
    assert_contains(line, "\"first\":\"\\u000a");
    assert_null(strstr(line, "second"));
    assert_contains(line, "\\u000a\",\"third\":3,\"cut\":true}\n");
}

static void lines_below_the_level_are_not_written(void **state)
{
    (void)state;
    enum log_level level = LOG_LEVEL_INFO;
    assert_true(log_level_parse(&level, "warn"));
    assert_false(log_level_parse(&level, "loud"));
    log_capture(LOG_FORM_JSON);
    log_set_level(level);
    log_info("not this");
    log_warn("this");
    log_set_level(LOG_LEVEL_INFO);
    const char *line = log_captured();
    assert_null(strstr(line, "not this"));
    assert_int_equal(count_lines(line), 1);
}

static void errno_survives_a_line(void **state)
{
    (void)state;
    log_capture(LOG_FORM_JSON);
    close(STDERR_FILENO); // and a line that cannot be written is no failure
    errno = ENOENT;
    log_info("nobody reads this");
    int after = errno;
    log_captured();
    assert_int_equal(after, ENOENT);
}

static void *write_lines(void *text)
{
    for (int i = 0; i < 50; i++)
        log_info("thread", LOG_TEXT("who", text));
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    static char texts[4][128];
    pthread_t threads[4];
    log_capture(LOG_FORM_JSON);
    for (int i = 0; i < 4; i++) {
        memset(texts[i], 'a' + i, sizeof texts[i] - 1);
        pthread_create(&threads[i], NULL, write_lines, texts[i]);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    char *rest = (char *)log_captured();
    size_t lines = 0;
    for (char *line; (line = strsep(&rest, "\n")) && *line; lines++) {
        assert_int_equal(line[0], '{');
        char who = *(strstr(line, "\"who\":\"") + 7);
        assert_int_equal(strspn(strstr(line, "\"who\":\"") + 7, (char[]){who, 0}), 127);
    }
    assert_int_equal(lines, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_json_with_level_process_sentence_and_fields),
        cmocka_unit_test(a_terminal_gets_text_for_people),
        cmocka_unit_test(a_sentence_without_fields_is_a_line),
        cmocka_unit_test(hostile_bytes_stay_inside_their_field),
        cmocka_unit_test(a_text_that_is_cut_in_a_character_is_still_utf8),
        cmocka_unit_test(fields_that_do_not_fit_are_left_out_whole),
        cmocka_unit_test(lines_below_the_level_are_not_written),
        cmocka_unit_test(errno_survives_a_line),
        cmocka_unit_test(lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
