// check_queries.c - what services answer from the read models, against the PostgreSQL that
// NOVA_TEST_PG names, with the services' own roles.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <time.h>

#include "projections/conversation_view/conversation_view_query.h"
#include "projections/generation.h"
#include "projections/message_sender_cache/message_sender_cache_query.h"
#include "projections/post_view/post_view_query.h"
#include "projections/search_index/search_index_query.h"
#include "projections/text.h"
#include "projections/wait.h"
#include "test/lib/history.h"

static struct pg *pg;
static struct arena *arena;
static struct history history;
static struct error err;
static const struct uuid nil;

static void must(enum nova_status status)
{
    if (status != NOVA_OK)
        fail_msg("%s: %s", nova_status_name(status), err.text);
}

static struct uuid user(uint32_t i)
{
    return history_id('u', i);
}

static struct uuid post(uint32_t i)
{
    return history_id('p', i);
}

static struct uuid comment(uint32_t i)
{
    return history_id('c', i);
}

static char *text_of(struct uuid id)
{
    return history_text(&history, &id);
}

// Applies the whole history to one projection, one source after the other, and takes the role of
// its service.
static void given(const char *name)
{
    const struct projection *projection = projection_find(name);
    const struct inbox_consumer *consumer = projection->consumer;
    char sql[512];
    snprintf(sql, sizeof sql,
             "RESET ROLE; SET search_path = %s_g1, %s; DO $$ DECLARE t text; BEGIN FOR t IN SELECT"
             " tablename FROM pg_tables WHERE schemaname = '%s_g1' LOOP"
             " EXECUTE format('TRUNCATE %%I', t); END LOOP; END $$",
             name, consumer->service, name);
    must(pg_exec(pg, sql, &err));
    for (size_t s = 0; s < inbox_source_count(consumer); s++) {
        const struct inbox_event *events[HISTORY_EVENTS_MAX];
        struct inbox_batch batch = {consumer->sources[s].service, arena, events, 0};
        for (size_t i = 0; i < history.count; i++)
            if (strcmp(history.sources[i], batch.source) == 0 &&
                inbox_source_wants(&consumer->sources[s], history.events[i].type->type))
                events[batch.count++] = &history.events[i];
        must(consumer->sources[s].apply(&batch, pg, &err));
    }
    snprintf(sql, sizeof sql, "SET search_path TO DEFAULT; SET ROLE %s_service", consumer->service);
    must(pg_exec(pg, sql, &err));
}

static Nova__Common__V1__Page *page(uint32_t size, const char *token)
{
    Nova__Common__V1__Page *page = arena_alloc(arena, sizeof *page);
    nova__common__v1__page__init(page);
    page->size = size;
    page->token = arena_strdup(arena, token);
    return page;
}

// ---- content ------------------------------------------------------------------------------------

static Nova__Content__V2__GetPostsReply *get_posts(const struct uuid *ids, size_t count)
{
    Nova__Content__V2__GetPostsReply *reply;
    must(post_view_get(&reply, pg, ids, count, arena, &err));
    return reply;
}

static void posts_come_in_the_order_asked_without_those_that_are_gone(void **state)
{
    (void)state;
    history_user(&history, user(1), "ada", "Ada");
    history_post(&history, post(1), user(1), "one", "text", "tag \"a\", {b}");
    history_post(&history, post(2), user(2), "two", "", NULL);
    history_post(&history, post(3), user(1), "three", "", NULL);
    history_add(&history, "content", "post.deleted", post(3), NULL);
    given("post_view");
    const struct uuid ids[] = {post(2), post(9), post(3), post(1), post(2)};
    Nova__Content__V2__GetPostsReply *reply = get_posts(ids, 5);
    assert_int_equal(reply->n_posts, 3);
    assert_string_equal(reply->posts[0]->title, "two");
    assert_string_equal(reply->posts[0]->author_handle, ""); // identity's event has not come
    assert_string_equal(reply->posts[1]->title, "one");
    assert_string_equal(reply->posts[1]->author_handle, "ada");
    assert_int_equal(reply->posts[1]->n_tags, 1);
    assert_string_equal(reply->posts[1]->tags[0], "tag \"a\", {b}");
    assert_int_equal(reply->posts[1]->created_at_us, HISTORY_FROM_US + 1000000);
    assert_int_equal(reply->posts[1]->updated_at_us, 0);
}

static void an_updated_post_holds_the_last_content(void **state)
{
    (void)state;
    history_post(&history, post(1), user(1), "one", "text", NULL);
    history_post_update(&history, post(1), user(1), "second", "text 2");
    history_post_update(&history, post(1), user(1), "third", "text 3");
    given("post_view");
    const struct uuid id = post(1);
    Nova__Content__V2__Post *found = get_posts(&id, 1)->posts[0];
    assert_string_equal(found->title, "third");
    assert_int_equal(found->updated_at_us, HISTORY_FROM_US + 2000000);
}

static void comments_are_counted_directly_and_in_the_whole_thread(void **state)
{
    (void)state;
    history_post(&history, post(1), user(1), "one", "", NULL);
    history_comment(&history, comment(1), post(1), nil, user(2), "a");
    history_comment(&history, comment(2), post(1), comment(1), user(1), "b");
    history_comment(&history, comment(3), post(1), comment(2), user(2), "c");
    history_comment(&history, comment(4), post(1), nil, user(2), "d");
    history_add(&history, "content", "comment.deleted", comment(4), NULL);
    given("post_view");
    const struct uuid id = post(1), parent = comment(1);
    Nova__Content__V2__Post *found = get_posts(&id, 1)->posts[0];
    assert_int_equal(found->comment_count, 1);
    assert_int_equal(found->thread_count, 3);
    Nova__Content__V2__ListCommentsReply *reply;
    must(post_view_comments(&reply, pg, &id, &nil, NULL, arena, &err));
    assert_int_equal(reply->n_comments, 3);
    assert_string_equal(reply->comments[0]->text, "a");
    assert_int_equal(reply->comments[0]->reply_count, 1);
    assert_string_equal(reply->comments[0]->parent_id, "");
    assert_string_equal(reply->comments[2]->parent_id, text_of(comment(2)));
    must(post_view_comments(&reply, pg, &id, &parent, NULL, arena, &err));
    assert_int_equal(reply->n_comments, 1);
    assert_string_equal(reply->comments[0]->text, "b");
}

static void a_deleted_post_hides_its_comments(void **state)
{
    (void)state;
    history_post(&history, post(1), user(1), "one", "", NULL);
    history_comment(&history, comment(1), post(1), nil, user(2), "a");
    history_add(&history, "content", "post.deleted", post(1), NULL);
    given("post_view");
    const struct uuid id = post(1);
    Nova__Content__V2__ListCommentsReply *reply;
    must(post_view_comments(&reply, pg, &id, &nil, NULL, arena, &err));
    assert_int_equal(reply->n_comments, 0);
}

static void a_deleted_persons_posts_are_gone_and_their_comments_empty(void **state)
{
    (void)state;
    history_user(&history, user(1), "ada", "Ada");
    history_post(&history, post(1), user(1), "one", "", NULL);
    history_post(&history, post(2), user(2), "two", "", NULL);
    history_comment(&history, comment(1), post(2), nil, user(1), "a");
    history_user_gone(&history, user(1));
    given("post_view");
    const struct uuid ids[] = {post(1), post(2)};
    Nova__Content__V2__GetPostsReply *posts = get_posts(ids, 2);
    assert_int_equal(posts->n_posts, 1);
    assert_int_equal(posts->posts[0]->comment_count, 1);
    Nova__Content__V2__ListCommentsReply *reply;
    must(post_view_comments(&reply, pg, &ids[1], &nil, NULL, arena, &err));
    assert_int_equal(reply->n_comments, 1);
    assert_string_equal(reply->comments[0]->text, "");
    assert_string_equal(reply->comments[0]->author_handle, "");
}

static void pages_of_posts_hold_each_post_once_newest_first(void **state)
{
    (void)state;
    enum { COUNT = 23 };
    for (uint32_t i = 0; i < COUNT; i++)
        history_post(&history, post(i), user(1), arena_printf(arena, "%u", i), "", NULL);
    for (size_t i = 5; i < 9; i++) // of the same time
        history.events[i].event.occurred_at_us = HISTORY_FROM_US;
    given("post_view");
    const struct uuid author = user(1);
    const char *token = "";
    int64_t before_us = INT64_MAX;
    size_t seen = 0, pages = 0;
    do {
        Nova__Content__V2__ListPostsByAuthorReply *reply;
        must(post_view_by_author(&reply, pg, &author, page(4, token), arena, &err));
        for (size_t i = 0; i < reply->n_posts; i++, seen++) {
            assert_true(reply->posts[i]->created_at_us <= before_us);
            before_us = reply->posts[i]->created_at_us;
        }
        token = reply->next_token;
        pages++;
    } while (token[0] != '\0');
    assert_int_equal(seen, COUNT);
    assert_int_equal(pages, 6);
}

static void pages_of_comments_go_from_old_to_new(void **state)
{
    (void)state;
    enum { COUNT = 12 };
    history_post(&history, post(1), user(1), "one", "", NULL);
    for (uint32_t i = 0; i < COUNT; i++)
        history_comment(&history, comment(i), post(1), nil, user(1), arena_printf(arena, "%u", i));
    given("post_view");
    const struct uuid id = post(1);
    const char *token = "";
    uint32_t seen = 0;
    do {
        Nova__Content__V2__ListCommentsReply *reply;
        must(post_view_comments(&reply, pg, &id, &nil, page(5, token), arena, &err));
        for (size_t i = 0; i < reply->n_comments; i++, seen++)
            assert_string_equal(reply->comments[i]->text, arena_printf(arena, "%u", seen));
        token = reply->next_token;
    } while (token[0] != '\0');
    assert_int_equal(seen, COUNT);
}

static void a_token_that_is_none_of_the_list_is_refused(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        history_post(&history, post(i), user(1), "x", "", NULL);
    given("post_view");
    const struct uuid author = user(1), id = post(1);
    Nova__Content__V2__ListPostsByAuthorReply *reply;
    Nova__Content__V2__ListCommentsReply *comments;
    must(post_view_by_author(&reply, pg, &author, page(1, ""), arena, &err));
    const char *const bad[] = {"x", "not base64!", "AAAA", "' OR 1=1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Nova__Content__V2__ListPostsByAuthorReply *ignored;
        assert_int_equal(post_view_by_author(&ignored, pg, &author, page(1, bad[i]), arena, &err),
                         NOVA_INVALID_ARGUMENT);
    }
    assert_int_equal(
        post_view_comments(&comments, pg, &id, &nil, page(1, reply->next_token), arena, &err),
        NOVA_INVALID_ARGUMENT);
    assert_int_equal(post_view_by_author(&reply, pg, &author, page(501, ""), arena, &err),
                     NOVA_INVALID_ARGUMENT);
}

// ---- communication ------------------------------------------------------------------------------

static const struct uuid *three(void)
{
    static struct uuid members[3];
    for (uint32_t i = 0; i < 3; i++)
        members[i] = user(i + 1);
    return members;
}

static struct uuid talk(uint32_t i)
{
    return history_id('t', i);
}

static struct uuid message(uint32_t i)
{
    return history_id('m', i);
}

static void messages_come_in_order_with_their_senders_names(void **state)
{
    (void)state;
    history_user(&history, user(1), "ada", "Ada L.");
    history_user(&history, user(2), "bob", "");
    history_conversation(&history, talk(1), three(), 3, "us");
    history_send(&history, message(3), talk(1), user(1), "first");
    history_send(&history, message(1), talk(1), user(2), "second");
    history_send(&history, message(2), talk(1), user(3), "third");
    history_edit(&history, message(1), talk(1), user(2), "second!");
    history_add(&history, "communication", "message.deleted", message(3), NULL);
    given("message_sender_cache");
    given("conversation_view");
    Nova__Communication__V2__GetMessagesReply *reply;
    bool unnamed = false;
    const struct uuid id = talk(1);
    must(conversation_view_messages(&reply, &unnamed, pg, &id, NULL, arena, &err));
    assert_int_equal(reply->n_messages, 3);
    assert_true(reply->messages[0]->deleted);
    assert_string_equal(reply->messages[0]->text, "");
    assert_string_equal(reply->messages[0]->sender_name, "Ada L.");
    assert_string_equal(reply->messages[1]->text, "second!");
    assert_string_equal(reply->messages[1]->sender_name, "bob");
    assert_true(reply->messages[1]->edited_at_us > reply->messages[1]->sent_at_us);
    assert_string_equal(reply->messages[2]->sender_name, "");
    assert_true(unnamed); // of user 3 no event has come yet
    assert_true(reply->messages[0]->position < reply->messages[1]->position);
}

static void pages_of_messages_hold_each_once(void **state)
{
    (void)state;
    enum { COUNT = 11 };
    history_conversation(&history, talk(1), three(), 2, "");
    for (uint32_t i = 0; i < COUNT; i++)
        history_send(&history, message(i), talk(1), user(1), arena_printf(arena, "%u", i));
    given("conversation_view");
    const struct uuid id = talk(1);
    const char *token = "";
    uint32_t seen = 0;
    do {
        Nova__Communication__V2__GetMessagesReply *reply;
        must(conversation_view_messages(&reply, NULL, pg, &id, page(4, token), arena, &err));
        for (size_t i = 0; i < reply->n_messages; i++, seen++)
            assert_string_equal(reply->messages[i]->text, arena_printf(arena, "%u", seen));
        token = reply->next_token;
    } while (token[0] != '\0');
    assert_int_equal(seen, COUNT);
}

static void unread_counts_others_messages_behind_the_mark(void **state)
{
    (void)state;
    history_conversation(&history, talk(1), three(), 2, "us");
    history_send(&history, message(1), talk(1), user(1), "a");
    history_send(&history, message(2), talk(1), user(1), "b");
    history_send(&history, message(3), talk(1), user(2), "mine");
    history_send(&history, message(4), talk(1), user(1), "c");
    history_read(&history, message(2), talk(1), user(2));
    history_read(&history, message(1), talk(1), user(2)); // an older mark changes nothing
    given("conversation_view");
    const struct uuid id = talk(1), ada = user(1), bob = user(2), none = talk(9);
    Nova__Communication__V2__Conversation *found;
    must(conversation_view_get(&found, pg, &id, &bob, arena, &err));
    assert_int_equal(found->message_count, 4);
    assert_int_equal(found->unread_count, 1);
    assert_string_equal(found->title, "us");
    assert_int_equal(found->n_member_ids, 2);
    assert_string_equal(found->member_ids[1], text_of(user(2)));
    assert_string_equal(found->last_message->text, "c");
    must(conversation_view_get(&found, pg, &id, &ada, arena, &err));
    assert_int_equal(found->unread_count, 1);
    must(conversation_view_get(&found, pg, &none, &ada, arena, &err));
    assert_null(found);
}

static void the_conversation_written_to_last_comes_first(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 5; i++)
        history_conversation(&history, talk(i), three(), i == 4 ? 3 : 2, "");
    history_send(&history, message(1), talk(2), user(1), "a");
    given("conversation_view");
    const struct uuid ada = user(1), third = user(3);
    Nova__Communication__V2__ListConversationsReply *reply;
    must(conversation_view_list(&reply, pg, &ada, page(3, ""), arena, &err));
    assert_int_equal(reply->n_conversations, 3);
    assert_string_equal(reply->conversations[0]->conversation_id, text_of(talk(2)));
    assert_string_equal(reply->conversations[1]->conversation_id, text_of(talk(4)));
    must(conversation_view_list(&reply, pg, &ada, page(3, reply->next_token), arena, &err));
    assert_int_equal(reply->n_conversations, 2);
    assert_string_equal(reply->next_token, "");
    assert_null(reply->conversations[0]->last_message);
    must(conversation_view_list(&reply, pg, &third, NULL, arena, &err));
    assert_int_equal(reply->n_conversations, 1);
}

static void who_belongs_to_a_conversation_is_known(void **state)
{
    (void)state;
    history_conversation(&history, talk(1), three(), 2, "");
    given("conversation_view");
    enum conversation_membership membership;
    const struct uuid id = talk(1), other = talk(2), ada = user(1), third = user(3);
    must(conversation_view_membership(&membership, pg, &id, &ada, &err));
    assert_int_equal(membership, CONVERSATION_MEMBER);
    must(conversation_view_membership(&membership, pg, &id, &third, &err));
    assert_int_equal(membership, CONVERSATION_STRANGER);
    must(conversation_view_membership(&membership, pg, &other, &ada, &err));
    assert_int_equal(membership, CONVERSATION_NONE);
}

static void a_deleted_sender_is_told_from_an_unknown_one(void **state)
{
    (void)state;
    history_user(&history, user(1), "ada", "Ada");
    history_user(&history, user(2), "bob", "Bob");
    history_rename(&history, user(1), "", "Countess");
    history_user_gone(&history, user(2));
    given("message_sender_cache");
    struct sender *senders;
    const struct uuid ids[] = {user(3), user(2), user(1)};
    must(message_sender_cache_get(&senders, pg, ids, 3, arena, &err));
    assert_int_equal(senders[0].state, SENDER_UNKNOWN);
    assert_int_equal(senders[1].state, SENDER_GONE);
    assert_string_equal(senders[1].handle, "");
    assert_int_equal(senders[2].state, SENDER_KNOWN);
    assert_string_equal(senders[2].handle, "ada");
    assert_string_equal(senders[2].display_name, "Countess");
}

// ---- search -------------------------------------------------------------------------------------

static const char *users_found(const char *query)
{
    Nova__Search__V2__SearchUsersReply *reply;
    must(search_index_users(&reply, pg, query, NULL, arena, &err));
    const char *found = "";
    for (size_t i = 0; i < reply->n_users; i++)
        found = arena_printf(arena, "%s%s ", found, reply->users[i]->handle);
    return found;
}

static const char *posts_found(const char *query)
{
    Nova__Search__V2__SearchPostsReply *reply;
    must(search_index_posts(&reply, pg, query, NULL, arena, &err));
    const char *found = "";
    for (size_t i = 0; i < reply->n_posts; i++)
        found = arena_printf(arena, "%s%s|", found, reply->posts[i]->title);
    return found;
}

static void users_are_found_by_handle_name_beginning_and_almost(void **state)
{
    (void)state;
    history_user(&history, user(1), "katherine", "Katherine Johnson");
    history_user(&history, user(2), "kate", "Caf\xc3\xa9 Kate");
    history_user(&history, user(3), "grace_h", "Grace Hopper");
    history_user(&history, user(4), "o'brien", "\xd0\x9f\xd0\xa0\xd0\x98\xd0\x92\xd0\x95\xd0\xa2");
    given("search_index");
    assert_string_equal(users_found("kate"), "kate katherine ");
    assert_string_equal(users_found("@KAT"), "kate katherine ");
    assert_string_equal(users_found("johnson"), "katherine ");
    assert_string_equal(users_found("grace ho"), "grace_h ");
    assert_string_equal(users_found("cafe"), "kate ");
    assert_string_equal(users_found("kathrine"), "katherine ");
    assert_string_equal(users_found("\xd0\xbf\xd1\x80\xd0\xb8"), "o'brien "); // lower case
    assert_string_equal(users_found("o'b"), "o'brien ");
    assert_string_equal(users_found("nobody"), "");
    assert_string_equal(users_found(""), "");
    assert_string_equal(users_found("  "), "");
}

static void whatever_is_typed_is_text_and_never_syntax(void **state)
{
    (void)state;
    history_user(&history, user(1), "ada", "Ada");
    history_post(&history, post(1), user(1), "title", "text", NULL);
    given("search_index");
    static const char *const naughty[] = {"'",
                                          "''",
                                          "\\",
                                          "a'b",
                                          "a & b",
                                          "!",
                                          "(",
                                          ")",
                                          ":*",
                                          "'a':*",
                                          "<->",
                                          "%",
                                          "_",
                                          "\"",
                                          "\"a",
                                          "-",
                                          "-a",
                                          "or",
                                          "#",
                                          "##",
                                          "#\"",
                                          "@",
                                          "&|!",
                                          "\x01",
                                          "$1",
                                          "{}",
                                          "*",
                                          "a:*b",
                                          "\xf0\x9f\x98\x80",
                                          "\xe2\x80\x8d",
                                          "' OR 1=1 --"};
    for (size_t i = 0; i < sizeof naughty / sizeof *naughty; i++) {
        Nova__Search__V2__SearchAllReply *all;
        Nova__Search__V2__SuggestReply *suggested;
        must(search_index_all(&all, pg, naughty[i], 0, arena, &err));
        must(search_index_suggest(&suggested, pg, naughty[i], 0, arena, &err));
        assert_string_equal(suggested->prefix, naughty[i]);
    }
    Nova__Search__V2__SearchAllReply *all;
    assert_int_equal(search_index_all(&all, pg, "\xff", 0, arena, &err), NOVA_INVALID_ARGUMENT);
}

static void posts_are_found_by_words_phrases_and_hashtags(void **state)
{
    (void)state;
    history_post(&history, post(1), user(1), "Quantum gates", "A big cat sat. #Physics", "QC");
    history_post(&history, post(2), user(1), "Cats", "Quantum and big dogs, not a cat", NULL);
    history_post(&history, post(3), user(1),
                 "\xc3\x9c"
                 "ber caf\xc3\xa9s",
                 "#physics again; a#b and &#39; are none", NULL);
    given("search_index");
    assert_string_equal(posts_found("quantum"), "Quantum gates|Cats|"); // the title weighs more
    assert_string_equal(posts_found("\"big cat\""), "Quantum gates|");
    assert_string_equal(posts_found("quantum -dogs"), "Quantum gates|");
    assert_string_equal(posts_found("gates or dogs"), "Quantum gates|Cats|");
    assert_string_equal(posts_found("uber CAFES"), "\xc3\x9c"
                                                   "ber caf\xc3\xa9s|");
    assert_string_equal(posts_found("#qc"), "Quantum gates|");
    assert_string_equal(posts_found("#PHYSICS"), "\xc3\x9c"
                                                 "ber caf\xc3\xa9s|Quantum gates|");
    assert_string_equal(posts_found("#physics cat"), "Quantum gates|");
    assert_string_equal(posts_found("#b"), "");
    assert_string_equal(posts_found("nothing"), "");
}

static void a_headline_marks_the_words_found(void **state)
{
    (void)state;
    history_post(&history, post(1), user(1), "t", "There is a needle in this hay.", "tag");
    given("search_index");
    Nova__Search__V2__SearchPostsReply *reply;
    must(search_index_posts(&reply, pg, "needle", NULL, arena, &err));
    assert_non_null(strstr(reply->posts[0]->headline, "a **needle** in"));
    assert_string_equal(reply->posts[0]->tags[0], "tag");
}

static void pages_of_hits_hold_each_once(void **state)
{
    (void)state;
    enum { COUNT = 17 };
    for (uint32_t i = 0; i < COUNT; i++) {
        history_user(&history, user(i), arena_printf(arena, "user%u", i), "Same Name");
        history_post(&history, post(i), user(i), "same title", "", NULL);
        history.events[history.count - 1].event.occurred_at_us = HISTORY_FROM_US; // equal scores
    }
    given("search_index");
    const char *token = "";
    size_t seen = 0;
    do {
        Nova__Search__V2__SearchPostsReply *reply;
        must(search_index_posts(&reply, pg, "title", page(5, token), arena, &err));
        seen += reply->n_posts;
        token = reply->next_token;
    } while (token[0] != '\0');
    assert_int_equal(seen, COUNT);
    seen = 0;
    do {
        Nova__Search__V2__SearchUsersReply *reply;
        must(search_index_users(&reply, pg, "same", page(5, token), arena, &err));
        seen += reply->n_users;
        token = reply->next_token;
    } while (token[0] != '\0');
    assert_int_equal(seen, COUNT);
}

static void hashtags_are_counted_by_posts(void **state)
{
    (void)state;
    history_post(&history, post(1), user(1), "t", "#cat #dog", NULL);
    history_post(&history, post(2), user(1), "t", "#Cat and #cat", NULL);
    history_post(&history, post(3), user(1), "t", "#cattle", NULL);
    history_post_update(&history, post(1), user(1), "t", "#cat #bird");
    history_post(&history, post(4), user(1), "t", "#gone", NULL);
    history_add(&history, "content", "post.deleted", post(4), NULL);
    given("search_index");
    Nova__Search__V2__SearchHashtagsReply *reply;
    must(search_index_hashtags(&reply, pg, "#CAT", 0, arena, &err));
    assert_int_equal(reply->n_hashtags, 2);
    assert_string_equal(reply->hashtags[0]->tag, "cat");
    assert_int_equal(reply->hashtags[0]->post_count, 2);
    assert_string_equal(reply->hashtags[1]->tag, "cattle");
    must(search_index_hashtags(&reply, pg, "", 0, arena, &err));
    assert_int_equal(reply->n_hashtags, 3); // dog and gone are not used any more
    assert_int_equal(search_index_hashtags(&reply, pg, "", 101, arena, &err),
                     NOVA_INVALID_ARGUMENT);
}

static void a_tag_that_is_too_long_is_nobodys_and_not_everybodys(void **state)
{
    (void)state;
    history_post(&history, post(1), user(1), "t", "#cat", NULL);
    given("search_index");
    Nova__Search__V2__SearchHashtagsReply *reply;
    char *plain = arena_alloc(arena, TEXT_TAG_BYTES_MAX + 3);
    memset(plain, 'x', TEXT_TAG_BYTES_MAX + 2);
    plain[0] = '#';
    // The second has 12 bytes, and 132 when it is folded.
    const char *const long_ones[] = {plain, "#\xef\xb7\xba\xef\xb7\xba\xef\xb7\xba\xef\xb7\xba"};
    for (int i = 0; i < 2; i++) {
        must(search_index_hashtags(&reply, pg, long_ones[i], 0, arena, &err));
        assert_int_equal(reply->n_hashtags, 0);
        assert_string_equal(posts_found(arena_printf(arena, "t %s", long_ones[i])), "");
    }
    must(search_index_hashtags(&reply, pg, "#", 0, arena, &err));
    assert_int_equal(reply->n_hashtags, 1);
}

static void a_name_of_many_words_is_asked_for_by_its_first_ones(void **state)
{
    (void)state;
    history_user(&history, user(1), "ada", "Ada Lovelace");
    given("search_index");
    Nova__Search__V2__SearchUsersReply *reply;
    char *query = arena_alloc(arena, 501);
    for (int i = 0; i < 500; i += 2)
        memcpy(query + i, "a ", 2);
    must(search_index_users(&reply, pg, query, NULL, arena, &err));
    assert_int_equal(reply->n_users, 1); // every word begins Ada's name
    must(search_index_users(&reply, pg, "ada love", NULL, arena, &err));
    assert_int_equal(reply->n_users, 1);
    must(search_index_users(&reply, pg, "' & \\ ' love", NULL, arena, &err));
    assert_int_equal(reply->n_users, 1);
}

static void suggestions_complete_the_last_word(void **state)
{
    (void)state;
    history_user(&history, user(1), "quentin", "Q");
    history_post(&history, post(1), user(1), "Quantum computing", "#quasar", NULL);
    history_post(&history, post(2), user(1), "Quantum cats", "", NULL);
    given("search_index");
    Nova__Search__V2__SuggestReply *reply;
    must(search_index_suggest(&reply, pg, "all Qu", 0, arena, &err));
    assert_int_equal(reply->n_suggestions, 3);
    assert_string_equal(reply->suggestions[0], "all quantum");
    assert_string_equal(reply->suggestions[1], "all #quasar");
    assert_string_equal(reply->suggestions[2], "all @quentin");
    must(search_index_suggest(&reply, pg, "#q", 0, arena, &err));
    assert_int_equal(reply->n_suggestions, 1);
    must(search_index_suggest(&reply, pg, "@q", 1, arena, &err));
    assert_string_equal(reply->suggestions[0], "@quentin");
    must(search_index_suggest(&reply, pg, "qu", 1, arena, &err));
    assert_int_equal(reply->n_suggestions, 1);
}

static void everything_of_a_query_comes_at_once_and_is_counted(void **state)
{
    (void)state;
    history_user(&history, user(1), "cat", "Cat");
    history_post(&history, post(1), user(1), "cat", "#cat", NULL);
    given("search_index");
    Nova__Search__V2__SearchAllReply *all;
    Nova__Search__V2__GetIndexStatsReply *stats;
    must(search_index_all(&all, pg, "cat", 0, arena, &err));
    assert_int_equal(all->n_users, 1);
    assert_int_equal(all->n_posts, 1);
    assert_int_equal(all->n_hashtags, 1);
    must(search_index_stats(&stats, pg, arena, &err));
    assert_int_equal(stats->users, 1);
    assert_int_equal(stats->posts, 1);
    assert_int_equal(stats->hashtags, 1);
    assert_int_equal(stats->generation, 1);
}

static void words_of_any_length_do_not_stop_the_index(void **state)
{
    (void)state;
    char *word = arena_alloc(arena, 65537), *tags = arena_alloc(arena, 65537);
    memset(word, 'x', 65536);
    for (size_t i = 0; i + 8 < 65536; i += 8) // thousands of tags
        memcpy(tags + i, arena_printf(arena, "#t%05zu ", i / 8), 8);
    history_post(&history, post(1), user(1), "long", word, NULL);
    history_post(&history, post(2), user(1), "tags", tags, NULL);
    given("search_index");
    assert_string_equal(posts_found("long"), "long|");
    assert_string_equal(posts_found("#t00000"), "tags|");
}

// ---- read your own writes -----------------------------------------------------------------------

static int64_t in_ms(int64_t ms)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + ms) * 1000;
}

static void a_query_waits_for_its_position_until_its_deadline(void **state)
{
    (void)state;
    static const char name[] = "search/search_index";
    must(pg_exec(pg, "RESET ROLE; DELETE FROM search.checkpoint", &err));
    assert_int_equal(projection_wait(pg, "search", name, "identity", 1, in_ms(30), &err),
                     NOVA_DEADLINE_EXCEEDED); // not even started
    assert_true(err.transient);
    must(pg_exec(pg,
                 "INSERT INTO search.checkpoint VALUES ('search/search_index', 'identity',"
                 " gen_random_uuid(), 0, 63, 41, 9, 1); SET ROLE search_service",
                 &err));
    must(projection_wait(pg, "search", name, "identity", 41, in_ms(30), &err));
    assert_int_equal(projection_wait(pg, "search", name, "identity", 42, in_ms(30), &err),
                     NOVA_DEADLINE_EXCEEDED);
    assert_non_null(strstr(err.text, "41"));
    must(projection_wait(pg, "search", name, "communication", 42, in_ms(30), &err)); // not read
}

// ---- life ---------------------------------------------------------------------------------------

static int case_begin(void **state)
{
    (void)state;
    arena = arena_create();
    memset(&history, 0, sizeof history);
    history.arena = arena;
    return 0;
}

static int case_end(void **state)
{
    (void)state;
    arena_destroy(&arena);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    if (pg_connect(&pg, getenv("NOVA_TEST_PG"), "check_queries", &err) != NOVA_OK ||
        generation_install(pg, NULL, 0, &err) != NOVA_OK) {
        print_message("%s\n", err.text);
        return -1;
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pg_destroy(&pg);
    return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, case_begin, case_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(posts_come_in_the_order_asked_without_those_that_are_gone),
        CASE(an_updated_post_holds_the_last_content),
        CASE(comments_are_counted_directly_and_in_the_whole_thread),
        CASE(a_deleted_post_hides_its_comments),
        CASE(a_deleted_persons_posts_are_gone_and_their_comments_empty),
        CASE(pages_of_posts_hold_each_post_once_newest_first),
        CASE(pages_of_comments_go_from_old_to_new),
        CASE(a_token_that_is_none_of_the_list_is_refused),
        CASE(messages_come_in_order_with_their_senders_names),
        CASE(pages_of_messages_hold_each_once),
        CASE(unread_counts_others_messages_behind_the_mark),
        CASE(the_conversation_written_to_last_comes_first),
        CASE(who_belongs_to_a_conversation_is_known),
        CASE(a_deleted_sender_is_told_from_an_unknown_one),
        CASE(users_are_found_by_handle_name_beginning_and_almost),
        CASE(whatever_is_typed_is_text_and_never_syntax),
        CASE(posts_are_found_by_words_phrases_and_hashtags),
        CASE(a_headline_marks_the_words_found),
        CASE(pages_of_hits_hold_each_once),
        CASE(hashtags_are_counted_by_posts),
        CASE(a_tag_that_is_too_long_is_nobodys_and_not_everybodys),
        CASE(a_name_of_many_words_is_asked_for_by_its_first_ones),
        CASE(suggestions_complete_the_last_word),
        CASE(everything_of_a_query_comes_at_once_and_is_counted),
        CASE(words_of_any_length_do_not_stop_the_index),
        CASE(a_query_waits_for_its_position_until_its_deadline),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
