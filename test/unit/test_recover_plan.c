// test_recover_plan.c - what an outbox and a stream have in common, and what may be done about it.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "outbox-relay/recover_plan.h"

// Events as "<position><letter of the event>" in a text: "1a 2b 4d"; a message's n is its place.
static size_t read_places(struct recover_place out[16], const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text += text[2] == ' ' ? 3 : 2) {
        out[count] = (struct recover_place){
            .n = (int64_t)count + 1, .position = text[0] - '0', .event_id = {{(uint8_t)text[1]}}};
        count++;
    }
    return count;
}

static struct recover_seen compared(const char *outbox, const char *stream)
{
    struct recover_place rows[16], messages[16];
    struct recover_seen seen = {0};
    size_t row = 0, message = 0, row_count = read_places(rows, outbox),
           message_count = read_places(messages, stream);
    while (row < row_count || message < message_count) {
        enum recover_take take = recover_see(&seen, row < row_count ? &rows[row] : NULL,
                                             message < message_count ? &messages[message] : NULL);
        row += take != RECOVER_TAKE_MESSAGE;
        message += take != RECOVER_TAKE_ROW;
    }
    return seen;
}

static void sees(const char *outbox, const char *stream, int64_t shared, int64_t missing,
                 int64_t foreign, int64_t common_n)
{
    struct recover_seen seen = compared(outbox, stream);
    assert_int_equal(shared, seen.shared);
    assert_int_equal(missing, seen.missing);
    assert_int_equal(foreign, seen.foreign);
    assert_int_equal(common_n, seen.common.n);
}

static void what_both_hold_and_what_one_lacks_is_counted(void **unused)
{
    (void)unused;
    sees("", "", 0, 0, 0, 0);
    sees("1a 2b", "1a 2b", 2, 0, 0, 2);
    sees("1a 2b", "1a 2b 4c 5d", 2, 2, 0, 2);       // an older copy
    sees("", "1a 2b", 0, 2, 0, 0);                  // nothing is left
    sees("1a 2b 3x 4y", "1a 2b 3c 4d", 2, 2, 2, 2); // positions used again
    sees("1a 2b 9x", "1a 2b 4c", 2, 1, 1, 2);       // the sequence was ahead
    sees("1a 3c", "1a 2b 3c 4d", 2, 2, 0, 1);       // the copy lacks a slow writer's
    sees("1a 2b 3c", "1a 2b", 2, 0, 1, 2);          // not published yet
    struct recover_seen seen = compared("1a 2b", "1a 2b 4c 5d");
    assert_int_equal(3, seen.first_missing.n);
    assert_int_equal(4, seen.first_missing.position);
    assert_int_equal(5, seen.last_missing.position);
}

static struct recover_state state_of(const char *outbox, const char *stream)
{
    return (struct recover_state){.seen = compared(outbox, stream),
                                  .outbox_log = {{1}},
                                  .stream_log = {{*stream == '\0' ? 0 : 1}}};
}

static void refuses(const char *reason, const char *part)
{
    assert_non_null(reason);
    assert_non_null(strstr(reason, part));
}

static void an_import_wants_an_outbox_that_is_part_of_its_stream(void **unused)
{
    (void)unused;
    struct recover_state state = state_of("1a 2b", "1a 2b 4c");
    assert_null(recover_import_refused(&state));
    state.seen.unreadable = 1;
    refuses(recover_import_refused(&state), "cannot be read");
    state = state_of("1a 2b", "1a 2b 4c");
    state.stream_mixed = true;
    refuses(recover_import_refused(&state), "several log ids");
    state = state_of("1a 3c", "1a 2b 3c 4d");
    assert_null(recover_import_refused(&state));
    state = state_of("1a 2b 3x", "1a 2b 3c");
    refuses(recover_import_refused(&state), "--fork");
    state = state_of("1a 2b 3c", "1a 2b");
    refuses(recover_import_refused(&state), "nothing to take back");
    state = state_of("1a", "1a 2b");
    state.forking = true;
    refuses(recover_import_refused(&state), "a fork was begun");
}

static void a_fork_wants_something_to_fork_from(void **unused)
{
    (void)unused;
    struct recover_state state = state_of("1a 2b 3c", "1a 2b");
    refuses(recover_fork_refused(&state), "nothing to fork from");
    state.forking = true; // its end: the projections may be missing
    assert_null(recover_fork_refused(&state));
    state = state_of("1a 2b 3x", "1a 2b 3c");
    assert_null(recover_fork_refused(&state));
    state = state_of("1a", "1a");
    state.seen.unreadable = 1; // with the message that the outbox may lack
    assert_null(recover_fork_refused(&state));
}

static void takes(struct recover_fork_steps steps, bool keep, bool relog, bool empty)
{
    assert_int_equal(keep, steps.keep);
    assert_int_equal(relog, steps.relog);
    assert_int_equal(empty, steps.empty);
}

static void a_fork_goes_on_where_it_was_killed(void **unused)
{
    (void)unused;
    struct recover_state state = state_of("1a 2b 3x", "1a 2b 3c");
    takes(recover_fork_next(&state), true, true, true);
    // The new log began; the stream carries the old one still.
    state.outbox_log = (struct uuid){{2}};
    state.forked_from = state.stream_log;
    state.forking = true;
    takes(recover_fork_next(&state), true, false, true);
    // The stream is empty, then filled under the new log.
    state.seen = compared("1a 2b 3x", "");
    state.stream_log = (struct uuid){{0}};
    takes(recover_fork_next(&state), false, false, false);
    state.seen = compared("1a 2b 3x", "1a");
    state.stream_log = state.outbox_log;
    takes(recover_fork_next(&state), false, false, false);
    // A copy from before that fork, beside its stream: another log begins.
    state = state_of("1a", "1a 2b");
    state.stream_log = (struct uuid){{2}};
    takes(recover_fork_next(&state), true, true, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_both_hold_and_what_one_lacks_is_counted),
        cmocka_unit_test(an_import_wants_an_outbox_that_is_part_of_its_stream),
        cmocka_unit_test(a_fork_wants_something_to_fork_from),
        cmocka_unit_test(a_fork_goes_on_where_it_was_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
