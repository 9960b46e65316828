// search_index.c - the projection that search reads: users by handle and name, posts by their
// words and hashtags, and how often a hashtag or a title's word is used.
//
// Terms are counted by difference: before posts change, what they hold is taken off; afterwards
// what they hold then is added. Two sources: a post that comes after its author's deletion meets
// the tombstone in `gone`, so either order ends the same.
#include "nova/content/v2/content.pb-c.h"
#include "projections/apply.h"
#include "projections/text.h"
#include "projections/users.h"

// ---- terms --------------------------------------------------------------------------------------

#define TERMS_OF(condition)                                                                        \
    "(SELECT kind, term, count(*) AS count FROM (SELECT 'hashtag' AS kind, unnest(hashtags) AS"    \
    " term FROM post WHERE " condition " UNION ALL SELECT 'word', unnest(title_words) FROM post"   \
    " WHERE " condition ") t GROUP BY kind, term)"
#define TERMS_TAKE_OFF(condition)                                                                  \
    "UPDATE term t SET post_count = t.post_count - u.count FROM " TERMS_OF(                        \
        condition) " u"                                                                            \
                   " WHERE t.kind = u.kind AND t.term = u.term"
#define TERMS_DROP_UNUSED(condition)                                                               \
    "DELETE FROM term t USING " TERMS_OF(                                                          \
        condition) " u"                                                                            \
                   " WHERE t.kind = u.kind AND t.term = u.term AND t.post_count = 0"
#define TERMS_ADD(condition)                                                                       \
    "INSERT INTO term AS t (kind, term, post_count) SELECT * FROM " TERMS_OF(                      \
        condition) " u"                                                                            \
                   " ON CONFLICT (kind, term) DO UPDATE SET post_count = t.post_count + "          \
                   "excluded.post_count"

// Takes posts out: those of $1.
#define POSTS_TAKE_OUT(condition)                                                                  \
    TERMS_TAKE_OFF(condition), TERMS_DROP_UNUSED(condition), "DELETE FROM post WHERE " condition

// ---- posts --------------------------------------------------------------------------------------

struct posts {
    size_t count;
    struct uuid *ids, *authors;
    const char **titles, **texts, **tags, **hashtags, **title_words, **text_words, **tag_words;
    int64_t *times_us;
};

static void posts_create(struct posts *posts, struct arena *arena, size_t count_max)
{
    posts->count = 0;
    posts->ids = arena_alloc(arena, count_max * sizeof *posts->ids);
    posts->authors = arena_alloc(arena, count_max * sizeof *posts->authors);
    posts->titles = arena_alloc(arena, count_max * sizeof *posts->titles);
    posts->texts = arena_alloc(arena, count_max * sizeof *posts->texts);
    posts->tags = arena_alloc(arena, count_max * sizeof *posts->tags);
    posts->hashtags = arena_alloc(arena, count_max * sizeof *posts->hashtags);
    posts->title_words = arena_alloc(arena, count_max * sizeof *posts->title_words);
    posts->text_words = arena_alloc(arena, count_max * sizeof *posts->text_words);
    posts->tag_words = arena_alloc(arena, count_max * sizeof *posts->tag_words);
    posts->times_us = arena_alloc(arena, count_max * sizeof *posts->times_us);
}

static enum nova_status posts_add(struct posts *posts, struct arena *arena,
                                  const struct inbox_event *event, const char *title,
                                  const char *text, char *const *tags, size_t tag_count,
                                  struct error *err)
{
    size_t row = posts->count, hashtag_count;
    const char *const *hashtags, *const *given = (const char *const *)tags;
    posts->title_words[row] = text_words(arena, title);
    posts->text_words[row] = text_words(arena, text);
    if (!posts->title_words[row] || !posts->text_words[row] ||
        !text_tags(&hashtags, &hashtag_count, arena, given, tag_count, title, text))
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s: its text is not UTF-8",
                         event->type->type);
    posts->ids[row] = event->event.aggregate_id;
    posts->titles[row] = title;
    posts->texts[row] = text;
    posts->tags[row] = text_array(arena, given, tag_count);
    posts->hashtags[row] = text_array(arena, hashtags, hashtag_count);
    posts->tag_words[row] = text_words(arena, posts->hashtags[row]); // its signs are no words
    posts->times_us[row] = event->event.occurred_at_us;
    posts->count++;
    return NOVA_OK;
}

// What a row holds of a post. title_words: a suggestion has two characters and is no book.
#define POST_WORDS                                                                                 \
    "setweight(to_tsvector('search.words', u.title_words), 'A')"                                   \
    " || setweight(to_tsvector('search.words', u.tag_words), 'B')"                                 \
    " || setweight(to_tsvector('search.words', u.text_words), 'D')"
#define POST_TITLE_WORDS                                                                           \
    "ARRAY(SELECT w FROM unnest(tsvector_to_array(to_tsvector('search.words', u.title_words)))"    \
    " AS w WHERE length(w) BETWEEN 2 AND 64)"

static const char sql_add_posts[] =
    "INSERT INTO post (post_id, author_id, title, text, tags, hashtags, title_words, words,"
    " created_at)"
    " SELECT u.id, u.author_id, u.title, u.text, u.tags::text[], "
    "u.hashtags::text[]," POST_TITLE_WORDS ", " POST_WORDS
    ", u.at FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
    " AS u (id, title, text, tags, hashtags, title_words, text_words, tag_words, at, author_id)"
    " WHERE NOT EXISTS (SELECT FROM gone g WHERE g.user_id = u.author_id)";

static const char sql_change_posts[] =
    "UPDATE post p SET title = u.title, text = u.text, tags = u.tags::text[],"
    " hashtags = u.hashtags::text[], title_words = " POST_TITLE_WORDS ", words = " POST_WORDS
    " FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)"
    " AS u (id, title, text, tags, hashtags, title_words, text_words, tag_words)"
    " WHERE p.post_id = u.id";

// Runs `sql` with as many of the columns as it takes.
static enum nova_status posts_run(const struct posts *posts, const char *sql, size_t param_count,
                                  struct arena *arena, struct pg *pg, struct error *err)
{
    size_t count = posts->count;
    const struct pg_param params[] = {
        pg_uuid_array(arena, posts->ids, count),
        pg_text_array(arena, posts->titles, count),
        pg_text_array(arena, posts->texts, count),
        pg_text_array(arena, posts->tags, count),
        pg_text_array(arena, posts->hashtags, count),
        pg_text_array(arena, posts->title_words, count),
        pg_text_array(arena, posts->text_words, count),
        pg_text_array(arena, posts->tag_words, count),
        pg_time_us_array(arena, posts->times_us, count),
        pg_uuid_array(arena, posts->authors, count),
    };
    return pg_query(NULL, pg, sql, params, param_count, err);
}

static const char *const count_terms[] = {TERMS_ADD("post_id = ANY($1)")};
static const char *const uncount_terms[] = {TERMS_TAKE_OFF("post_id = ANY($1)"),
                                            TERMS_DROP_UNUSED("post_id = ANY($1)")};
static const char *const take_out_posts[] = {POSTS_TAKE_OUT("post_id = ANY($1)")};

static enum nova_status apply_created(struct inbox_batch *batch, struct pg *pg, struct error *err)
{
    const struct inbox_event *const *events;
    size_t count = inbox_batch_of(&events, batch, "post.created");
    struct posts posts;
    posts_create(&posts, batch->arena, count);
    for (size_t i = 0; i < count; i++) {
        const Nova__Content__V2__PostCreated *created = (const void *)events[i]->payload;
        const Nova__Content__V2__PostCreatedPersonal *personal = (const void *)events[i]->personal;
        if (!personal)
            continue; // erased: there is nothing to find
        enum nova_status status = inbox_event_id(&posts.authors[posts.count], events[i],
                                                 "author_id", created->author_id, false, err);
        if (status == NOVA_OK)
            status = posts_add(&posts, batch->arena, events[i], personal->title, personal->text,
                               personal->tags, personal->n_tags, err);
        if (status != NOVA_OK)
            return status;
    }
    if (posts.count == 0)
        return NOVA_OK;
    enum nova_status status = posts_run(&posts, sql_add_posts, 10, batch->arena, pg, err);
    return status == NOVA_OK
               ? apply_to_ids(count_terms, 1, posts.ids, posts.count, batch->arena, pg, err)
               : status;
}

static enum nova_status apply_updated(struct inbox_batch *batch, struct pg *pg, struct error *err)
{
    const struct inbox_event *const *events;
    size_t count = inbox_batch_last_of(&events, batch, "post.updated"), erased_count = 0;
    struct uuid *erased = arena_alloc(batch->arena, count * sizeof *erased);
    struct posts posts;
    enum nova_status status = NOVA_OK;
    posts_create(&posts, batch->arena, count);
    for (size_t i = 0; i < count && status == NOVA_OK; i++) {
        const Nova__Content__V2__PostUpdatedPersonal *personal = (const void *)events[i]->personal;
        if (personal)
            status = posts_add(&posts, batch->arena, events[i], personal->title, personal->text,
                               personal->tags, personal->n_tags, err);
        else
            erased[erased_count++] = events[i]->event.aggregate_id;
    }
    if (status == NOVA_OK)
        status = apply_to_ids(take_out_posts, 3, erased, erased_count, batch->arena, pg, err);
    if (status == NOVA_OK)
        status = apply_to_ids(uncount_terms, 2, posts.ids, posts.count, batch->arena, pg, err);
    if (status == NOVA_OK && posts.count > 0)
        status = posts_run(&posts, sql_change_posts, 8, batch->arena, pg, err);
    if (status == NOVA_OK)
        status = apply_to_ids(count_terms, 1, posts.ids, posts.count, batch->arena, pg, err);
    return status;
}

static enum nova_status apply_content(struct inbox_batch *batch, struct pg *pg, struct error *err)
{
    const struct uuid *deleted;
    size_t deleted_count = inbox_batch_aggregates(&deleted, batch, "post.deleted");
    enum nova_status status = apply_created(batch, pg, err);
    if (status == NOVA_OK)
        status = apply_updated(batch, pg, err);
    if (status == NOVA_OK)
        status = apply_to_ids(take_out_posts, 3, deleted, deleted_count, batch->arena, pg, err);
    return status;
}

// ---- users --------------------------------------------------------------------------------------

static const char sql_add_users[] =
    "INSERT INTO person (user_id, handle, display_name, handle_folded, name_folded, words)"
    " SELECT u.id, u.handle, u.name, search.unaccent(u.handle_folded),"
    " search.unaccent(u.name_folded), to_tsvector('search.words', u.name_words)"
    " FROM unnest($1, $2, $3, $4, $5, $6)"
    " AS u (id, handle, name, handle_folded, name_folded, name_words)"
    " WHERE u.handle IS NOT NULL"; // erased: there is nothing to find

static const char sql_change_users[] =
    "UPDATE person p SET handle = COALESCE(NULLIF(u.handle, ''), p.handle),"
    " display_name = COALESCE(NULLIF(u.name, ''), p.display_name),"
    " handle_folded = CASE WHEN u.handle = '' THEN p.handle_folded"
    " ELSE search.unaccent(u.handle_folded) END,"
    " name_folded = CASE WHEN u.name = '' THEN p.name_folded"
    " ELSE search.unaccent(u.name_folded) END,"
    " words = CASE WHEN u.name = '' THEN p.words"
    " ELSE to_tsvector('search.words', u.name_words) END"
    " FROM unnest($1, $2, $3, $4, $5, $6)"
    " AS u (id, handle, name, handle_folded, name_folded, name_words)"
    " WHERE p.user_id = u.id";

static enum nova_status apply_users(const struct user_columns *users, const char *sql,
                                    struct arena *arena, struct pg *pg, struct error *err)
{
    const char **handles = arena_alloc(arena, users->count * sizeof *handles);
    const char **names = arena_alloc(arena, users->count * sizeof *names);
    const char **words = arena_alloc(arena, users->count * sizeof *words);
    if (users->count == 0)
        return NOVA_OK;
    for (size_t i = 0; i < users->count; i++) {
        bool erased = !users->handles[i] || !users->names[i];
        handles[i] = erased ? NULL : text_fold(arena, users->handles[i]);
        names[i] = erased ? NULL : text_fold(arena, users->names[i]);
        words[i] = erased ? NULL : text_words(arena, users->names[i]);
        if (!erased && (!handles[i] || !names[i]))
            return error_set(err, NOVA_INVALID_ARGUMENT, "a user's name is not UTF-8");
    }
    const struct pg_param params[] = {
        pg_uuid_array(arena, users->ids, users->count),
        pg_text_array(arena, users->handles, users->count),
        pg_text_array(arena, users->names, users->count),
        pg_text_array(arena, handles, users->count),
        pg_text_array(arena, names, users->count),
        pg_text_array(arena, words, users->count),
    };
    return pg_query(NULL, pg, sql, params, 6, err);
}

static enum nova_status apply_identity(struct inbox_batch *batch, struct pg *pg, struct error *err)
{
    static const char *const deletions[] = {
        "INSERT INTO gone (user_id) SELECT * FROM unnest($1)",
        "DELETE FROM person WHERE user_id = ANY($1)",
        POSTS_TAKE_OUT("author_id = ANY($1)"),
    };
    struct user_changes users;
    users_of_batch(&users, batch);
    enum nova_status status = apply_users(&users.created, sql_add_users, batch->arena, pg, err);
    if (status == NOVA_OK)
        status = apply_users(&users.updated, sql_change_users, batch->arena, pg, err);
    if (status == NOVA_OK)
        status = apply_to_ids(deletions, sizeof deletions / sizeof *deletions, users.deleted,
                              users.deleted_count, batch->arena, pg, err);
    return status;
}

const struct inbox_consumer consumer_search_search_index = {
    .name = "search/search_index",
    .service = "search",
    .kind = INBOX_PROJECTION,
    .projection = "search_index",
    .forgets = "user.deleted",
    .sources = {{"identity", {USER_EVENTS}, apply_identity, INBOX_UNKNOWN_SKIP},
                {"content",
                 {"post.created", "post.updated", "post.deleted"},
                 apply_content,
                 INBOX_UNKNOWN_SKIP}},
};
