// check_books.c - what becomes of a batch's transaction, on a real PostgreSQL: NOVA_HOME says which
// (test/integration/consumer_test.py starts it).
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
// After those it needs.
#include <cmocka.h>

#include "base/access.h"
#include "base/seal.h"
#include "inbox/books.h"

enum { LEASE_MS = 60000 };

static const char source[] = "identity";
static const char write_row[] = "UPDATE content.checkpoint SET position = position + 1000"
                                " WHERE consumer = 'content/check_books'";
static struct settings *settings;
static struct pg *pg;
static struct books *books;
static struct uuid owner;
static int64_t epoch;
static struct inbox_checkpoint at; // as the database has it

static struct inbox_checkpoint load(void)
{
    struct error err = {0};
    struct inbox_checkpoint now;
    int32_t generation;
    assert_int_equal(books_load(&now, &generation, books, source, &err), NOVA_OK);
    return now;
}

static struct inbox_checkpoint next_of(const struct inbox_checkpoint *from)
{
    return (struct inbox_checkpoint){owner, from->position + 1, from->n + 1, owner};
}

// A batch whose handler runs these statements.
static enum inbox_outcome run_batch(const struct inbox_checkpoint *from, int64_t its_epoch,
                                    const char *const *statements, size_t count, struct error *err)
{
    enum inbox_outcome outcome = INBOX_DONE;
    struct inbox_checkpoint up = next_of(from);
    books_begin(books, source, 0, its_epoch, from, &up);
    size_t handler_from = pg_defer_count(pg);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pg_query(NULL, pg, statements[i], NULL, 0, err), NOVA_OK);
    size_t handler_to = pg_defer_count(pg);
    books_commit(books);
    books_end(&outcome, books, its_epoch, handler_from, handler_to, err);
    return outcome;
}

static void assert_nothing_moved(void)
{
    struct inbox_checkpoint now = load();
    assert_int_equal(now.n, at.n);
    assert_int_equal(now.position, at.position);
}

static void a_batch_moves_its_checkpoint_with_its_rows(void **state)
{
    (void)state;
    struct error err = {0};
    const char *const rows[] = {write_row};
    assert_int_equal(run_batch(&at, epoch, rows, 1, &err), INBOX_DONE);
    struct inbox_checkpoint now = load();
    assert_int_equal(now.n, at.n + 1);
    assert_int_equal(now.position, at.position + 1001);
    at = now;
}

static void a_batch_from_elsewhere_changes_nothing(void **state)
{
    (void)state;
    struct error err = {0};
    const char *const rows[] = {write_row};
    struct inbox_checkpoint from = {at.log_id, at.position + 5, at.n + 5, at.event_id};
    assert_int_equal(run_batch(&from, epoch, rows, 1, &err), INBOX_MOVED);
    assert_nothing_moved();
}

static void a_batch_of_another_epoch_changes_nothing(void **state)
{
    (void)state;
    struct error err = {0};
    const char *const rows[] = {write_row};
    assert_int_equal(run_batch(&at, epoch - 1, rows, 1, &err), INBOX_FENCED);
    assert_nothing_moved();
}

static void a_statement_that_fails_for_good_is_the_handlers(void **state)
{
    (void)state;
    struct error err = {0};
    const char *const rows[] = {write_row, "SELECT 1 / 0", write_row};
    assert_int_equal(run_batch(&at, epoch, rows, 3, &err), INBOX_PERMANENT);
    assert_non_null(strstr(err.text, "division by zero"));
    assert_nothing_moved();
}

static void a_statement_that_may_pass_is_tried_again(void **state)
{
    (void)state;
    struct error err = {0};
    const char *const rows[] = {write_row, "DO $$BEGIN RAISE SQLSTATE '40001'; END$$"};
    assert_int_equal(run_batch(&at, epoch, rows, 2, &err), INBOX_TRANSIENT);
    assert_nothing_moved();
}

// As if BEGIN had not been carried out.
static void nothing_is_written_outside_of_the_transaction(void **state)
{
    (void)state;
    struct error err = {0};
    const char *const rows[] = {"ROLLBACK", write_row};
    assert_int_equal(run_batch(&at, epoch, rows, 2, &err), INBOX_TRANSIENT);
    assert_non_null(strstr(err.text, "read-only"));
    assert_nothing_moved();
}

static void a_lost_connection_is_tried_again(void **state)
{
    (void)state;
    struct error err = {0};
    const char *const rows[] = {write_row, "SELECT pg_terminate_backend(pg_backend_pid())"};
    assert_int_equal(run_batch(&at, epoch, rows, 2, &err), INBOX_TRANSIENT);
    assert_int_equal(pg_reconnect(pg, &err), NOVA_OK);
    assert_int_equal(books_ready_session(books, LEASE_MS, &err), NOVA_OK);
    assert_nothing_moved();
}

static int start(void **state)
{
    (void)state;
    struct error err = {0};
    char url[ACCESS_URL_BYTES];
    owner = uuid_v7();
    if (access_postgres_url(url, settings, "content", "content_consumer", &err) != NOVA_OK ||
        pg_connect(&pg, url, "check_books", &err) != NOVA_OK)
        fail_msg("%s", err.text);
    books = books_create(&(struct books_options){pg, "content", "content/check_books", NULL, 0});
    if (books_ready_session(books, LEASE_MS, &err) != NOVA_OK)
        fail_msg("%s", err.text);
    struct pg *other = NULL; // the lease is another session's, as in the inbox
    if (pg_connect(&other, url, "check_books", &err) != NOVA_OK)
        fail_msg("%s", err.text);
    struct books *leases =
        books_create(&(struct books_options){other, "content", "content/check_books", NULL, 0});
    if (books_lease_take(&epoch, leases, &owner, "check_books", LEASE_MS, &err) != NOVA_OK)
        fail_msg("%s", err.text);
    books_destroy(&leases);
    pg_destroy(&other);
    at = load();
    return epoch > 0 ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    books_destroy(&books);
    pg_destroy(&pg);
    return 0;
}

int main(void)
{
    struct error err = {0};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_moves_its_checkpoint_with_its_rows),
        cmocka_unit_test(a_batch_from_elsewhere_changes_nothing),
        cmocka_unit_test(a_batch_of_another_epoch_changes_nothing),
        cmocka_unit_test(a_statement_that_fails_for_good_is_the_handlers),
        cmocka_unit_test(a_statement_that_may_pass_is_tried_again),
        cmocka_unit_test(nothing_is_written_outside_of_the_transaction),
        cmocka_unit_test(a_lost_connection_is_tried_again),
    };
    if (settings_load(&settings, &(struct settings_options){0}, &err) != NOVA_OK ||
        seal_start(&err) != NOVA_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    int failed = cmocka_run_group_tests_name("books", tests, start, end);
    settings_destroy(&settings);
    return failed;
}
