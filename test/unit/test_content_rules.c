// test_content_rules.c - content's rules: each rejection is produced, and the last case fails if
// one was not.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "aggregates/content/content.h"
#include "nova/content/v2/content.pb-c.h"
#include "test/lib/given.h"

#define AUTHOR "0197a3c0-0000-7000-8000-000000000001"
#define OTHER "0197a3c0-0000-7000-8000-000000000002"
#define POST "0197a3c0-0000-7000-8000-000000000003"
#define OTHER_POST "0197a3c0-0000-7000-8000-000000000004"
#define COMMENT "0197a3c0-0000-7000-8000-000000000005"
#define PARENT "0197a3c0-0000-7000-8000-000000000006"

static bool produced[CONTENT_REJECTION_COUNT];

static struct given content_given(const char *caller)
{
    struct given given = given_begin(content_rules, CONTENT_RULES_COUNT);
    given.caller.kind = *caller != '\0' ? CALLER_USER : CALLER_ANONYMOUS;
    given.caller.user_id = id_parse(caller);
    return given;
}

static void given_post(struct given *given, const char *text)
{
    struct uuid id = id_parse(text);
    Nova__Content__V2__PostCreated *created = given_past(given, "content", "post.created", &id);
    created->author_id = AUTHOR;
}

static void given_comment(struct given *given, const char *text, char *post)
{
    struct uuid id = id_parse(text);
    Nova__Content__V2__CommentCreated *created =
        given_past(given, "content", "comment.created", &id);
    created->author_id = AUTHOR;
    created->post_id = post;
}

static void given_deleted(struct given *given, const char *type, const char *text)
{
    struct uuid id = id_parse(text);
    given_past(given, "content", type, &id);
}

static void then_rejected(struct given *given, enum content_rejection rejection)
{
    if (given->rejection == NULL)
        fail_msg("%s was expected, and it was accepted", content_rejections[rejection].name);
    assert_string_equal(given->rejection->name, content_rejections[rejection].name);
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

static char *long_text(struct given *given, size_t len)
{
    char *text = arena_alloc(given->arena, len + 1);
    return memset(text, 'a', len);
}

// ---- posts --------------------------------------------------------------------------------------

static void a_post_wants_an_author_and_something_to_say(void **state)
{
    (void)state;
    Nova__Content__V2__CreatePostRequest request = NOVA__CONTENT__V2__CREATE_POST_REQUEST__INIT;
    request.post_id = POST;
    struct given given = content_given(AUTHOR);
    when(&given, "CreatePost", &request);
    then_rejected(&given, CONTENT_POST_EMPTY);
    request.text = "hello";
    given = content_given("");
    when(&given, "CreatePost", &request);
    then_rejected(&given, CONTENT_AUTHOR_MISSING);
    given = content_given(AUTHOR);
    given_post(&given, POST);
    when(&given, "CreatePost", &request);
    then_rejected(&given, CONTENT_POST_EXISTS);
    given = content_given(AUTHOR);
    when(&given, "CreatePost", &request);
    assert_string_equal(((Nova__Content__V2__CreatePostReply *)given.reply)->post_id, POST);
    then_event(&given, "post.created");
}

static void a_post_has_its_bounds(void **state)
{
    (void)state;
    char *tags[POST_TAGS_MAX + 1];
    for (int i = 0; i <= POST_TAGS_MAX; i++)
        tags[i] = "tag";
    Nova__Content__V2__CreatePostRequest request = NOVA__CONTENT__V2__CREATE_POST_REQUEST__INIT;
    struct given given = content_given(AUTHOR);
    request.title = long_text(&given, POST_TITLE_BYTES_MAX + 1);
    when(&given, "CreatePost", &request);
    then_rejected(&given, CONTENT_TITLE_TOO_LONG);
    request.title = "title";
    given = content_given(AUTHOR);
    request.text = long_text(&given, POST_TEXT_BYTES_MAX + 1);
    when(&given, "CreatePost", &request);
    then_rejected(&given, CONTENT_TEXT_TOO_LONG);
    request.text = "text";
    request.tags = tags;
    request.n_tags = POST_TAGS_MAX + 1;
    given = content_given(AUTHOR);
    when(&given, "CreatePost", &request);
    then_rejected(&given, CONTENT_TOO_MANY_TAGS);
    request.n_tags = POST_TAGS_MAX;
    tags[3] = "two words";
    given = content_given(AUTHOR);
    when(&given, "CreatePost", &request);
    then_rejected(&given, CONTENT_TAG_INVALID);
}

static void only_its_author_changes_a_post(void **state)
{
    (void)state;
    Nova__Content__V2__UpdatePostRequest request = NOVA__CONTENT__V2__UPDATE_POST_REQUEST__INIT;
    request.text = "new";
    struct given given = content_given(AUTHOR);
    when(&given, "UpdatePost", &request);
    then_rejected(&given, CONTENT_POST_ID_MISSING);
    request.post_id = POST;
    given = content_given(AUTHOR);
    when(&given, "UpdatePost", &request);
    then_rejected(&given, CONTENT_POST_UNKNOWN);
    given = content_given(OTHER);
    given_post(&given, POST);
    when(&given, "UpdatePost", &request);
    then_rejected(&given, CONTENT_NOT_AUTHOR);
    given = content_given(AUTHOR);
    given_post(&given, POST);
    when(&given, "UpdatePost", &request);
    then_event(&given, "post.updated");
    Nova__Content__V2__DeletePostRequest deletion = NOVA__CONTENT__V2__DELETE_POST_REQUEST__INIT;
    deletion.post_id = POST;
    given = content_given(AUTHOR);
    given_post(&given, POST);
    when(&given, "DeletePost", &deletion);
    then_event(&given, "post.deleted");
    given = content_given(AUTHOR);
    given_post(&given, POST);
    given_deleted(&given, "post.deleted", POST);
    when(&given, "DeletePost", &deletion);
    then_rejected(&given, CONTENT_POST_UNKNOWN);
}

// ---- comments -----------------------------------------------------------------------------------

static Nova__Content__V2__CreateCommentRequest comment(void)
{
    Nova__Content__V2__CreateCommentRequest request =
        NOVA__CONTENT__V2__CREATE_COMMENT_REQUEST__INIT;
    request.comment_id = COMMENT;
    request.post_id = POST;
    request.text = "well said";
    return request;
}

static void a_comment_belongs_to_a_post_that_is_there(void **state)
{
    (void)state;
    Nova__Content__V2__CreateCommentRequest request = comment();
    struct given given = content_given(AUTHOR);
    when(&given, "CreateComment", &request);
    then_rejected(&given, CONTENT_POST_UNKNOWN);
    given = content_given(AUTHOR);
    given_post(&given, POST);
    given_comment(&given, COMMENT, POST);
    when(&given, "CreateComment", &request);
    then_rejected(&given, CONTENT_COMMENT_EXISTS);
    given = content_given(AUTHOR);
    given_post(&given, POST);
    when(&given, "CreateComment", &request);
    then_event(&given, "comment.created");
    request.text = "";
    given = content_given(AUTHOR);
    given_post(&given, POST);
    when(&given, "CreateComment", &request);
    then_rejected(&given, CONTENT_COMMENT_EMPTY);
}

static void a_reply_stays_below_its_post(void **state)
{
    (void)state;
    Nova__Content__V2__CreateCommentRequest request = comment();
    request.parent_id = PARENT;
    struct given given = content_given(AUTHOR);
    given_post(&given, POST);
    when(&given, "CreateComment", &request);
    then_rejected(&given, CONTENT_PARENT_UNKNOWN);
    given = content_given(AUTHOR);
    given_post(&given, POST);
    given_comment(&given, PARENT, OTHER_POST);
    when(&given, "CreateComment", &request);
    then_rejected(&given, CONTENT_PARENT_OF_ANOTHER_POST);
    given = content_given(AUTHOR);
    given_post(&given, POST);
    given_comment(&given, PARENT, POST);
    when(&given, "CreateComment", &request);
    then_event(&given, "comment.created");
}

static void only_its_author_changes_a_comment(void **state)
{
    (void)state;
    Nova__Content__V2__UpdateCommentRequest request =
        NOVA__CONTENT__V2__UPDATE_COMMENT_REQUEST__INIT;
    request.text = "new";
    struct given given = content_given(AUTHOR);
    when(&given, "UpdateComment", &request);
    then_rejected(&given, CONTENT_COMMENT_ID_MISSING);
    request.comment_id = COMMENT;
    given = content_given(AUTHOR);
    when(&given, "UpdateComment", &request);
    then_rejected(&given, CONTENT_COMMENT_UNKNOWN);
    given = content_given(AUTHOR);
    given_comment(&given, COMMENT, POST);
    when(&given, "UpdateComment", &request);
    then_event(&given, "comment.updated");
    Nova__Content__V2__DeleteCommentRequest deletion =
        NOVA__CONTENT__V2__DELETE_COMMENT_REQUEST__INIT;
    deletion.comment_id = COMMENT;
    given = content_given(OTHER);
    given_comment(&given, COMMENT, POST);
    when(&given, "DeleteComment", &deletion);
    then_rejected(&given, CONTENT_NOT_AUTHOR);
    given = content_given(AUTHOR);
    given_comment(&given, COMMENT, POST);
    when(&given, "DeleteComment", &deletion);
    then_event(&given, "comment.deleted");
}

static void every_rejection_was_produced(void **state)
{
    (void)state;
    for (int i = 0; i < CONTENT_REJECTION_COUNT; i++)
        if (!produced[i])
            fail_msg("no case produces %s", content_rejections[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_post_wants_an_author_and_something_to_say),
        cmocka_unit_test(a_post_has_its_bounds),
        cmocka_unit_test(only_its_author_changes_a_post),
        cmocka_unit_test(a_comment_belongs_to_a_post_that_is_there),
        cmocka_unit_test(a_reply_stays_below_its_post),
        cmocka_unit_test(only_its_author_changes_a_comment),
        cmocka_unit_test(every_rejection_was_produced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
