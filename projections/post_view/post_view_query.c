// post_view_query.c - see post_view_query.h.
#include "projections/post_view/post_view_query.h"

#include "projections/page.h"
#include "projections/reply.h"

// Before everything that ever happened here: 0001-01-01.
#define YEAR_ONE_US INT64_C(-62135596800000000)

#define POST_COLUMNS                                                                               \
    "p.post_id, p.author_id, p.author_handle, p.title, p.text, p.tags, p.created_at,"              \
    " p.updated_at, p.comment_count, p.thread_count, p.position"

static Nova__Content__V2__Post **posts_of(const struct pg_result *rows, size_t count,
                                          struct arena *arena)
{
    Nova__Content__V2__Post **posts = arena_alloc(arena, count * sizeof *posts);
    for (size_t row = 0; row < count; row++) {
        Nova__Content__V2__Post *post = posts[row] = arena_alloc(arena, sizeof *post);
        nova__content__v2__post__init(post);
        post->post_id = reply_id(arena, rows, row, 0);
        post->author_id = reply_id(arena, rows, row, 1);
        post->author_handle = reply_text(arena, rows, row, 2);
        post->title = reply_text(arena, rows, row, 3);
        post->text = reply_text(arena, rows, row, 4);
        post->n_tags = reply_texts(&post->tags, arena, rows, row, 5);
        post->created_at_us = pg_get_time_us(rows, row, 6);
        post->updated_at_us = reply_time_us(rows, row, 7);
        post->comment_count = (uint32_t)pg_get_int4(rows, row, 8);
        post->thread_count = (uint32_t)pg_get_int4(rows, row, 9);
    }
    return posts;
}

enum nova_status post_view_get(Nova__Content__V2__GetPostsReply **out, struct pg *pg,
                               const struct uuid *ids, size_t count, struct arena *arena,
                               struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_uuid_array(arena, ids, count)};
    enum nova_status status =
        pg_query(&rows, pg,
                 "SELECT " POST_COLUMNS " FROM unnest($1) WITH ORDINALITY AS u (post_id, place)"
                 " JOIN content.post_view p USING (post_id) ORDER BY u.place",
                 params, 1, err);
    if (status != NOVA_OK)
        return status;
    Nova__Content__V2__GetPostsReply *reply = arena_alloc(arena, sizeof *reply);
    nova__content__v2__get_posts_reply__init(reply);
    reply->n_posts = pg_rows(rows);
    reply->posts = posts_of(rows, reply->n_posts, arena);
    pg_result_destroy(&rows);
    *out = reply;
    return NOVA_OK;
}

// Where the next page of a list by (created_at, position) goes on.
static char *token_after(struct arena *arena, enum page_list list, const struct pg_result *rows,
                         size_t row, int created_at, int position)
{
    struct page_key last = {.first = pg_get_time_us(rows, row, created_at),
                            .second = pg_get_int8(rows, row, position)};
    return page_token(arena, list, &last);
}

enum nova_status post_view_by_author(Nova__Content__V2__ListPostsByAuthorReply **out, struct pg *pg,
                                     const struct uuid *author_id,
                                     const Nova__Common__V1__Page *page, struct arena *arena,
                                     struct error *err)
{
    struct page at;
    struct pg_result *rows = NULL;
    enum nova_status status = page_open(&at, PAGE_POSTS_BY_AUTHOR, page, err);
    if (status != NOVA_OK)
        return status;
    const struct pg_param params[] = {pg_uuid(author_id), pg_int4((int32_t)at.size + 1),
                                      pg_time_us(at.after.first), pg_int8(at.after.second)};
    static const char first[] = "SELECT " POST_COLUMNS " FROM content.post_view p"
                                " WHERE p.author_id = $1"
                                " ORDER BY p.created_at DESC, p.position DESC LIMIT $2";
    static const char further[] =
        "SELECT " POST_COLUMNS " FROM content.post_view p"
        " WHERE p.author_id = $1 AND (p.created_at, p.position) < ($3, $4)"
        " ORDER BY p.created_at DESC, p.position DESC LIMIT $2";
    status = pg_query(&rows, pg, at.continues ? further : first, params, at.continues ? 4 : 2, err);
    if (status != NOVA_OK)
        return status;
    Nova__Content__V2__ListPostsByAuthorReply *reply = arena_alloc(arena, sizeof *reply);
    nova__content__v2__list_posts_by_author_reply__init(reply);
    reply->n_posts = pg_rows(rows) < at.size ? pg_rows(rows) : at.size;
    reply->posts = posts_of(rows, reply->n_posts, arena);
    if (pg_rows(rows) > reply->n_posts)
        reply->next_token =
            token_after(arena, PAGE_POSTS_BY_AUTHOR, rows, reply->n_posts - 1, 6, 10);
    pg_result_destroy(&rows);
    *out = reply;
    return NOVA_OK;
}

static Nova__Content__V2__Comment **comments_of(const struct pg_result *rows, size_t count,
                                                struct arena *arena)
{
    Nova__Content__V2__Comment **comments = arena_alloc(arena, count * sizeof *comments);
    for (size_t row = 0; row < count; row++) {
        Nova__Content__V2__Comment *comment = comments[row] = arena_alloc(arena, sizeof *comment);
        nova__content__v2__comment__init(comment);
        comment->comment_id = reply_id(arena, rows, row, 0);
        comment->post_id = reply_id(arena, rows, row, 1);
        comment->parent_id = reply_id(arena, rows, row, 2);
        comment->author_id = reply_id(arena, rows, row, 3);
        comment->author_handle = reply_text(arena, rows, row, 4);
        comment->text = reply_text(arena, rows, row, 5);
        comment->created_at_us = pg_get_time_us(rows, row, 6);
        comment->updated_at_us = reply_time_us(rows, row, 7);
        comment->reply_count = (uint32_t)pg_get_int4(rows, row, 8);
    }
    return comments;
}

#define COMMENTS                                                                                   \
    "SELECT c.comment_id, c.post_id, c.parent_id, c.author_id, c.author_handle, c.text,"           \
    " c.created_at, c.updated_at, c.reply_count, c.position FROM content.comment_view c"           \
    " WHERE c.post_id = $1 AND (c.created_at, c.position) > ($3, $4)"
#define COMMENTS_ORDER " ORDER BY c.created_at, c.position LIMIT $2"

enum nova_status post_view_comments(Nova__Content__V2__ListCommentsReply **out, struct pg *pg,
                                    const struct uuid *post_id, const struct uuid *parent_id,
                                    const Nova__Common__V1__Page *page, struct arena *arena,
                                    struct error *err)
{
    struct page at;
    struct pg_result *rows = NULL;
    enum nova_status status = page_open(&at, PAGE_COMMENTS, page, err);
    if (status != NOVA_OK)
        return status;
    bool all = uuid_is_nil(parent_id);
    const struct pg_param params[] = {
        pg_uuid(post_id),
        pg_int4((int32_t)at.size + 1),
        pg_time_us(at.continues ? at.after.first : YEAR_ONE_US),
        pg_int8(at.after.second),
        pg_uuid(parent_id),
    };
    status = pg_query(
        &rows, pg, all ? COMMENTS COMMENTS_ORDER : COMMENTS " AND c.parent_id = $5" COMMENTS_ORDER,
        params, all ? 4 : 5, err);
    if (status != NOVA_OK)
        return status;
    Nova__Content__V2__ListCommentsReply *reply = arena_alloc(arena, sizeof *reply);
    nova__content__v2__list_comments_reply__init(reply);
    reply->n_comments = pg_rows(rows) < at.size ? pg_rows(rows) : at.size;
    reply->comments = comments_of(rows, reply->n_comments, arena);
    if (pg_rows(rows) > reply->n_comments)
        reply->next_token = token_after(arena, PAGE_COMMENTS, rows, reply->n_comments - 1, 6, 9);
    pg_result_destroy(&rows);
    *out = reply;
    return NOVA_OK;
}
