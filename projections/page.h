// page.h - one page of a list, by keyset: a token stands for the last item seen, never an offset.
//
// Ownership: tokens live in the arena.
// Errors:    INVALID_ARGUMENT for a size that is too large or a token that is none of this list.
// Bounds:    PAGE_SIZE_MAX items.
#pragma once
#include "base/arena.h"
#include "base/error.h"
#include "base/uuid.h"
#include "nova/common/v1/common.pb-c.h"

enum { PAGE_SIZE = 50 };

// Which list: a token of one is refused by another.
enum page_list {
    PAGE_POSTS_BY_AUTHOR = 1,
    PAGE_COMMENTS,
    PAGE_CONVERSATIONS,
    PAGE_MESSAGES,
    PAGE_SEARCH_USERS,
    PAGE_SEARCH_POSTS,
    PAGE_SECURITY_AUDIT,
};

// The last item seen, by what its list is ordered by; unused parts are zero.
struct page_key {
    double score;
    int64_t first, second;
    struct uuid id;
};

struct page {
    uint32_t size;
    bool continues; // `after` is set
    struct page_key after;
};

// `wanted` may be NULL: the first page.
MUST_CHECK enum nova_status page_open(struct page *out, enum page_list list,
                                      const Nova__Common__V1__Page *wanted, struct error *err);
char *page_token(struct arena *arena, enum page_list list, const struct page_key *last);
