// search_index_query.c - see search_index_query.h.
#include "projections/search_index/search_index_query.h"

#include <math.h>
#include <string.h>

#include "projections/page.h"
#include "projections/reply.h"
#include "projections/text.h"

// Behind everything that begins with a prefix, in bytewise order.
#define LAST_CHARACTER "\xf4\x8f\xbf\xbf"

static enum nova_status not_utf8(struct error *err)
{
    return error_set(err, NOVA_INVALID_ARGUMENT, "the query is not UTF-8");
}

static enum nova_status size_of(uint32_t *out, uint32_t wanted, uint32_t otherwise, uint32_t most,
                                struct error *err)
{
    *out = wanted == 0 ? otherwise : wanted;
    if (*out > most)
        return error_set(err, NOVA_INVALID_ARGUMENT, "size is at most %u, not %u", most, wanted);
    return NOVA_OK;
}

static const char *trim(struct arena *arena, const char *text)
{
    text += strspn(text, " \t\r\n");
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\r\n", text[len - 1]))
        len--;
    return arena_printf(arena, "%.*s", (int)len, text);
}

// ---- users --------------------------------------------------------------------------------------

// More words than any name has; what is behind them does not count.
enum { QUERY_WORDS_MAX = 32 };

// Every word of a name, as a beginning: 'ada':* & 'lov':*. Quoted, so that whatever was typed is
// text and never tsquery's syntax.
static const char *prefix_query(struct arena *arena, const char *folded)
{
    static const char separators[] = " \t\r\n'\\";
    char *query = arena_alloc(arena, strlen(folded) + QUERY_WORDS_MAX * sizeof " & '':*" + 1);
    char *to = query;
    for (int words = 0; words < QUERY_WORDS_MAX; words++) {
        folded += strspn(folded, separators);
        size_t len = strcspn(folded, separators);
        if (len == 0)
            break;
        to = stpcpy(to, words > 0 ? " & '" : "'");
        to = mempcpy(to, folded, len);
        to = stpcpy(to, "':*");
        folded += len;
    }
    return query;
}

// $1 the query folded, $2 the end of its prefix, $3 its words as beginnings, $4 and $5 the last hit
// seen, $6 how many. Exact handle, exact name, handle's beginning, name's words, then likeness.
static const char sql_users[] =
    "SELECT user_id, handle, display_name, score FROM ("
    " SELECT p.user_id, p.handle, p.display_name, (CASE WHEN p.handle_folded = q.text THEN 8"
    " WHEN p.name_folded = q.text THEN 6"
    " WHEN p.handle_folded >= q.text AND p.handle_folded < q.text || $2 THEN 4"
    " WHEN p.words @@ q.words THEN 2 ELSE 0 END + GREATEST("
    " search.similarity(p.handle_folded, q.text), search.word_similarity(q.text, p.name_folded))"
    " )::float8 AS score"
    " FROM (SELECT search.unaccent($1) AS text, to_tsquery('search.words', $3) AS words) q,"
    " search.user_index p"
    " WHERE (p.handle_folded >= q.text AND p.handle_folded < q.text || $2) OR p.words @@ q.words"
    " OR p.handle_folded OPERATOR(search.%) q.text OR p.name_folded OPERATOR(search.%>) q.text) h"
    " WHERE (score, user_id) < ($4, $5) ORDER BY score DESC, user_id DESC LIMIT $6";

static enum nova_status users_find(Nova__Search__V2__UserHit ***out, size_t *count, char **token,
                                   struct pg *pg, const char *query, const struct page *at,
                                   struct arena *arena, struct error *err)
{
    struct pg_result *rows = NULL;
    struct uuid all = {
        {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}};
    query = trim(arena, query);
    const char *folded = text_fold(arena, query[0] == '@' ? query + 1 : query);
    *count = 0;
    *token = "";
    if (!folded)
        return not_utf8(err);
    if (folded[0] == '\0')
        return NOVA_OK;
    const struct pg_param params[] = {
        pg_text(folded),
        pg_text(LAST_CHARACTER),
        pg_text(prefix_query(arena, text_words(arena, folded))),
        pg_float8(at->continues ? at->after.score : INFINITY),
        pg_uuid(at->continues ? &at->after.id : &all),
        pg_int4((int32_t)at->size + 1),
    };
    enum nova_status status = pg_query(&rows, pg, sql_users, params, 6, err);
    if (status != NOVA_OK)
        return status;
    *count = pg_rows(rows) < at->size ? pg_rows(rows) : at->size;
    *out = arena_alloc(arena, *count * sizeof **out);
    for (size_t row = 0; row < *count; row++) {
        Nova__Search__V2__UserHit *hit = (*out)[row] = arena_alloc(arena, sizeof *hit);
        nova__search__v2__user_hit__init(hit);
        hit->user_id = reply_id(arena, rows, row, 0);
        hit->handle = reply_text(arena, rows, row, 1);
        hit->display_name = reply_text(arena, rows, row, 2);
        hit->score = pg_get_float8(rows, row, 3);
    }
    if (pg_rows(rows) > *count) {
        struct page_key last = {.score = pg_get_float8(rows, *count - 1, 3),
                                .id = pg_get_uuid(rows, *count - 1, 0)};
        *token = page_token(arena, PAGE_SEARCH_USERS, &last);
    }
    pg_result_destroy(&rows);
    return NOVA_OK;
}

enum nova_status search_index_users(Nova__Search__V2__SearchUsersReply **out, struct pg *pg,
                                    const char *query, const Nova__Common__V1__Page *page,
                                    struct arena *arena, struct error *err)
{
    struct page at;
    *out = arena_alloc(arena, sizeof **out);
    nova__search__v2__search_users_reply__init(*out);
    enum nova_status status = page_open(&at, PAGE_SEARCH_USERS, page, err);
    if (status != NOVA_OK)
        return status;
    return users_find(&(*out)->users, &(*out)->n_users, &(*out)->next_token, pg, query, &at, arena,
                      err);
}

// ---- posts --------------------------------------------------------------------------------------

struct post_query {
    const char *words; // what is left without the tags
    const char **tags;
    size_t tag_count;
    bool impossible; // a tag that no post can have
};

// Takes the #tags that stand outside of quotes out of the query.
static bool post_query_parse(struct post_query *out, struct arena *arena, const char *query)
{
    size_t len = strlen(query), words_len = 0;
    char *words = arena_alloc(arena, len + 1);
    bool quoted = false, at_word = true;
    *out = (struct post_query){.tags = arena_alloc(arena, TEXT_TAGS_MAX * sizeof *out->tags)};
    for (size_t i = 0; i < len; i++) {
        if (query[i] == '#' && !quoted && at_word && out->tag_count < TEXT_TAGS_MAX) {
            size_t end = i + strcspn(query + i, " \t\r\n\"");
            const char *tag = arena_printf(arena, "%.*s", (int)(end - i), query + i);
            if (!(tag = text_tag(arena, tag)))
                return false;
            if (tag[0] != '\0')
                out->tags[out->tag_count++] = tag;
            else
                out->impossible |= end > i + 1;
            i = end - 1;
            continue;
        }
        quoted ^= query[i] == '"';
        at_word = strchr(" \t\r\n\"", query[i]) != NULL;
        words[words_len++] = query[i];
    }
    out->words = text_words(arena, words);
    return out->words != NULL;
}

// The newer of two equal hits comes first: a year is worth 0.0003.
#define POSTS_OF(condition)                                                                        \
    "SELECT h.post_id, h.author_id, h.title, ts_headline('search.words', h.text, q,"               \
    " 'StartSel=**, StopSel=**, MinWords=12, MaxWords=35'), h.tags, h.created_at, h.score"         \
    " FROM websearch_to_tsquery('search.words', $1) q, LATERAL (SELECT * FROM (SELECT p.*,"        \
    " ts_rank_cd(p.words, q)::float8 + extract(epoch FROM p.created_at)::float8 / 1e11 AS score"   \
    " FROM search.post_index p WHERE " condition ") s WHERE (score, post_id) < ($2, $3)"           \
    " ORDER BY score DESC, post_id DESC LIMIT $4) h ORDER BY h.score DESC, h.post_id DESC"
static const char sql_posts_by_words[] = POSTS_OF("p.words @@ q");
static const char sql_posts_by_tags[] =
    POSTS_OF("p.hashtags @> $5 AND (numnode(q) = 0 OR p.words @@ q)");

static enum nova_status posts_find(Nova__Search__V2__PostHit ***out, size_t *count, char **token,
                                   struct pg *pg, const char *query, const struct page *at,
                                   struct arena *arena, struct error *err)
{
    struct post_query parsed;
    struct pg_result *rows = NULL;
    struct uuid all = {
        {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}};
    *count = 0;
    *token = "";
    if (!post_query_parse(&parsed, arena, query))
        return not_utf8(err);
    if (parsed.impossible)
        return NOVA_OK;
    const struct pg_param params[] = {
        pg_text(parsed.words),
        pg_float8(at->continues ? at->after.score : INFINITY),
        pg_uuid(at->continues ? &at->after.id : &all),
        pg_int4((int32_t)at->size + 1),
        pg_text_array(arena, parsed.tags, parsed.tag_count),
    };
    bool by_tags = parsed.tag_count > 0;
    enum nova_status status = pg_query(&rows, pg, by_tags ? sql_posts_by_tags : sql_posts_by_words,
                                       params, by_tags ? 5 : 4, err);
    if (status != NOVA_OK)
        return status;
    *count = pg_rows(rows) < at->size ? pg_rows(rows) : at->size;
    *out = arena_alloc(arena, *count * sizeof **out);
    for (size_t row = 0; row < *count; row++) {
        Nova__Search__V2__PostHit *hit = (*out)[row] = arena_alloc(arena, sizeof *hit);
        nova__search__v2__post_hit__init(hit);
        hit->post_id = reply_id(arena, rows, row, 0);
        hit->author_id = reply_id(arena, rows, row, 1);
        hit->title = reply_text(arena, rows, row, 2);
        hit->headline = reply_text(arena, rows, row, 3);
        hit->n_tags = reply_texts(&hit->tags, arena, rows, row, 4);
        hit->created_at_us = pg_get_time_us(rows, row, 5);
        hit->score = pg_get_float8(rows, row, 6);
    }
    if (pg_rows(rows) > *count) {
        struct page_key last = {.score = pg_get_float8(rows, *count - 1, 6),
                                .id = pg_get_uuid(rows, *count - 1, 0)};
        *token = page_token(arena, PAGE_SEARCH_POSTS, &last);
    }
    pg_result_destroy(&rows);
    return NOVA_OK;
}

enum nova_status search_index_posts(Nova__Search__V2__SearchPostsReply **out, struct pg *pg,
                                    const char *query, const Nova__Common__V1__Page *page,
                                    struct arena *arena, struct error *err)
{
    struct page at;
    *out = arena_alloc(arena, sizeof **out);
    nova__search__v2__search_posts_reply__init(*out);
    enum nova_status status = page_open(&at, PAGE_SEARCH_POSTS, page, err);
    if (status != NOVA_OK)
        return status;
    return posts_find(&(*out)->posts, &(*out)->n_posts, &(*out)->next_token, pg, query, &at, arena,
                      err);
}

// ---- hashtags and suggestions -------------------------------------------------------------------

static enum nova_status hashtags_find(Nova__Search__V2__HashtagHit ***out, size_t *count,
                                      struct pg *pg, const char *prefix, uint32_t size,
                                      struct arena *arena, struct error *err)
{
    struct pg_result *rows = NULL;
    prefix = trim(arena, prefix);
    const char *tag = text_tag(arena, prefix);
    *count = 0;
    if (!tag)
        return not_utf8(err);
    // "" is the beginning of every tag; one that folds to "" because it is too long is of none.
    if (tag[0] == '\0' && prefix[prefix[0] == '#'] != '\0')
        return NOVA_OK;
    const struct pg_param params[] = {pg_text(tag), pg_text(LAST_CHARACTER),
                                      pg_int4((int32_t)size)};
    enum nova_status status =
        pg_query(&rows, pg,
                 "SELECT term, post_count FROM search.term_index WHERE kind = 'hashtag'"
                 " AND term >= $1 AND term < $1 || $2 ORDER BY post_count DESC, term LIMIT $3",
                 params, 3, err);
    if (status != NOVA_OK)
        return status;
    *count = pg_rows(rows);
    *out = arena_alloc(arena, *count * sizeof **out);
    for (size_t row = 0; row < *count; row++) {
        Nova__Search__V2__HashtagHit *hit = (*out)[row] = arena_alloc(arena, sizeof *hit);
        nova__search__v2__hashtag_hit__init(hit);
        hit->tag = reply_text(arena, rows, row, 0);
        hit->post_count = (uint32_t)pg_get_int4(rows, row, 1);
    }
    pg_result_destroy(&rows);
    return NOVA_OK;
}

enum nova_status search_index_hashtags(Nova__Search__V2__SearchHashtagsReply **out, struct pg *pg,
                                       const char *prefix, uint32_t size, struct arena *arena,
                                       struct error *err)
{
    *out = arena_alloc(arena, sizeof **out);
    nova__search__v2__search_hashtags_reply__init(*out);
    enum nova_status status = size_of(&size, size, 20, 100, err);
    if (status != NOVA_OK)
        return status;
    return hashtags_find(&(*out)->hashtags, &(*out)->n_hashtags, pg, prefix, size, arena, err);
}

enum nova_status search_index_all(Nova__Search__V2__SearchAllReply **out, struct pg *pg,
                                  const char *query, uint32_t size, struct arena *arena,
                                  struct error *err)
{
    char *token; // there is no second page
    struct page at = {0};
    Nova__Search__V2__SearchAllReply *reply = *out = arena_alloc(arena, sizeof *reply);
    nova__search__v2__search_all_reply__init(reply);
    enum nova_status status = size_of(&at.size, size, 5, PAGE_SIZE_MAX, err);
    if (status == NOVA_OK)
        status = users_find(&reply->users, &reply->n_users, &token, pg, query, &at, arena, err);
    if (status == NOVA_OK)
        status = posts_find(&reply->posts, &reply->n_posts, &token, pg, query, &at, arena, err);
    const char *tag = trim(arena, query);
    if (status == NOVA_OK && tag[tag[0] == '#'] != '\0')
        status = hashtags_find(&reply->hashtags, &reply->n_hashtags, pg, tag, at.size, arena, err);
    return status;
}

// Words of titles by use, then hashtags by use, then handles; a sign before the word asks for one
// kind only.
static const char sql_suggest[] =
    "SELECT text FROM ("
    "(SELECT term AS text, post_count, 1 AS kind FROM search.term_index WHERE kind = 'word' AND"
    " $3 = '' AND term >= search.unaccent($1) AND term < search.unaccent($1) || $2"
    " ORDER BY post_count DESC, term LIMIT $4) UNION ALL"
    "(SELECT '#' || term, post_count, 2 FROM search.term_index WHERE kind = 'hashtag' AND"
    " $3 <> '@' AND term >= $5 AND term < $5 || $2 ORDER BY post_count DESC, term LIMIT $4)"
    " UNION ALL"
    "(SELECT '@' || handle, 1, 3 FROM search.user_index WHERE $3 <> '#' AND handle_folded >="
    " search.unaccent($1) AND handle_folded < search.unaccent($1) || $2"
    " ORDER BY length(handle_folded), handle_folded LIMIT $4)) s"
    " ORDER BY post_count DESC, kind, text LIMIT $4";

static enum nova_status suggest_find(Nova__Search__V2__SuggestReply *reply, struct pg *pg,
                                     uint32_t size, struct arena *arena, struct error *err)
{
    struct pg_result *rows = NULL;
    const char *space = strrchr(reply->prefix, ' ');
    const char *word = space ? space + 1 : reply->prefix;
    char sign[2] = {word[0] == '#' || word[0] == '@' ? word[0] : '\0'};
    const char *bare = sign[0] ? word + 1 : word;
    const char *folded = text_fold(arena, bare), *tag = text_tag(arena, bare);
    if (!folded || !tag)
        return not_utf8(err);
    if (folded[0] == '\0' || tag[0] == '\0')
        return NOVA_OK;
    const struct pg_param params[] = {pg_text(folded), pg_text(LAST_CHARACTER), pg_text(sign),
                                      pg_int4((int32_t)size), pg_text(tag)};
    enum nova_status status = pg_query(&rows, pg, sql_suggest, params, 5, err);
    if (status != NOVA_OK)
        return status;
    reply->n_suggestions = pg_rows(rows);
    reply->suggestions = arena_alloc(arena, reply->n_suggestions * sizeof *reply->suggestions);
    for (size_t row = 0; row < reply->n_suggestions; row++)
        reply->suggestions[row] = arena_printf(arena, "%.*s%s", (int)(word - reply->prefix),
                                               reply->prefix, pg_get_text(rows, row, 0));
    pg_result_destroy(&rows);
    return NOVA_OK;
}

enum nova_status search_index_suggest(Nova__Search__V2__SuggestReply **out, struct pg *pg,
                                      const char *prefix, uint32_t size, struct arena *arena,
                                      struct error *err)
{
    *out = arena_alloc(arena, sizeof **out);
    nova__search__v2__suggest_reply__init(*out);
    (*out)->prefix = arena_strdup(arena, prefix);
    enum nova_status status = size_of(&size, size, 8, 50, err);
    return status == NOVA_OK ? suggest_find(*out, pg, size, arena, err) : status;
}

enum nova_status search_index_stats(Nova__Search__V2__GetIndexStatsReply **out, struct pg *pg,
                                    struct arena *arena, struct error *err)
{
    struct pg_result *rows = NULL;
    *out = arena_alloc(arena, sizeof **out);
    nova__search__v2__get_index_stats_reply__init(*out);
    enum nova_status status =
        pg_query(&rows, pg,
                 "SELECT (SELECT count(*) FROM search.user_index),"
                 " (SELECT count(*) FROM search.post_index),"
                 " (SELECT count(*) FROM search.term_index WHERE kind = 'hashtag'),"
                 " (SELECT generation FROM search.generation WHERE projection = 'search_index')",
                 NULL, 0, err);
    if (status != NOVA_OK)
        return status;
    (*out)->users = (uint64_t)pg_get_int8(rows, 0, 0);
    (*out)->posts = (uint64_t)pg_get_int8(rows, 0, 1);
    (*out)->hashtags = (uint64_t)pg_get_int8(rows, 0, 2);
    if (!pg_is_null(rows, 0, 3))
        (*out)->generation = (uint32_t)pg_get_int4(rows, 0, 3);
    pg_result_destroy(&rows);
    return NOVA_OK;
}
