// content.c - the content service: commands by the aggregates' rules alone, queries on post_view.
#include "aggregates/content/content.h"
#include "nova/content/v2/content.pb-c.h"
#include "projections/post_view/post_view_query.h"
#include "services/service.h"

static enum nova_status content_posts(Nova__Content__V2__GetPostsReply **out,
                                      struct service_worker *worker, struct service_call *call,
                                      char **texts, size_t count, struct error *err)
{
    struct uuid *ids = arena_alloc(call->request->arena, count * sizeof *ids);
    for (size_t i = 0; i < count; i++)
        ids[i] = id_parse(texts[i]);
    return post_view_get(out, worker->pg, ids, count, call->request->arena, err);
}

static enum nova_status content_get_post(struct service_worker *worker, struct service_call *call,
                                         struct error *err)
{
    const Nova__Content__V2__GetPostRequest *request = (const void *)call->request->message;
    Nova__Content__V2__GetPostsReply *found = NULL;
    char *ids[] = {request->post_id};
    enum nova_status status = content_posts(&found, worker, call, ids, 1, err);
    if (status == NOVA_OK && found->n_posts == 0)
        status = error_set(err, NOVA_NOT_FOUND, "POST_UNKNOWN: there is no such post");
    if (status != NOVA_OK)
        return status;
    Nova__Content__V2__GetPostReply *reply =
        message_new(call->request->arena, &nova__content__v2__get_post_reply__descriptor);
    reply->post = found->posts[0];
    call->request->reply = &reply->base;
    return NOVA_OK;
}

static enum nova_status content_get_posts(struct service_worker *worker, struct service_call *call,
                                          struct error *err)
{
    const Nova__Content__V2__GetPostsRequest *request = (const void *)call->request->message;
    Nova__Content__V2__GetPostsReply *reply = NULL;
    if (request->n_post_ids > POSTS_PER_CALL_MAX)
        return error_set(err, NOVA_INVALID_ARGUMENT, "post_ids has %zu ids, at most %d are allowed",
                         request->n_post_ids, POSTS_PER_CALL_MAX);
    enum nova_status status =
        content_posts(&reply, worker, call, request->post_ids, request->n_post_ids, err);
    if (status == NOVA_OK)
        call->request->reply = &reply->base;
    return status;
}

static enum nova_status content_list_by_author(struct service_worker *worker,
                                               struct service_call *call, struct error *err)
{
    const Nova__Content__V2__ListPostsByAuthorRequest *request =
        (const void *)call->request->message;
    Nova__Content__V2__ListPostsByAuthorReply *reply = NULL;
    struct uuid author;
    enum nova_status status = service_id(&author, "author_id", request->author_id, err);
    if (status == NOVA_OK)
        status = post_view_by_author(&reply, worker->pg, &author, request->page,
                                     call->request->arena, err);
    if (status == NOVA_OK)
        call->request->reply = &reply->base;
    return status;
}

static enum nova_status content_list_comments(struct service_worker *worker,
                                              struct service_call *call, struct error *err)
{
    const Nova__Content__V2__ListCommentsRequest *request = (const void *)call->request->message;
    Nova__Content__V2__ListCommentsReply *reply = NULL;
    struct uuid post, parent = id_parse(request->parent_id);
    enum nova_status status = service_id(&post, "post_id", request->post_id, err);
    if (status == NOVA_OK)
        status = post_view_comments(&reply, worker->pg, &post, &parent, request->page,
                                    call->request->arena, err);
    if (status == NOVA_OK)
        call->request->reply = &reply->base;
    return status;
}

#define POST_VIEW .consumers = {"content/post_view"}

static const struct service_query content_queries[] = {
    {.method = "GetPost", .answer = content_get_post, POST_VIEW},
    {.method = "GetPosts", .answer = content_get_posts, POST_VIEW},
    {.method = "ListPostsByAuthor", .answer = content_list_by_author, POST_VIEW},
    {.method = "ListComments", .answer = content_list_comments, POST_VIEW},
    {.method = "GetPersonKeys", .answer = service_get_person_keys, .urgent = true},
};

const struct service_type service_content = {
    .name = "content",
    .rules = content_rules,
    .rule_count = CONTENT_RULES_COUNT,
    .queries = content_queries,
    .query_count = sizeof content_queries / sizeof *content_queries,
};
