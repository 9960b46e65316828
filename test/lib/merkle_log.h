// merkle_log.h - a log in memory for tests: all full nodes in arrays, as a table would hold them.
#pragma once
#include <assert.h>
#include <stdlib.h>

#include "audit/merkle.h"

struct merkle_log {
    struct merkle_range range;
    struct merkle_hash *levels[MERKLE_LEVELS_MAX];
    size_t capacity; // leaves
    size_t reads;    // nodes asked for
};

static inline void merkle_log_make(struct merkle_log *out, size_t capacity)
{
    *out = (struct merkle_log){.capacity = capacity};
    for (size_t level = 0; capacity >> level > 0; level++)
        out->levels[level] = calloc(capacity >> level, sizeof(struct merkle_hash));
}

static inline void merkle_log_free(struct merkle_log *log)
{
    for (size_t level = 0; level < MERKLE_LEVELS_MAX; level++)
        free(log->levels[level]);
}

static inline void merkle_log_append_hash(struct merkle_log *log, const struct merkle_hash *hash)
{
    struct merkle_full full[MERKLE_PROOF_MAX];
    assert(log->range.size < log->capacity);
    size_t count = merkle_range_append(full, &log->range, hash);
    for (size_t i = 0; i < count; i++)
        log->levels[full[i].node.level][full[i].node.index] = full[i].hash;
}

static inline void merkle_log_append(struct merkle_log *log, struct bytes leaf)
{
    struct merkle_hash hash;
    merkle_hash_leaf(&hash, leaf);
    merkle_log_append_hash(log, &hash);
}

static inline enum nova_status merkle_log_node(struct merkle_hash *out, void *context,
                                               struct merkle_node node, struct error *err)
{
    struct merkle_log *log = context;
    (void)err;
    log->reads++;
    assert((node.index + 1) << node.level <= log->range.size); // full, and within the log
    *out = log->levels[node.level][node.index];
    return NOVA_OK;
}

static inline struct merkle_source merkle_log_source(struct merkle_log *log)
{
    return (struct merkle_source){merkle_log_node, log};
}

// The root of the first `size` leaves.
static inline struct merkle_hash merkle_log_root(struct merkle_log *log, uint64_t size)
{
    struct merkle_range range;
    struct merkle_hash root;
    struct merkle_source source = merkle_log_source(log);
    enum nova_status status = merkle_range_read(&range, size, &source, NULL);
    assert(status == NOVA_OK);
    merkle_range_root(&root, &range);
    return root;
}
