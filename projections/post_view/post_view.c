// post_view.c - the projection of posts and comments.
//
// Within a batch the types are applied in the order of a life: posts, their updates, comments,
// their updates, then deletions of comments and of posts. That is the events' own order wherever
// order matters. Two sources: what comes after its author's deletion meets the author's tombstone,
// so either order ends the same. Counts are taken from the rows when a post or comment arrives
// after what belongs below it, as happens when it was parked.
#include "nova/content/v2/content.pb-c.h"
#include "projections/apply.h"
#include "projections/columns.h"
#include "projections/users.h"

typedef Nova__Content__V2__PostCreated PostCreated;
typedef Nova__Content__V2__PostCreatedPersonal PostCreatedPersonal;
typedef Nova__Content__V2__PostUpdatedPersonal PostUpdatedPersonal;
typedef Nova__Content__V2__CommentCreated CommentCreated;
typedef Nova__Content__V2__CommentCreatedPersonal CommentCreatedPersonal;
typedef Nova__Content__V2__CommentUpdatedPersonal CommentUpdatedPersonal;

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
    struct columns created;
    struct pg_param authors;
    columns_of(&created, batch, "post.created");
    if (created.count == 0)
        return NOVA_OK;
    enum nova_status status =
        columns_uuids(&authors, &created, COLUMN(PostCreated, author_id), false, err);
    if (status != NOVA_OK)
        return status;
    const struct pg_param params[] = {
        columns_ids(&created),
        authors,
        columns_texts(&created, offsetof(PostCreatedPersonal, title)),
        columns_texts(&created, offsetof(PostCreatedPersonal, text)),
        columns_text_lists(&created, offsetof(PostCreatedPersonal, n_tags),
                           offsetof(PostCreatedPersonal, tags)),
        columns_times(&created),
        columns_positions(&created),
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
    struct columns updated;
    columns_last_of(&updated, batch, "post.updated");
    if (updated.count == 0)
        return NOVA_OK;
    const struct pg_param params[] = {
        columns_ids(&updated),
        columns_texts(&updated, offsetof(PostUpdatedPersonal, title)),
        columns_texts(&updated, offsetof(PostUpdatedPersonal, text)),
        columns_text_lists(&updated, offsetof(PostUpdatedPersonal, n_tags),
                           offsetof(PostUpdatedPersonal, tags)),
        columns_times(&updated),
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
    struct columns created;
    struct pg_param posts, parents, authors;
    columns_of(&created, batch, "comment.created");
    if (created.count == 0)
        return NOVA_OK;
    enum nova_status status =
        columns_uuids(&posts, &created, COLUMN(CommentCreated, post_id), false, err);
    if (status == NOVA_OK)
        status = columns_uuids(&parents, &created, COLUMN(CommentCreated, parent_id), true, err);
    if (status == NOVA_OK)
        status = columns_uuids(&authors, &created, COLUMN(CommentCreated, author_id), false, err);
    if (status != NOVA_OK)
        return status;
    const struct pg_param params[] = {
        columns_ids(&created),
        posts,
        parents,
        authors,
        columns_texts(&created, offsetof(CommentCreatedPersonal, text)),
        columns_times(&created),
        columns_positions(&created),
    };
    status = pg_query(NULL, pg, sql_comment, params, 7, err);
    if (status == NOVA_OK)
        status = pg_query(NULL, pg, sql_count_on_posts, &params[1], 2, err);
    return status == NOVA_OK ? pg_query(NULL, pg, sql_count_on_parents, &params[2], 1, err)
                             : status;
}

static enum nova_status apply_comment_updates(struct inbox_batch *batch, struct pg *pg,
                                              struct error *err)
{
    struct columns updated;
    columns_last_of(&updated, batch, "comment.updated");
    if (updated.count == 0)
        return NOVA_OK;
    const struct pg_param params[] = {
        columns_ids(&updated),
        columns_texts(&updated, offsetof(CommentUpdatedPersonal, text)),
        columns_times(&updated),
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
