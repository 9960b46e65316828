// check_together.c - commands that go together in one transaction, against a Nova that runs:
// NOVA_HOME and the ports say which (test/integration/services_test.py starts it). Which rows one
// transaction wrote, PostgreSQL tells by their xmin.
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

enum { FEW = 10, MOST = COMMANDS_TOGETHER_MAX + 44, EVENT_BYTES = 10 };

static struct arena *arena;
static struct settings *settings;
static struct seal_key master;
static struct pg *pg, *other_pg; // another process's, as far as PostgreSQL knows
static struct runtime *runtime, *other;

// ---- commands of our own: what each does, a plan says -------------------------------------------

struct plan {
    Nova__Content__V2__CreatePostRequest request; // first: a decision has nothing else of ours
    const struct aggregate_type *type;
    struct uuid target;
    uint32_t events;
    size_t event_bytes;
    bool has_no_target, is_refused, is_personal;
    struct uuid owner;                    // of what is personal; nil: who calls
    void (*meanwhile)(struct plan *plan); // what others do between load and append
    uint32_t decided;                     // how often
    struct command command;
};

static struct plan plans[MOST];
static struct execution executions[MOST];
static size_t count;

static const struct rejection refusal = {"REFUSED", NOVA_FAILED_PRECONDITION, "so says the plan"};

static struct plan *plan_of(const struct decision *decision)
{
    return (struct plan *)(uintptr_t)decision->request;
}

static const struct rejection *target(struct targets *targets, const struct decision *decision)
{
    const struct plan *plan = plan_of(decision);
    if (plan->has_no_target)
        return &refusal;
    targets_add(targets, plan->type, &plan->target);
    return NULL;
}

static void emit(struct decision *decision, const struct plan *plan)
{
    struct aggregate *post = &decision->aggregates[0];
    Nova__Content__V2__PostCreated *created =
        message_new(decision->arena, &nova__content__v2__post_created__descriptor);
    Nova__Content__V2__PostUpdated *updated =
        message_new(decision->arena, &nova__content__v2__post_updated__descriptor);
    Nova__Content__V2__PostUpdatedPersonal *personal =
        message_new(decision->arena, &nova__content__v2__post_updated_personal__descriptor);
    Nova__Common__V1__Sealed *sealed =
        message_new(decision->arena, &nova__common__v1__sealed__descriptor);
    sealed->ciphertext.data = arena_alloc(decision->arena, plan->event_bytes);
    sealed->ciphertext.len = plan->event_bytes;
    created->author_id = id_text(decision->arena, &plan->target);
    created->sealed = updated->sealed = sealed;
    personal->text = "personal";
    if (plan->is_personal)
        decision_emit(decision, post, "post.updated", &updated->base, &personal->base,
                      uuid_is_nil(&plan->owner) ? &decision->caller->user_id : &plan->owner);
    else if (post->version == 0)
        decision_emit(decision, post, "post.created", &created->base, NULL, NULL);
    else
        decision_emit(decision, post, "post.updated", &updated->base, NULL, NULL);
}

static const struct rejection *decide(struct decision *decision)
{
    struct plan *plan = plan_of(decision);
    void (*meanwhile)(struct plan *) = plan->meanwhile;
    plan->decided++;
    plan->meanwhile = NULL; // once
    if (meanwhile != NULL)
        meanwhile(plan);
    for (uint32_t i = 0; i < plan->events && !plan->is_refused; i++)
        emit(decision, plan);
    return plan->is_refused ? &refusal : NULL;
}

static void reply(struct reply *reply)
{
    Nova__Content__V2__CreatePostReply *message =
        message_new(reply->arena, &nova__content__v2__create_post_reply__descriptor);
    if (reply->event_count > 0)
        message->post_id = id_text(reply->arena, &reply->events[0].aggregate_id);
    reply->message = &message->base;
}

static const struct command_rule rule = {"CreatePost", target, decide, reply};
static const struct caller caller = {.kind = CALLER_OPERATOR, .actor = "operator"};

static struct plan *plan_make(struct plan *plan)
{
    *plan = (struct plan){
        .request = NOVA__CONTENT__V2__CREATE_POST_REQUEST__INIT,
        .type = &post_aggregate,
        .target = uuid_v7(),
        .events = 1,
        .event_bytes = EVENT_BYTES,
        .command = {.rule = &rule,
                    .caller = &caller,
                    .request = &plan->request.base,
                    .wire = {(const uint8_t *)"one", 3},
                    .command_id = uuid_v7()},
    };
    return plan;
}

static void execution_make(size_t i, const struct command *command)
{
    executions[i] = (struct execution){.command = command, .arena = arena};
}

// So many commands that wait, each for a new post.
static void given(size_t many)
{
    count = many;
    for (size_t i = 0; i < many; i++)
        execution_make(i, &plan_make(&plans[i])->command);
}

// ---- what is there ------------------------------------------------------------------------------

static struct pg_result *rows_of(size_t i)
{
    struct pg_result *rows = NULL;
    struct error err = {0};
    struct pg_param id = pg_uuid(&plans[i].command.command_id);
    if (pg_query(&rows, other_pg,
                 "SELECT xmin::text, version, position, aggregate_id FROM content.outbox"
                 " WHERE command_id = $1 ORDER BY command_index",
                 &id, 1, &err) != NOVA_OK)
        fail_msg("%s", err.text);
    return rows;
}

static size_t event_count(size_t i)
{
    struct pg_result *rows = rows_of(i);
    size_t found = pg_rows(rows);
    pg_result_destroy(&rows);
    return found;
}

static const char *transaction_of(size_t i)
{
    struct pg_result *rows = rows_of(i);
    assert_true(pg_rows(rows) > 0);
    const char *xmin = arena_strdup(arena, pg_get_text(rows, 0, 0));
    for (size_t row = 1; row < pg_rows(rows); row++)
        assert_string_equal(pg_get_text(rows, row, 0), xmin);
    pg_result_destroy(&rows);
    return xmin;
}

static int64_t version_of(size_t i)
{
    struct pg_result *rows = rows_of(i);
    int64_t version = pg_get_int8(rows, pg_rows(rows) - 1, 1);
    pg_result_destroy(&rows);
    return version;
}

static bool are_one_transaction(size_t i, size_t j)
{
    return strcmp(transaction_of(i), transaction_of(j)) == 0;
}

// ---- when, and then -----------------------------------------------------------------------------

// All of them until each is done; returns the calls that it took.
static uint32_t when_carried_out(void)
{
    struct execution *waiting[MOST];
    uint32_t calls = 0;
    size_t left = count;
    for (size_t i = 0; i < count; i++)
        waiting[i] = &executions[i];
    for (; left > 0; calls++) {
        assert_true(calls < 3 * count);
        left = runtime_execute_together(waiting, left, runtime);
    }
    for (size_t i = 0; i < count; i++)
        assert_true(executions[i].done);
    return calls;
}

static void then_ok(size_t i)
{
    if (executions[i].status != NOVA_OK)
        fail_msg("%zu: %s", i, executions[i].err.text);
    struct pg_result *rows = rows_of(i);
    const Nova__Content__V2__CreatePostReply *message = (void *)executions[i].outcome.reply;
    struct uuid id = pg_get_uuid(rows, 0, 3);
    assert_int_equal(executions[i].outcome.position, pg_get_int8(rows, pg_rows(rows) - 1, 2));
    assert_int_equal(executions[i].outcome.event_count, pg_rows(rows));
    assert_string_equal(message->post_id, id_text(arena, &id));
    pg_result_destroy(&rows);
}

static void then_failed(size_t i, enum nova_status status, const char *text)
{
    assert_int_equal(executions[i].status, status);
    if (strstr(executions[i].err.text, text) == NULL)
        fail_msg("'%s' is not in '%s'", text, executions[i].err.text);
    assert_null(executions[i].outcome.reply);
}

// All but these carried out, in one transaction.
static void then_the_others_went_together(const size_t *but, size_t but_count)
{
    size_t first = count;
    for (size_t i = 0; i < count; i++) {
        bool is_one = false;
        for (size_t j = 0; j < but_count; j++)
            is_one |= but[j] == i;
        if (is_one)
            continue;
        then_ok(i);
        assert_int_equal(event_count(i), 1);
        first = first == count ? i : first;
        assert_true(are_one_transaction(first, i));
    }
}

#define BUT(...) (const size_t[]){__VA_ARGS__}, sizeof((size_t[]){__VA_ARGS__}) / sizeof(size_t)

// ---- what others do meanwhile -------------------------------------------------------------------

static void carried_out_by(struct runtime *by, const struct command *command)
{
    struct error err = {0};
    struct outcome outcome;
    if (runtime_execute(&outcome, by, command, NULL, arena, &err) != NOVA_OK)
        fail_msg("%s", err.text);
}

static void given_post(const struct uuid *id)
{
    struct plan first;
    plan_make(&first)->target = *id;
    carried_out_by(other, &first.command);
}

static void another_writer_appends(struct plan *plan)
{
    given_post(&plan->target);
}

// The same command, by another worker; what it did is then in this one's way.
static void its_copy_is_carried_out(struct plan *plan)
{
    carried_out_by(other, &plan->command);
    plan->is_refused = true;
}

static void its_copy_is_first(struct plan *plan)
{
    carried_out_by(other, &plan->command);
}

static int32_t backend_pid(void)
{
    struct error err = {0};
    struct pg_result *row = NULL;
    if (pg_query(&row, pg, "SELECT pg_backend_pid()", NULL, 0, &err) != NOVA_OK)
        fail_msg("%s", err.text);
    int32_t pid = pg_get_int4(row, 0, 0);
    pg_result_destroy(&row);
    return pid;
}

static int32_t victim_pid;

static void the_backend_is_killed(struct plan *plan)
{
    (void)plan;
    struct error err = {0};
    struct pg_param pid = pg_int4(victim_pid);
    struct pg_result *ended = NULL;
    if (pg_query(&ended, other_pg, "SELECT pg_terminate_backend($1, 10000)", &pid, 1, &err) !=
        NOVA_OK)
        fail_msg("%s", err.text);
    assert_true(pg_get_bool(ended, 0, 0));
    pg_result_destroy(&ended);
}

// ---- cases --------------------------------------------------------------------------------------

static void commands_of_different_aggregates_are_one_transaction(void **state)
{
    (void)state;
    given(FEW);
    assert_int_equal(when_carried_out(), 1);
    then_the_others_went_together(NULL, 0);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(executions[i].outcome.position, executions[j].outcome.position);
}

static void a_transaction_takes_so_many_and_the_rest_the_next(void **state)
{
    (void)state;
    given(MOST);
    assert_int_equal(when_carried_out(), 2);
    then_ok(0);
    then_ok(MOST - 1);
    assert_true(are_one_transaction(0, COMMANDS_TOGETHER_MAX - 1));
    assert_true(are_one_transaction(COMMANDS_TOGETHER_MAX, MOST - 1));
    assert_false(are_one_transaction(0, MOST - 1));
}

static void one_that_meets_another_writer_is_decided_again_and_the_others_stay(void **state)
{
    (void)state;
    given(FEW);
    given_post(&plans[3].target);
    plans[3].meanwhile = another_writer_appends;
    plans[5].meanwhile = another_writer_appends; // at its first version
    when_carried_out();
    then_the_others_went_together(BUT(3, 5));
    then_ok(3);
    then_ok(5);
    assert_int_equal(version_of(3), 3);
    assert_int_equal(version_of(5), 2);
    assert_int_equal(plans[3].decided, 2);
    assert_int_equal(plans[4].decided, 1);
    assert_false(are_one_transaction(3, 4));
}

static void the_same_command_twice_has_one_effect_and_one_answer(void **state)
{
    (void)state;
    given(FEW);
    execution_make(7, &plans[2].command); // plan 7's place
    when_carried_out();
    then_the_others_went_together(BUT(7));
    assert_int_equal(executions[7].status, NOVA_OK);
    assert_true(executions[7].outcome.repeated);
    assert_int_equal(executions[7].outcome.position, executions[2].outcome.position);
    const Nova__Content__V2__CreatePostReply *first = (void *)executions[2].outcome.reply,
                                             *again = (void *)executions[7].outcome.reply;
    assert_string_equal(first->post_id, again->post_id);
    assert_int_equal(event_count(2), 1);
}

static void another_request_under_a_command_id_of_the_batch_is_refused(void **state)
{
    (void)state;
    given(FEW);
    plans[7].command.command_id = plans[2].command.command_id;
    plans[7].command.wire = (struct bytes){(const uint8_t *)"two", 3};
    when_carried_out();
    then_the_others_went_together(BUT(7));
    then_failed(7, NOVA_FAILED_PRECONDITION, "COMMAND_ID_TAKEN");
    assert_int_equal(event_count(2), 1);
}

static void a_command_of_before_is_answered_again_beside_new_ones(void **state)
{
    (void)state;
    given(FEW);
    carried_out_by(other, &plans[4].command);
    when_carried_out();
    then_the_others_went_together(BUT(4));
    then_ok(4);
    assert_true(executions[4].outcome.repeated);
    assert_int_equal(event_count(4), 1);
}

static void a_copy_that_is_first_has_the_effect_and_both_the_answer(void **state)
{
    (void)state;
    given(FEW);
    plans[1].meanwhile = its_copy_is_first;       // met by its version and its command id
    plans[6].meanwhile = its_copy_is_carried_out; // what is refused then is its own effect
    when_carried_out();
    then_the_others_went_together(BUT(1, 6));
    for (size_t i = 1; i <= 6; i += 5) {
        then_ok(i);
        assert_true(executions[i].outcome.repeated);
        assert_int_equal(event_count(i), 1);
    }
}

static void a_refused_command_leaves_the_others(void **state)
{
    (void)state;
    given(FEW);
    plans[0].is_refused = true;
    plans[9].has_no_target = true;
    assert_int_equal(when_carried_out(), 1);
    then_the_others_went_together(BUT(0, 9));
    for (size_t i = 0; i <= 9; i += 9) {
        then_failed(i, NOVA_FAILED_PRECONDITION, "REFUSED: so says the plan");
        assert_int_equal(event_count(i), 0);
    }
}

static void when_all_are_refused_nothing_is_written(void **state)
{
    (void)state;
    given(FEW);
    for (size_t i = 0; i < FEW; i++)
        plans[i].is_refused = true;
    assert_int_equal(when_carried_out(), 1);
    for (size_t i = 0; i < FEW; i++) {
        then_failed(i, NOVA_FAILED_PRECONDITION, "REFUSED");
        assert_int_equal(event_count(i), 0);
    }
}

static void a_command_that_finds_nothing_to_do_is_answered(void **state)
{
    (void)state;
    given(FEW);
    plans[2].events = 0;
    assert_int_equal(when_carried_out(), 1);
    then_the_others_went_together(BUT(2));
    assert_int_equal(executions[2].status, NOVA_OK);
    assert_non_null(executions[2].outcome.reply);
    assert_int_equal(event_count(2), 0);
}

static void commands_of_one_aggregate_follow_each_other(void **state)
{
    (void)state;
    given(FEW);
    for (size_t i = 1; i < 5; i++)
        plans[i].target = plans[0].target;
    when_carried_out();
    then_the_others_went_together(BUT(1, 2, 3, 4)); // the first of them goes with the others
    for (size_t i = 0; i < 5; i++) {
        then_ok(i);
        assert_int_equal(version_of(i), (int64_t)i + 1); // in their order
        for (size_t j = 0; j < i; j++)
            assert_false(are_one_transaction(i, j));
    }
}

static void two_pairs_of_one_aggregate_each_are_two_transactions(void **state)
{
    (void)state;
    given(4);
    plans[2].target = plans[0].target;
    plans[3].target = plans[1].target;
    assert_int_equal(when_carried_out(), 2);
    assert_true(are_one_transaction(0, 1));
    assert_true(are_one_transaction(2, 3));
    assert_int_equal(version_of(3), 2);
}

static void a_command_of_several_events_is_whole_and_by_itself(void **state)
{
    (void)state;
    given(FEW);
    plans[1].events = plans[8].events = 3;
    plans[8].meanwhile = another_writer_appends;
    when_carried_out();
    then_the_others_went_together(BUT(1, 8));
    then_ok(1);
    then_ok(8);
    assert_int_equal(event_count(1), 3);
    assert_int_equal(event_count(8), 3);
    assert_int_equal(version_of(8), 4);
    assert_false(are_one_transaction(0, 1));
}

static void a_backend_killed_before_the_commit_leaves_nothing_and_each_is_told(void **state)
{
    (void)state;
    given(FEW);
    victim_pid = backend_pid();
    plans[5].meanwhile = the_backend_is_killed;
    assert_int_equal(when_carried_out(), 1);
    for (size_t i = 0; i < FEW; i++) {
        then_failed(i, NOVA_UNAVAILABLE, "");
        assert_true(executions[i].err.transient);
        assert_int_equal(event_count(i), 0);
        execution_make(i, &plans[i].command);
    }
    when_carried_out(); // the same command ids again
    then_the_others_went_together(NULL, 0);
}

static void a_commit_whose_answer_is_lost_is_found_again_by_each_id(void **state)
{
    (void)state;
    given(FEW);
    when_carried_out();
    for (size_t i = 0; i < FEW; i++)
        execution_make(i, &plans[i].command); // nobody had heard
    when_carried_out();
    for (size_t i = 0; i < FEW; i++) {
        then_ok(i);
        assert_true(executions[i].outcome.repeated);
        assert_int_equal(event_count(i), 1);
    }
}

static void an_event_that_no_message_can_carry_is_refused_and_the_others_stay(void **state)
{
    (void)state;
    given(FEW);
    plans[3].event_bytes = EVENT_PAYLOAD_BYTES_MAX;
    assert_int_equal(when_carried_out(), 1);
    then_the_others_went_together(BUT(3));
    then_failed(3, NOVA_INVALID_ARGUMENT, "EVENT_TOO_LARGE");
    assert_int_equal(event_count(3), 0);
}

// PostgreSQL refuses the whole statement; each by itself, only that one.
static void a_row_that_the_table_refuses_fails_its_own_command(void **state)
{
    (void)state;
    given(FEW);
    plans[3].command.traceparent = "line\nbreak";
    when_carried_out();
    for (size_t i = 0; i < FEW; i++)
        if (i != 3)
            then_ok(i);
    assert_int_equal(executions[3].status, NOVA_FAILED_PRECONDITION);
    assert_int_equal(event_count(3), 0);
}

static void an_id_of_another_kind_is_told_to_its_own_command(void **state)
{
    (void)state;
    given(FEW);
    given_post(&plans[3].target);
    plans[3].type = &comment_aggregate;
    when_carried_out();
    then_the_others_went_together(BUT(3));
    then_failed(3, NOVA_INVALID_ARGUMENT, "ID_OF_ANOTHER_KIND");
}

static struct caller person_make(void)
{
    struct caller person = {.kind = CALLER_USER, .user_id = uuid_v7()};
    snprintf(person.actor, sizeof person.actor, "user:%s", id_text(arena, &person.user_id));
    return person;
}

static void given_personal(size_t i, const struct caller *by)
{
    plans[i].is_personal = true;
    plans[i].command.caller = by;
    given_post(&plans[i].target);
}

// Sealed with the key that is there.
static void then_it_can_be_opened(size_t i)
{
    struct opened_event *events = NULL;
    size_t found = 0;
    struct error err = {0};
    assert_int_equal(runtime_read_many(&events, &found, other, &plans[i].target, 1, arena, &err),
                     NOVA_OK);
    assert_int_equal(found, 2);
    const Nova__Content__V2__PostUpdatedPersonal *personal = (const void *)events[1].personal;
    assert_string_equal(personal->text, "personal");
}

static void then_has_a_key_of_its_own(const struct uuid *person_id)
{
    struct error err = {0};
    struct pg_param id = pg_uuid(person_id);
    struct pg_result *rows = NULL;
    if (pg_query(&rows, other_pg, "SELECT FROM content.person_key WHERE person_id = $1", &id, 1,
                 &err) != NOVA_OK)
        fail_msg("%s", err.text);
    assert_int_equal(pg_rows(rows), 1);
    pg_result_destroy(&rows);
}

static void first_events_of_persons_make_their_keys_and_later_ones_find_them(void **state)
{
    (void)state;
    struct caller persons[FEW], late = person_make(); // whose id is before all others'
    for (size_t i = 0; i < FEW; i++)
        persons[i] = i == 1 ? persons[0] : person_make(); // two events of one
    for (int round = 0; round < 2; round++) {
        if (round == 1)
            persons[3] = late; // new among those who have keys
        given(FEW);
        for (size_t i = 0; i < FEW; i++)
            given_personal(i, &persons[i]);
        assert_int_equal(when_carried_out(), 1);
        then_the_others_went_together(NULL, 0);
        for (size_t i = 0; i < FEW; i++) {
            then_it_can_be_opened(i);
            then_has_a_key_of_its_own(&persons[i].user_id);
        }
    }
}

// Their keys went with the transaction that failed; what is appended then is sealed anew.
static void a_conflict_beside_first_events_loses_no_key(void **state)
{
    (void)state;
    struct caller persons[3] = {person_make(), person_make(), person_make()};
    given(3);
    for (size_t i = 0; i < 3; i++)
        given_personal(i, &persons[i]);
    plans[1].meanwhile = another_writer_appends;
    when_carried_out();
    for (size_t i = 0; i < 3; i++)
        then_ok(i);
    assert_int_equal(version_of(1), 3);
    then_it_can_be_opened(0);
    then_it_can_be_opened(2);
}

// Whose the event is, is not who calls: an operator's change of somebody's post.
static void what_belongs_to_another_than_its_caller_goes_by_itself(void **state)
{
    (void)state;
    struct caller owner = person_make();
    given(FEW);
    given_personal(5, &owner);
    plans[5].command.caller = &caller;
    plans[5].owner = owner.user_id;
    when_carried_out();
    then_the_others_went_together(BUT(5));
    then_ok(5);
    then_it_can_be_opened(5);
}

static void of_a_person_who_was_erased_nothing_is_written(void **state)
{
    (void)state;
    const struct caller person = person_make();
    struct error err = {0};
    given(1);
    given_personal(0, &person);
    when_carried_out();
    then_ok(0);
    assert_int_equal(runtime_person_erase(other, &person.user_id, &err), NOVA_OK);
    given(FEW);
    const struct caller before = person_make(), after = person_make();
    given_personal(5, &before); // their keys stand around the one that is gone
    given_personal(6, &person);
    given_personal(7, &after);
    when_carried_out();
    then_the_others_went_together(BUT(6));
    then_failed(6, NOVA_FAILED_PRECONDITION, "PERSON_ERASED");
    assert_int_equal(event_count(6), 0);
}

static int64_t snapshot_version(const struct uuid *id)
{
    struct error err = {0};
    struct pg_param param = pg_uuid(id);
    struct pg_result *row = NULL;
    if (pg_query(&row, other_pg,
                 "SELECT coalesce((SELECT version FROM content.snapshot WHERE aggregate_id = $1),"
                 " 0)",
                 &param, 1, &err) != NOVA_OK)
        fail_msg("%s", err.text);
    int64_t version = pg_get_int8(row, 0, 0);
    pg_result_destroy(&row);
    return version;
}

static void damage_snapshot(const struct uuid *id)
{
    struct error err = {0};
    struct pg_param param = pg_uuid(id);
    if (pg_query(NULL, other_pg,
                 "UPDATE content.snapshot SET digest = sha256(digest) WHERE aggregate_id = $1",
                 &param, 1, &err) != NOVA_OK)
        fail_msg("%s", err.text);
}

static void a_long_aggregate_has_its_snapshot_and_a_damaged_one_is_thrown_away(void **state)
{
    (void)state;
    struct plan long_one;
    struct uuid id = plan_make(&long_one)->target;
    long_one.events = RUNTIME_SNAPSHOT_EVENTS - 1;
    carried_out_by(other, &long_one.command);
    assert_int_equal(snapshot_version(&id), 0);
    for (int64_t round = 0; round < 3; round++) { // writes it; begins with it; finds it damaged
        given(FEW);
        plans[2].target = id;
        if (round == 2)
            damage_snapshot(&id);
        when_carried_out();
        then_ok(2);
        then_ok(3);
        assert_int_equal(version_of(2), RUNTIME_SNAPSHOT_EVENTS + round);
        assert_int_equal(are_one_transaction(2, 3), round == 1);
        assert_int_equal(snapshot_version(&id), RUNTIME_SNAPSHOT_EVENTS + (round == 2 ? 2 : 0));
    }
}

static int start(void **state)
{
    (void)state;
    struct error err = {0};
    char url[ACCESS_URL_BYTES];
    arena = arena_create();
    if (seal_start(&err) != NOVA_OK ||
        settings_load(&settings, &(struct settings_options){0}, &err) != NOVA_OK ||
        access_master_key(&master, settings, "content", &err) != NOVA_OK ||
        access_postgres_url(url, settings, "content", "content_service", &err) != NOVA_OK ||
        pg_connect(&pg, url, "check_together", &err) != NOVA_OK ||
        pg_connect(&other_pg, url, "check_together/other", &err) != NOVA_OK ||
        runtime_create(&runtime, "content", pg, &master, &err) != NOVA_OK ||
        runtime_create(&other, "content", other_pg, &master, &err) != NOVA_OK)
        fail_msg("%s", err.text);
    return 0;
}

static int end(void **state)
{
    (void)state;
    runtime_destroy(&runtime);
    runtime_destroy(&other);
    pg_destroy(&pg);
    pg_destroy(&other_pg);
    settings_destroy(&settings);
    seal_key_forget(&master);
    arena_destroy(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_of_different_aggregates_are_one_transaction),
        cmocka_unit_test(a_transaction_takes_so_many_and_the_rest_the_next),
        cmocka_unit_test(one_that_meets_another_writer_is_decided_again_and_the_others_stay),
        cmocka_unit_test(the_same_command_twice_has_one_effect_and_one_answer),
        cmocka_unit_test(another_request_under_a_command_id_of_the_batch_is_refused),
        cmocka_unit_test(a_command_of_before_is_answered_again_beside_new_ones),
        cmocka_unit_test(a_copy_that_is_first_has_the_effect_and_both_the_answer),
        cmocka_unit_test(a_refused_command_leaves_the_others),
        cmocka_unit_test(when_all_are_refused_nothing_is_written),
        cmocka_unit_test(a_command_that_finds_nothing_to_do_is_answered),
        cmocka_unit_test(commands_of_one_aggregate_follow_each_other),
        cmocka_unit_test(two_pairs_of_one_aggregate_each_are_two_transactions),
        cmocka_unit_test(a_command_of_several_events_is_whole_and_by_itself),
        cmocka_unit_test(a_backend_killed_before_the_commit_leaves_nothing_and_each_is_told),
        cmocka_unit_test(a_commit_whose_answer_is_lost_is_found_again_by_each_id),
        cmocka_unit_test(an_event_that_no_message_can_carry_is_refused_and_the_others_stay),
        cmocka_unit_test(a_row_that_the_table_refuses_fails_its_own_command),
        cmocka_unit_test(an_id_of_another_kind_is_told_to_its_own_command),
        cmocka_unit_test(first_events_of_persons_make_their_keys_and_later_ones_find_them),
        cmocka_unit_test(a_conflict_beside_first_events_loses_no_key),
        cmocka_unit_test(what_belongs_to_another_than_its_caller_goes_by_itself),
        cmocka_unit_test(of_a_person_who_was_erased_nothing_is_written),
        cmocka_unit_test(a_long_aggregate_has_its_snapshot_and_a_damaged_one_is_thrown_away),
    };
    return cmocka_run_group_tests_name("together", tests, start, end);
}
