// search_index_query.h - what search answers: users, posts, hashtags, suggestions.
//
// Ownership: replies live in the arena.
// Threads:   one at a time per struct pg.
// Errors:    PostgreSQL's; INVALID_ARGUMENT for a page's token that is none, and for text that is
//            not UTF-8. A query in which nothing is to be found has no hits and is no error.
#pragma once
#include "nova/search/v2/search.pb-c.h"
#include "pg/pg.h"

// By handle, name, their beginnings, or what is written almost so. A leading @ does not matter.
MUST_CHECK enum nova_status search_index_users(Nova__Search__V2__SearchUsersReply **out,
                                               struct pg *pg, const char *query,
                                               const Nova__Common__V1__Page *page,
                                               struct arena *arena, struct error *err);

// By words, "phrases", or, -not, and #tags that must all be there; the best first.
MUST_CHECK enum nova_status search_index_posts(Nova__Search__V2__SearchPostsReply **out,
                                               struct pg *pg, const char *query,
                                               const Nova__Common__V1__Page *page,
                                               struct arena *arena, struct error *err);

// The first `size` (0: 5) of each kind.
MUST_CHECK enum nova_status search_index_all(Nova__Search__V2__SearchAllReply **out, struct pg *pg,
                                             const char *query, uint32_t size, struct arena *arena,
                                             struct error *err);

// The most used first; size 0: 20, at most 100.
MUST_CHECK enum nova_status search_index_hashtags(Nova__Search__V2__SearchHashtagsReply **out,
                                                  struct pg *pg, const char *prefix, uint32_t size,
                                                  struct arena *arena, struct error *err);

// How the last word that was typed may go on: words of titles, #hashtags, @handles. size 0: 8, at
// most 50.
MUST_CHECK enum nova_status search_index_suggest(Nova__Search__V2__SuggestReply **out,
                                                 struct pg *pg, const char *prefix, uint32_t size,
                                                 struct arena *arena, struct error *err);

MUST_CHECK enum nova_status search_index_stats(Nova__Search__V2__GetIndexStatsReply **out,
                                               struct pg *pg, struct arena *arena,
                                               struct error *err);
