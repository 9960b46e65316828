// post_view.c - the projection of posts and comments.
//
// Within a batch the types are applied in the order of a life: posts, their updates, comments,
// their updates, then deletions of comments and of posts. That is the events' own order wherever
// order matters. Two sources: what comes after its author's deletion meets the author's tombstone,
// so either order ends the same. Counts are taken from the rows when a post or comment arrives
// after what belongs below it, as happens when it was parked.
#include <string.h>

#include "nova/content/v2/content.pb-c.h"
#include "projections/apply.h"
#include "projections/text.h"
#include "projections/users.h"

// The texts of posts as columns; NULL title: erased.
struct post_columns {
    struct uuid *ids;
    const char **titles, **texts, **tags;
    int64_t *times_us;
};

static void post_columns_create(struct post_columns *out, struct arena *arena, size_t count)
{
    out->ids = arena_alloc(arena, count * sizeof *out->ids);
    out->titles = arena_alloc(arena, count * sizeof *out->titles);
    out->texts = arena_alloc(arena, count * sizeof *out->texts);
    out->tags = arena_alloc(arena, count * sizeof *out->tags);
    out->times_us = arena_alloc(arena, count * sizeof *out->times_us);
}

static void post_columns_set(struct post_columns *columns, size_t row, struct arena *arena,
                             const struct inbox_event *event, const char *title, const char *text,
                             char *const *tags, size_t tag_count)
{
    columns->ids[row] = event->event.aggregate_id;
    columns->titles[row] = title;
    columns->texts[row] = text;
    columns->tags[row] = text_array(arena, (const char *const *)tags, tag_count);
    columns->times_us[row] = event->event.occurred_at_us;
}

static const char sql_post[] =
    "INSERT INTO post (post_id, author_id, title, text, tags, created_at, position, erased,"
    " comment_count, thread_count)"
    " SELECT u.id, u.author_id, CASE WHEN NOT e.erased THEN u.title END,"
    " CASE WHEN NOT e.erased THEN u.text END, CASE WHEN NOT e.erased THEN u.tags::text[] END,"
    " u.at, u.position, e.erased,"
    " (SELECT count(*) FROM comment c WHERE c.post_id = u.id AND c.parent_id IS NULL AND NOT"
    " c.deleted), (SELECT count(*) FROM comment c WHERE c.post_id = u.id AND NOT c.deleted)"
    " FROM unnest($1, $2, $3, $4, $5, $6, $7)"
    " AS u (id, author_id, title, text, tags, at, position)"
    " LEFT JOIN author a ON a.author_id = u.author_id,"
    " LATERAL (SELECT u.title IS NULL OR COALESCE(a.gone, false) AS erased) e";

static enum nova_status apply_posts(struct inbox_batch *batch, struct pg *pg, struct error *err)
{
    const struct inbox_event *const *events;
    struct arena *arena = batch->arena;
    size_t count = inbox_batch_of(&events, batch, "post.created");
    struct post_columns posts;
    struct uuid *authors = arena_alloc(arena, count * sizeof *authors);
    int64_t *positions = arena_alloc(arena, count * sizeof *positions);
    if (count == 0)
        return NOVA_OK;
    post_columns_create(&posts, arena, count);
    for (size_t i = 0; i < count; i++) {
        const Nova__Content__V2__PostCreated *created = (const void *)events[i]->payload;
        const Nova__Content__V2__PostCreatedPersonal *personal = (const void *)events[i]->personal;
        if (personal)
            post_columns_set(&posts, i, arena, events[i], personal->title, personal->text,
                             personal->tags, personal->n_tags);
        else
            post_columns_set(&posts, i, arena, events[i], NULL, NULL, NULL, 0);
        positions[i] = events[i]->event.position;
        if (inbox_event_id(&authors[i], events[i], "author_id", created->author_id, false, err) !=
            NOVA_OK)
            return err->status;
    }
    const struct pg_param params[] = {
        pg_uuid_array(arena, posts.ids, count),    pg_uuid_array(arena, authors, count),
        pg_text_array(arena, posts.titles, count), pg_text_array(arena, posts.texts, count),
        pg_text_array(arena, posts.tags, count),   pg_time_us_array(arena, posts.times_us, count),
        pg_int8_array(arena, positions, count),
    };
    return pg_query(NULL, pg, sql_post, params, 7, err);
}

static const char sql_post_update[] =
    "UPDATE post p SET title = CASE WHEN NOT e.erased THEN u.title END,"
    " text = CASE WHEN NOT e.erased THEN u.text END,"
    " tags = CASE WHEN NOT e.erased THEN u.tags::text[] END, updated_at = u.at, erased = e.erased"
    " FROM unnest($1, $2, $3, $4, $5) AS u (id, title, text, tags, at)"
    " JOIN post o ON o.post_id = u.id, LATERAL (SELECT u.title IS NULL OR o.erased AS erased) e"
    " WHERE p.post_id = u.id";

static enum nova_status apply_post_updates(struct inbox_batch *batch, struct pg *pg,
                                           struct error *err)
{
    const struct inbox_event *const *events;
    struct arena *arena = batch->arena;
    size_t count = inbox_batch_last_of(&events, batch, "post.updated");
    struct post_columns posts;
    if (count == 0)
        return NOVA_OK;
    post_columns_create(&posts, arena, count);
    for (size_t i = 0; i < count; i++) {
        const Nova__Content__V2__PostUpdatedPersonal *personal = (const void *)events[i]->personal;
        if (personal)
            post_columns_set(&posts, i, arena, events[i], personal->title, personal->text,
                             personal->tags, personal->n_tags);
        else
            post_columns_set(&posts, i, arena, events[i], NULL, NULL, NULL, 0);
    }
    const struct pg_param params[] = {
        pg_uuid_array(arena, posts.ids, count),         pg_text_array(arena, posts.titles, count),
        pg_text_array(arena, posts.texts, count),       pg_text_array(arena, posts.tags, count),
        pg_time_us_array(arena, posts.times_us, count),
    };
    return pg_query(NULL, pg, sql_post_update, params, 5, err);
}

static const char sql_comment[] =
    "INSERT INTO comment (comment_id, post_id, parent_id, author_id, text, created_at, position,"
    " erased, reply_count)"
    " SELECT u.id, u.post_id, u.parent_id, u.author_id, CASE WHEN NOT e.erased THEN u.text END,"
    " u.at, u.position, e.erased,"
    " (SELECT count(*) FROM comment r WHERE r.parent_id = u.id AND NOT r.deleted)"
    " FROM (SELECT id, post_id, NULLIF(parent_id, '00000000-0000-0000-0000-000000000000') AS"
    " parent_id, author_id, text, at, position FROM unnest($1, $2, $3, $4, $5, $6, $7)"
    " AS i (id, post_id, parent_id, author_id, text, at, position)) u"
    " LEFT JOIN author a ON a.author_id = u.author_id,"
    " LATERAL (SELECT u.text IS NULL OR COALESCE(a.gone, false) AS erased) e";

// $1 and $2: the posts and parents (nil: the post) of new comments.
static const char sql_count_on_posts[] =
    "UPDATE post p SET comment_count = p.comment_count + u.direct,"
    " thread_count = p.thread_count + u.count"
    " FROM (SELECT post_id, count(*) AS count, count(*) FILTER (WHERE parent_id ="
    " '00000000-0000-0000-0000-000000000000') AS direct"
    " FROM unnest($1, $2) AS i (post_id, parent_id) GROUP BY post_id) u"
    " WHERE p.post_id = u.post_id";
static const char sql_count_on_parents[] =
    "UPDATE comment c SET reply_count = c.reply_count + u.count"
    " FROM (SELECT parent_id, count(*) AS count FROM unnest($1) AS i (parent_id) GROUP BY 1) u"
    " WHERE c.comment_id = u.parent_id";

static enum nova_status apply_comments(struct inbox_batch *batch, struct pg *pg, struct error *err)
{
    const struct inbox_event *const *events;
    struct arena *arena = batch->arena;
    size_t count = inbox_batch_of(&events, batch, "comment.created");
    struct uuid *ids = arena_alloc(arena, count * sizeof *ids);
    struct uuid *posts = arena_alloc(arena, count * sizeof *posts);
    struct uuid *parents = arena_alloc(arena, count * sizeof *parents);
    struct uuid *authors = arena_alloc(arena, count * sizeof *authors);
    const char **texts = arena_alloc(arena, count * sizeof *texts);
    int64_t *times_us = arena_alloc(arena, count * sizeof *times_us);
    int64_t *positions = arena_alloc(arena, count * sizeof *positions);
    if (count == 0)
        return NOVA_OK;
    for (size_t i = 0; i < count; i++) {
        const struct inbox_event *event = events[i];
        const Nova__Content__V2__CommentCreated *created = (const void *)event->payload;
        const Nova__Content__V2__CommentCreatedPersonal *personal = (const void *)event->personal;
        ids[i] = event->event.aggregate_id;
        texts[i] = personal ? personal->text : NULL;
        times_us[i] = event->event.occurred_at_us;
        positions[i] = event->event.position;
        enum nova_status status =
            inbox_event_id(&posts[i], event, "post_id", created->post_id, false, err);
        if (status == NOVA_OK)
            status = inbox_event_id(&parents[i], event, "parent_id", created->parent_id, true, err);
        if (status == NOVA_OK)
            status =
                inbox_event_id(&authors[i], event, "author_id", created->author_id, false, err);
        if (status != NOVA_OK)
            return status;
    }
    const struct pg_param params[] = {
        pg_uuid_array(arena, ids, count),       pg_uuid_array(arena, posts, count),
        pg_uuid_array(arena, parents, count),   pg_uuid_array(arena, authors, count),
        pg_text_array(arena, texts, count),     pg_time_us_array(arena, times_us, count),
        pg_int8_array(arena, positions, count),
    };
    enum nova_status status = pg_query(NULL, pg, sql_comment, params, 7, err);
    if (status == NOVA_OK)
        status = pg_query(NULL, pg, sql_count_on_posts, &params[1], 2, err);
    return status == NOVA_OK ? pg_query(NULL, pg, sql_count_on_parents, &params[2], 1, err)
                             : status;
}

static enum nova_status apply_comment_updates(struct inbox_batch *batch, struct pg *pg,
                                              struct error *err)
{
    const struct inbox_event *const *events;
    struct arena *arena = batch->arena;
    size_t count = inbox_batch_last_of(&events, batch, "comment.updated");
    struct uuid *ids = arena_alloc(arena, count * sizeof *ids);
    const char **texts = arena_alloc(arena, count * sizeof *texts);
    int64_t *times_us = arena_alloc(arena, count * sizeof *times_us);
    if (count == 0)
        return NOVA_OK;
    for (size_t i = 0; i < count; i++) {
        const Nova__Content__V2__CommentUpdatedPersonal *personal =
            (const void *)events[i]->personal;
        ids[i] = events[i]->event.aggregate_id;
        texts[i] = personal ? personal->text : NULL;
        times_us[i] = events[i]->event.occurred_at_us;
    }
    const struct pg_param params[] = {
        pg_uuid_array(arena, ids, count),
        pg_text_array(arena, texts, count),
        pg_time_us_array(arena, times_us, count),
    };
    return pg_query(NULL, pg,
                    "UPDATE comment c SET text = CASE WHEN NOT c.erased THEN u.text END,"
                    " erased = c.erased OR u.text IS NULL, updated_at = u.at"
                    " FROM unnest($1, $2, $3) AS u (id, text, at) WHERE c.comment_id = u.id",
                    params, 3, err);
}

static enum nova_status apply_comment_deletions(struct inbox_batch *batch, struct pg *pg,
                                                struct error *err)
{
    static const char *const statements[] = {
        "UPDATE post p SET comment_count = p.comment_count - u.direct,"
        " thread_count = p.thread_count - u.count"
        " FROM (SELECT post_id, count(*) AS count, count(*) FILTER (WHERE parent_id IS NULL) AS"
        " direct FROM comment WHERE comment_id = ANY($1) AND NOT deleted GROUP BY post_id) u"
        " WHERE p.post_id = u.post_id",
        "UPDATE comment c SET reply_count = c.reply_count - u.count"
        " FROM (SELECT parent_id, count(*) AS count FROM comment WHERE comment_id = ANY($1) AND NOT"
        " deleted AND parent_id IS NOT NULL GROUP BY 1) u WHERE c.comment_id = u.parent_id",
        "UPDATE comment SET deleted = true, text = NULL WHERE comment_id = ANY($1)",
    };
    const struct uuid *ids;
    size_t count = inbox_batch_aggregates(&ids, batch, "comment.deleted");
    return apply_to_ids(statements, 3, ids, count, batch->arena, pg, err);
}

static enum nova_status apply_post_deletions(struct inbox_batch *batch, struct pg *pg,
                                             struct error *err)
{
    static const char *const statements[] = {
        "UPDATE post SET deleted = true, title = NULL, text = NULL, tags = NULL"
        " WHERE post_id = ANY($1)",
    };
    const struct uuid *ids;
    size_t count = inbox_batch_aggregates(&ids, batch, "post.deleted");
    return apply_to_ids(statements, 1, ids, count, batch->arena, pg, err);
}

static enum nova_status apply_content(struct inbox_batch *batch, struct pg *pg, struct error *err)
{
    inbox_apply *const steps[] = {
        apply_posts,           apply_post_updates,      apply_comments,
        apply_comment_updates, apply_comment_deletions, apply_post_deletions};
    enum nova_status status = NOVA_OK;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && status == NOVA_OK; i++)
        status = steps[i](batch, pg, err);
    return status;
}

static enum nova_status apply_authors(const struct user_columns *users, const char *sql,
                                      struct arena *arena, struct pg *pg, struct error *err)
{
    const struct pg_param params[] = {pg_uuid_array(arena, users->ids, users->count),
                                      pg_text_array(arena, users->handles, users->count)};
    return users->count == 0 ? NOVA_OK : pg_query(NULL, pg, sql, params, 2, err);
}

static enum nova_status apply_identity(struct inbox_batch *batch, struct pg *pg, struct error *err)
{
    static const char *const deletions[] = {
        "INSERT INTO author (author_id, handle, gone) SELECT u, NULL, true FROM unnest($1) AS u"
        " ON CONFLICT (author_id) DO UPDATE SET handle = NULL, gone = true",
        "UPDATE post SET title = NULL, text = NULL, tags = NULL, erased = true"
        " WHERE author_id = ANY($1)",
        "UPDATE comment SET text = NULL, erased = true WHERE author_id = ANY($1)",
    };
    struct user_changes users;
    users_of_batch(&users, batch);
    enum nova_status status = apply_authors(
        &users.created, "INSERT INTO author (author_id, handle) SELECT * FROM unnest($1, $2)",
        batch->arena, pg, err);
    if (status == NOVA_OK)
        status = apply_authors(&users.updated,
                               "UPDATE author a SET handle = COALESCE(NULLIF(u.handle, ''),"
                               " a.handle) FROM unnest($1, $2) AS u (author_id, handle)"
                               " WHERE a.author_id = u.author_id",
                               batch->arena, pg, err);
    if (status == NOVA_OK)
        status =
            apply_to_ids(deletions, 3, users.deleted, users.deleted_count, batch->arena, pg, err);
    return status;
}

const struct inbox_consumer consumer_content_post_view = {
    .name = "content/post_view",
    .service = "content",
    .kind = INBOX_PROJECTION,
    .projection = "post_view",
    .forgets = "user.deleted",
    .sources = {{"content",
                 {"post.created", "post.updated", "post.deleted", "comment.created",
                  "comment.updated", "comment.deleted"},
                 apply_content,
                 INBOX_UNKNOWN_SKIP},
                {"identity", {USER_EVENTS}, apply_identity, INBOX_UNKNOWN_SKIP}},
};
