// check_runtime.c - what the runtime refuses by itself, against a Nova that runs: NOVA_HOME and the
// ports say which (test/integration/services_test.py starts it). The last case fails when a line of
// RUNTIME_REJECTIONS was produced by none.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// After those it needs.
#include <cmocka.h>

#include "aggregates/content/content.h"
#include "aggregates/runtime/runtime.h"
#include "base/access.h"
#include "nova/content/v2/content.pb-c.h"
#include "proto/sealed.h"

static struct arena *arena;
static struct pg *pg;
static struct runtime *runtime;
static struct seal_key master;
static bool produced[RUNTIME_REJECTION_COUNT];

// ---- a command of our own: it makes one post, whose event has so many bytes ---------------------

static const struct aggregate_type *target_type = &post_aggregate;
static struct uuid target_id;
static size_t text_bytes;

static const struct rejection *target(struct targets *targets, const struct decision *decision)
{
    (void)decision;
    targets_add(targets, target_type, &target_id);
    return NULL;
}

static const struct rejection *decide(struct decision *decision)
{
    Nova__Content__V2__PostCreated *created =
        message_new(decision->arena, &nova__content__v2__post_created__descriptor);
    created->author_id = id_text(decision->arena, &target_id);
    created->sealed = message_new(decision->arena, &nova__common__v1__sealed__descriptor);
    created->sealed->ciphertext.data = arena_alloc(decision->arena, text_bytes);
    created->sealed->ciphertext.len = text_bytes;
    decision_emit(decision, &decision->aggregates[0], "post.created", &created->base, NULL, NULL);
    return NULL;
}

static void reply(struct reply *reply)
{
    reply->message = message_new(reply->arena, &nova__content__v2__create_post_reply__descriptor);
}

static const struct command_rule rule = {"CreatePost", target, decide, reply};
static const struct caller caller = {.kind = CALLER_OPERATOR, .actor = "operator"};

static enum nova_status execute(struct uuid command_id, const char *wire, struct error *err)
{
    struct outcome outcome;
    Nova__Content__V2__CreatePostRequest request = NOVA__CONTENT__V2__CREATE_POST_REQUEST__INIT;
    const struct command command = {.rule = &rule,
                                    .caller = &caller,
                                    .request = &request.base,
                                    .wire = {(const uint8_t *)wire, strlen(wire)},
                                    .command_id = command_id};
    return runtime_execute(&outcome, runtime, &command, NULL, arena, err);
}

static void then_refused(enum runtime_rejection rejection, struct uuid command_id, const char *wire)
{
    struct error err = {0};
    const struct rejection *refused = &runtime_rejections[rejection];
    assert_int_equal(execute(command_id, wire, &err), refused->status);
    assert_string_equal(err.text, arena_printf(arena, "%s: %s", refused->name, refused->text));
    assert_false(err.transient);
    produced[rejection] = true;
}

static int64_t event_count(void)
{
    struct pg_result *row = NULL;
    struct error err = {0};
    if (pg_query(&row, pg, "SELECT count(*) FROM content.outbox", NULL, 0, &err) != NOVA_OK)
        fail_msg("%s", err.text);
    int64_t count = pg_get_int8(row, 0, 0);
    pg_result_destroy(&row);
    return count;
}

static void given_post(struct uuid command_id)
{
    struct error err = {0};
    target_type = &post_aggregate;
    target_id = uuid_v7();
    text_bytes = 10;
    if (execute(command_id, "one", &err) != NOVA_OK)
        fail_msg("%s", err.text);
}

static void a_command_id_is_for_one_request(void **state)
{
    (void)state;
    struct uuid command_id = uuid_v7();
    given_post(command_id);
    int64_t before = event_count();
    then_refused(RUNTIME_COMMAND_ID_TAKEN, command_id, "another");
    assert_int_equal(execute(command_id, "one", NULL), NOVA_OK); // the same request: its answer
    assert_int_equal(event_count(), before);
}

static void an_id_is_of_one_kind(void **state)
{
    (void)state;
    given_post(uuid_v7());
    int64_t before = event_count();
    target_type = &comment_aggregate;
    then_refused(RUNTIME_ID_OF_ANOTHER_KIND, uuid_v7(), "one");
    assert_int_equal(event_count(), before);
}

static void an_event_that_no_message_can_carry_is_refused(void **state)
{
    (void)state;
    given_post(uuid_v7());
    int64_t before = event_count();
    target_id = uuid_v7();
    text_bytes = EVENT_PAYLOAD_BYTES_MAX;
    then_refused(RUNTIME_EVENT_TOO_LARGE, uuid_v7(), "one");
    assert_int_equal(event_count(), before);
}

static void every_rejection_was_produced(void **state)
{
    (void)state;
    for (int i = 0; i < RUNTIME_REJECTION_COUNT; i++)
        if (!produced[i])
            fail_msg("no case produces %s", runtime_rejections[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_id_is_for_one_request),
        cmocka_unit_test(an_id_is_of_one_kind),
        cmocka_unit_test(an_event_that_no_message_can_carry_is_refused),
        cmocka_unit_test(every_rejection_was_produced),
    };
    struct error err = {0};
    struct settings *settings = NULL;
    char url[ACCESS_URL_BYTES];
    arena = arena_create();
    if (seal_start(&err) != NOVA_OK ||
        settings_load(&settings, &(struct settings_options){0}, &err) != NOVA_OK ||
        access_postgres_url(url, settings, "content", "content_service", &err) != NOVA_OK ||
        pg_connect(&pg, url, "check_runtime", &err) != NOVA_OK ||
        runtime_create(&runtime, "content", pg, &master, &err) != NOVA_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    int failed = cmocka_run_group_tests_name("runtime", tests, NULL, NULL);
    runtime_destroy(&runtime);
    pg_destroy(&pg);
    settings_destroy(&settings);
    arena_destroy(&arena);
    return failed;
}
