// search.c - the search service: queries on the search index. It has no commands and no outbox.
#include <string.h>

#include "nova/search/v2/search.pb-c.h"
#include "projections/search_index/search_index_query.h"
#include "services/service.h"

#define SEARCH_CALL(Request, Reply)                                                                \
    const Nova__Search__V2__##Request *request = (const void *)call->request->message;             \
    Nova__Search__V2__##Reply *reply = NULL;                                                       \
    struct arena *arena = call->request->arena

// What the contract allows a query or a prefix; a longer one is nothing that anybody typed, and
// work grows with it.
enum { SEARCH_TEXT_MAX = 500 };

static enum nova_status search_length(const char *field, const char *text, struct error *err)
{
    size_t len = strlen(text);
    return len <= SEARCH_TEXT_MAX
               ? NOVA_OK
               : error_set(err, NOVA_INVALID_ARGUMENT, "%s has %zu bytes, at most %d are allowed",
                           field, len, SEARCH_TEXT_MAX);
}

#define SEARCH_REPLY()                                                                             \
    if (status == NOVA_OK)                                                                         \
        call->request->reply = &reply->base;                                                       \
    return status

static enum nova_status search_users(struct service_worker *worker, struct service_call *call,
                                     struct error *err)
{
    SEARCH_CALL(SearchUsersRequest, SearchUsersReply);
    enum nova_status status = search_length("query", request->query, err);
    if (status == NOVA_OK)
        status = search_index_users(&reply, worker->pg, request->query, request->page, arena, err);
    SEARCH_REPLY();
}

static enum nova_status search_posts(struct service_worker *worker, struct service_call *call,
                                     struct error *err)
{
    SEARCH_CALL(SearchPostsRequest, SearchPostsReply);
    enum nova_status status = search_length("query", request->query, err);
    if (status == NOVA_OK)
        status = search_index_posts(&reply, worker->pg, request->query, request->page, arena, err);
    SEARCH_REPLY();
}

static enum nova_status search_all(struct service_worker *worker, struct service_call *call,
                                   struct error *err)
{
    SEARCH_CALL(SearchAllRequest, SearchAllReply);
    enum nova_status status = search_length("query", request->query, err);
    if (status == NOVA_OK)
        status = search_index_all(&reply, worker->pg, request->query, request->size, arena, err);
    SEARCH_REPLY();
}

static enum nova_status search_hashtags(struct service_worker *worker, struct service_call *call,
                                        struct error *err)
{
    SEARCH_CALL(SearchHashtagsRequest, SearchHashtagsReply);
    enum nova_status status = search_length("prefix", request->prefix, err);
    if (status == NOVA_OK)
        status =
            search_index_hashtags(&reply, worker->pg, request->prefix, request->size, arena, err);
    SEARCH_REPLY();
}

static enum nova_status search_suggest(struct service_worker *worker, struct service_call *call,
                                       struct error *err)
{
    SEARCH_CALL(SuggestRequest, SuggestReply);
    enum nova_status status = search_length("prefix", request->prefix, err);
    if (status == NOVA_OK)
        status =
            search_index_suggest(&reply, worker->pg, request->prefix, request->size, arena, err);
    SEARCH_REPLY();
}

static enum nova_status search_stats(struct service_worker *worker, struct service_call *call,
                                     struct error *err)
{
    SEARCH_CALL(GetIndexStatsRequest, GetIndexStatsReply);
    (void)request;
    enum nova_status status = search_index_stats(&reply, worker->pg, arena, err);
    SEARCH_REPLY();
}

#define SEARCH_INDEX .consumers = {"search/search_index"}

static const struct service_query search_queries[] = {
    {.method = "SearchUsers", .answer = search_users, SEARCH_INDEX},
    {.method = "SearchPosts", .answer = search_posts, SEARCH_INDEX},
    {.method = "SearchAll", .answer = search_all, SEARCH_INDEX},
    {.method = "SearchHashtags", .answer = search_hashtags, SEARCH_INDEX},
    {.method = "Suggest", .answer = search_suggest, SEARCH_INDEX},
    {.method = "GetIndexStats", .answer = search_stats, SEARCH_INDEX},
};

const struct service_type service_search = {
    .name = "search",
    .queries = search_queries,
    .query_count = sizeof search_queries / sizeof *search_queries,
};
