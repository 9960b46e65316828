// test_communication_rules.c - communication's rules: each rejection is produced, and the last case
// fails if one was not.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "aggregates/communication/communication.h"
#include "nova/communication/v2/communication.pb-c.h"
#include "test/lib/given.h"

#define ADA "0197a3c0-0000-7000-8000-000000000001"
#define BOB "0197a3c0-0000-7000-8000-000000000002"
#define EVE "0197a3c0-0000-7000-8000-000000000003"
#define TALK "0197a3c0-0000-7000-8000-000000000004"
#define MESSAGE "0197a3c0-0000-7000-8000-000000000005"

static bool produced[COMMUNICATION_REJECTION_COUNT];
static const struct communication_facts all_known = {true, true}, nobody_known = {false, false};

static struct given communication_given(const char *caller)
{
    struct given given = given_begin(communication_rules, COMMUNICATION_RULES_COUNT);
    given.facts = &all_known;
    given.caller.kind = *caller != '\0' ? CALLER_USER : CALLER_ANONYMOUS;
    given.caller.user_id = id_parse(caller);
    return given;
}

static void given_talk(struct given *given)
{
    static char *members[] = {ADA, BOB};
    struct uuid id = id_parse(TALK);
    Nova__Communication__V2__ConversationCreated *created =
        given_past(given, "communication", "conversation.created", &id);
    created->member_ids = members;
    created->n_member_ids = 2;
}

static void given_message(struct given *given)
{
    struct uuid id = id_parse(MESSAGE);
    Nova__Communication__V2__MessageSent *sent =
        given_past(given, "communication", "message.sent", &id);
    sent->conversation_id = TALK;
    sent->sender_id = ADA;
}

static void then_rejected(struct given *given, enum communication_rejection rejection)
{
    const char *name = communication_rejections[rejection].name;
    if (given->rejection == NULL)
        fail_msg("%s was expected, and it was accepted", name);
    assert_string_equal(given->rejection->name, name);
    assert_int_equal(given->decision.event_count, 0);
    produced[rejection] = true;
    given_end(given);
}

static void then_event(struct given *given, const char *type)
{
    if (given->rejection != NULL)
        fail_msg("%s", given->rejection->name);
    assert_int_equal(given->decision.event_count, 1);
    assert_string_equal(given->decision.events[0].type->type, type);
    assert_non_null(given->reply);
    given_end(given);
}

// ---- conversations ------------------------------------------------------------------------------

static void a_conversation_wants_two_to_sixteen_different_users(void **state)
{
    (void)state;
    char *many[CONVERSATION_MEMBERS_MAX + 1];
    for (int i = 0; i <= CONVERSATION_MEMBERS_MAX; i++)
        many[i] = ADA;
    static const struct {
        char *members[2];
        enum communication_rejection rejection;
    } cases[] = {
        {{ADA, ""}, COMMUNICATION_MEMBER_ID_MISSING},
        {{ADA, ADA}, COMMUNICATION_MEMBER_TWICE},
        {{BOB, EVE}, COMMUNICATION_NOT_A_MEMBER},
    };
    Nova__Communication__V2__CreateConversationRequest request =
        NOVA__COMMUNICATION__V2__CREATE_CONVERSATION_REQUEST__INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct given given = communication_given(ADA);
        request.member_ids = (char **)(uintptr_t)cases[i].members;
        request.n_member_ids = 2;
        when(&given, "CreateConversation", &request);
        then_rejected(&given, cases[i].rejection);
    }
    request.member_ids = many;
    for (size_t count = 1; count <= CONVERSATION_MEMBERS_MAX + 1;
         count += CONVERSATION_MEMBERS_MAX) {
        struct given given = communication_given(ADA);
        request.n_member_ids = count;
        when(&given, "CreateConversation", &request);
        then_rejected(&given, COMMUNICATION_MEMBER_COUNT);
    }
}

static void a_conversation_begins_once_among_users(void **state)
{
    (void)state;
    char *members[] = {ADA, BOB}, title[CONVERSATION_TITLE_BYTES_MAX + 2] = "";
    Nova__Communication__V2__CreateConversationRequest request =
        NOVA__COMMUNICATION__V2__CREATE_CONVERSATION_REQUEST__INIT;
    request.conversation_id = TALK;
    request.member_ids = members;
    request.n_member_ids = 2;
    struct given given = communication_given("");
    when(&given, "CreateConversation", &request);
    then_rejected(&given, COMMUNICATION_SENDER_MISSING);
    given = communication_given(ADA);
    given.facts = &nobody_known;
    when(&given, "CreateConversation", &request);
    then_rejected(&given, COMMUNICATION_MEMBER_UNKNOWN);
    given = communication_given(ADA);
    given_talk(&given);
    when(&given, "CreateConversation", &request);
    then_rejected(&given, COMMUNICATION_CONVERSATION_EXISTS);
    given = communication_given(ADA);
    when(&given, "CreateConversation", &request);
    then_event(&given, "conversation.created");
    request.title = memset(title, 'a', CONVERSATION_TITLE_BYTES_MAX + 1);
    given = communication_given(ADA);
    when(&given, "CreateConversation", &request);
    then_rejected(&given, COMMUNICATION_TITLE_TOO_LONG);
}

// ---- messages -----------------------------------------------------------------------------------

static void a_member_who_is_a_user_sends(void **state)
{
    (void)state;
    Nova__Communication__V2__SendMessageRequest request =
        NOVA__COMMUNICATION__V2__SEND_MESSAGE_REQUEST__INIT;
    request.message_id = MESSAGE;
    request.text = "hello";
    struct given given = communication_given(ADA);
    when(&given, "SendMessage", &request);
    then_rejected(&given, COMMUNICATION_CONVERSATION_ID_MISSING);
    request.conversation_id = TALK;
    given = communication_given(ADA);
    when(&given, "SendMessage", &request);
    then_rejected(&given, COMMUNICATION_CONVERSATION_UNKNOWN);
    given = communication_given(EVE);
    given_talk(&given);
    when(&given, "SendMessage", &request);
    then_rejected(&given, COMMUNICATION_NOT_A_MEMBER);
    given = communication_given(ADA);
    given.facts = &nobody_known;
    given_talk(&given);
    when(&given, "SendMessage", &request);
    then_rejected(&given, COMMUNICATION_SENDER_UNKNOWN);
    given = communication_given(ADA);
    given_talk(&given);
    given_message(&given);
    when(&given, "SendMessage", &request);
    then_rejected(&given, COMMUNICATION_MESSAGE_EXISTS);
    given = communication_given(ADA);
    given_talk(&given);
    when(&given, "SendMessage", &request);
    then_event(&given, "message.sent");
    request.text = "";
    given = communication_given(ADA);
    given_talk(&given);
    when(&given, "SendMessage", &request);
    then_rejected(&given, COMMUNICATION_TEXT_LENGTH);
}

static void only_its_sender_changes_a_message(void **state)
{
    (void)state;
    Nova__Communication__V2__EditMessageRequest request =
        NOVA__COMMUNICATION__V2__EDIT_MESSAGE_REQUEST__INIT;
    request.text = "new";
    struct given given = communication_given(ADA);
    when(&given, "EditMessage", &request);
    then_rejected(&given, COMMUNICATION_MESSAGE_ID_MISSING);
    request.message_id = MESSAGE;
    given = communication_given(ADA);
    when(&given, "EditMessage", &request);
    then_rejected(&given, COMMUNICATION_MESSAGE_UNKNOWN);
    given = communication_given(BOB);
    given_message(&given);
    when(&given, "EditMessage", &request);
    then_rejected(&given, COMMUNICATION_NOT_SENDER);
    given = communication_given(ADA);
    given_message(&given);
    when(&given, "EditMessage", &request);
    then_event(&given, "message.edited");
    Nova__Communication__V2__DeleteMessageRequest deletion =
        NOVA__COMMUNICATION__V2__DELETE_MESSAGE_REQUEST__INIT;
    deletion.message_id = MESSAGE;
    given = communication_given(ADA);
    given_message(&given);
    when(&given, "DeleteMessage", &deletion);
    then_event(&given, "message.deleted");
}

static void a_message_is_read_once_by_a_member(void **state)
{
    (void)state;
    struct uuid id = id_parse(MESSAGE);
    Nova__Communication__V2__MarkReadRequest request =
        NOVA__COMMUNICATION__V2__MARK_READ_REQUEST__INIT;
    request.conversation_id = TALK;
    request.message_id = MESSAGE;
    struct given given = communication_given(BOB);
    given_talk(&given);
    given_message(&given);
    when(&given, "MarkRead", &request);
    then_event(&given, "message.read");
    given = communication_given(BOB);
    given_talk(&given);
    given_message(&given);
    Nova__Communication__V2__MessageRead *read =
        given_past(&given, "communication", "message.read", &id);
    read->reader_id = BOB;
    when(&given, "MarkRead", &request);
    assert_null(given.rejection);
    assert_int_equal(given.decision.event_count, 0);
    assert_non_null(given.reply);
    given_end(&given);
}

// Whoever has the service's role may append what it likes: it is nobody's id, and never too many.
static void events_that_no_service_of_ours_wrote_are_survived(void **state)
{
    (void)state;
    char *members[CONVERSATION_MEMBERS_MAX + 1];
    for (int i = 0; i <= CONVERSATION_MEMBERS_MAX; i++)
        members[i] = "no id";
    Nova__Communication__V2__ConversationCreated created =
        NOVA__COMMUNICATION__V2__CONVERSATION_CREATED__INIT;
    created.member_ids = members;
    created.n_member_ids = CONVERSATION_MEMBERS_MAX + 1;
    const struct recorded event = {.type =
                                       contract_event_find("communication", "conversation.created"),
                                   .payload = &created.base};
    struct conversation_state conversation = {0};
    for (int i = 0; i < 3; i++)
        conversation_aggregate.evolve(&conversation, &event);
    assert_int_equal(conversation.member_count, CONVERSATION_MEMBERS_MAX);
    assert_true(uuid_is_nil(&conversation.members[0]));
}

static void every_rejection_was_produced(void **state)
{
    (void)state;
    for (int i = 0; i < COMMUNICATION_REJECTION_COUNT; i++)
        if (!produced[i])
            fail_msg("no case produces %s", communication_rejections[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_conversation_wants_two_to_sixteen_different_users),
        cmocka_unit_test(a_conversation_begins_once_among_users),
        cmocka_unit_test(a_member_who_is_a_user_sends),
        cmocka_unit_test(only_its_sender_changes_a_message),
        cmocka_unit_test(a_message_is_read_once_by_a_member),
        cmocka_unit_test(events_that_no_service_of_ours_wrote_are_survived),
        cmocka_unit_test(every_rejection_was_produced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
