// post_view_query.h - what content's service answers from its posts and comments. Whatever was
// deleted or erased is not there.
//
// Ownership: replies live in the arena.
// Threads:   one at a time per struct pg.
// Errors:    PostgreSQL's; INVALID_ARGUMENT for a page's token that is none.
#pragma once
#include "nova/content/v2/content.pb-c.h"
#include "pg/pg.h"

// Those of `ids` that exist, in their order.
MUST_CHECK enum nova_status post_view_get(Nova__Content__V2__GetPostsReply **out, struct pg *pg,
                                          const struct uuid *ids, size_t count, struct arena *arena,
                                          struct error *err);

// Newest first.
MUST_CHECK enum nova_status post_view_by_author(Nova__Content__V2__ListPostsByAuthorReply **out,
                                                struct pg *pg, const struct uuid *author_id,
                                                const Nova__Common__V1__Page *page,
                                                struct arena *arena, struct error *err);

// The comments of a post, oldest first. parent_id nil: all of them; else the direct replies to that
// comment. A post that is not there has none: post_view_get tells.
MUST_CHECK enum nova_status post_view_comments(Nova__Content__V2__ListCommentsReply **out,
                                               struct pg *pg, const struct uuid *post_id,
                                               const struct uuid *parent_id,
                                               const Nova__Common__V1__Page *page,
                                               struct arena *arena, struct error *err);
