// tree.c - see tree.h.
#include "signer/tree.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SQL_BYTES = 640, TILE_BYTES = TILE_HASHES * MERKLE_HASH_BYTES };

// The format names the schema at most three times.
static enum nova_status tree_query(struct pg_result **out, struct pg *pg, const char *service,
                                   const char *format, const struct pg_param *params, size_t count,
                                   struct error *err)
{
    char sql[SQL_BYTES];
    int len = snprintf(sql, sizeof sql, format, service, service, service);
    assert(len > 0 && len < SQL_BYTES);
    return pg_query(out, pg, sql, params, count, err);
}

static enum nova_status refuse(const struct tree *tree, struct error *err)
{
    return error_set(err, NOVA_DATA_LOSS,
                     "%s.log_tree or log_tile does not hold a tree of %" PRIu64
                     " events: somebody changed it; ./nova log verify --service %s",
                     tree->service, tree->range.size, tree->service);
}

// ---- reading ------------------------------------------------------------------------------------

static enum nova_status read_node(struct merkle_hash *out, void *context, struct merkle_node node,
                                  struct error *err)
{
    struct tree *tree = context;
    struct pg_result *row = NULL;
    struct tile_place place = tile_place_of(node);
    const struct pg_param params[] = {pg_uuid(&tree->log_id), pg_int4((int32_t)place.level),
                                      pg_int8((int64_t)place.index),
                                      pg_int4((int32_t)place.at * MERKLE_HASH_BYTES + 1)};
    enum nova_status status = tree_query(&row, tree->pg, tree->service,
                                         "SELECT substring(hashes FROM $4 FOR 32) FROM %s.log_tile"
                                         " WHERE log_id = $1 AND level = $2 AND index = $3",
                                         params, 4, err);
    struct bytes hash = pg_rows(row) == 1 ? pg_get_bytea(row, 0, 0) : (struct bytes){NULL, 0};
    if (status == NOVA_OK && hash.len == MERKLE_HASH_BYTES)
        memcpy(out->bytes, hash.data, MERKLE_HASH_BYTES);
    else if (status == NOVA_OK)
        status = refuse(tree, err);
    pg_result_destroy(&row);
    return status;
}

struct merkle_source tree_source(struct tree *tree)
{
    return (struct merkle_source){read_node, tree};
}

enum nova_status tree_log_id(struct uuid *out, struct pg *pg, const char *service,
                             struct error *err)
{
    struct pg_result *row = NULL;
    enum nova_status status =
        tree_query(&row, pg, service, "SELECT log_id FROM %s.log ORDER BY started_at DESC LIMIT 1",
                   NULL, 0, err);
    if (status == NOVA_OK && pg_rows(row) == 1)
        *out = pg_get_uuid(row, 0, 0);
    else if (status == NOVA_OK)
        status =
            error_set(err, NOVA_FAILED_PRECONDITION, "%s.log is empty: ./nova db verify", service);
    pg_result_destroy(&row);
    return status;
}

enum nova_status tree_open(struct tree *out, struct pg *pg, const char *service, struct error *err)
{
    struct pg_result *row = NULL;
    *out = (struct tree){.service = service, .pg = pg};
    enum nova_status status = tree_log_id(&out->log_id, pg, service, err);
    if (status != NOVA_OK)
        return status;
    const struct pg_param log = pg_uuid(&out->log_id);
    status = tree_query(&row, pg, service,
                        "SELECT size, position FROM %s.log_tree WHERE log_id = $1", &log, 1, err);
    if (pg_rows(row) == 1) {
        out->range.size = (uint64_t)pg_get_int8(row, 0, 0);
        out->position = pg_get_int8(row, 0, 1);
    }
    pg_result_destroy(&row);
    struct merkle_source source = tree_source(out);
    return status == NOVA_OK ? merkle_range_read(&out->range, out->range.size, &source, err)
                             : status;
}

enum nova_status tree_root(struct merkle_hash *out, struct tree *tree, uint64_t size,
                           struct error *err)
{
    struct merkle_range range;
    struct merkle_source source = tree_source(tree);
    assert(size <= tree->range.size);
    enum nova_status status = merkle_range_read(&range, size, &source, err);
    if (status == NOVA_OK)
        merkle_range_root(out, &range);
    return status;
}

enum nova_status tree_leaves(struct merkle_hash out[TILE_LEAVES], size_t *count, struct tree *tree,
                             uint64_t index, struct error *err)
{
    struct pg_result *row = NULL;
    const struct pg_param params[] = {pg_uuid(&tree->log_id),
                                      pg_int8((int64_t)(index / TILE_LEAVES))};
    *count = 0;
    enum nova_status status = tree_query(&row, tree->pg, tree->service,
                                         "SELECT hashes FROM %s.log_tile"
                                         " WHERE log_id = $1 AND level = 0 AND index = $2",
                                         params, 2, err);
    struct bytes hashes = pg_rows(row) == 1 ? pg_get_bytea(row, 0, 0) : (struct bytes){NULL, 0};
    for (; status == NOVA_OK && index < tree->range.size; index++) {
        size_t at = (size_t)tile_place_of((struct merkle_node){0, index}).at * MERKLE_HASH_BYTES;
        if (at + MERKLE_HASH_BYTES > hashes.len) {
            status = refuse(tree, err);
            break;
        }
        memcpy(out[(*count)++].bytes, hashes.data + at, MERKLE_HASH_BYTES);
        if ((index + 1) % TILE_LEAVES == 0)
            break;
    }
    pg_result_destroy(&row);
    return status;
}

enum nova_status tree_number(uint64_t *n, struct tree *tree, int64_t position, struct error *err)
{
    struct pg_result *row = NULL;
    const struct pg_param params[] = {pg_uuid(&tree->log_id), pg_int8(position)};
    // The tile that it lies in, then at most a tile's rows.
    enum nova_status status =
        tree_query(&row, tree->pg, tree->service,
                   "SELECT index * 256 + (SELECT count(*) FROM %s.outbox AS event"
                   "  WHERE event.position BETWEEN tile.position AND $2)"
                   " FROM %s.log_tile AS tile WHERE log_id = $1 AND level = 0 AND position <= $2"
                   " ORDER BY position DESC LIMIT 1",
                   params, 2, err);
    *n = pg_rows(row) == 1 ? (uint64_t)pg_get_int8(row, 0, 0) : 0;
    if (*n > tree->range.size)
        *n = 0;
    pg_result_destroy(&row);
    return status;
}

// ---- growing ------------------------------------------------------------------------------------

// What one batch adds to one tile.
struct part {
    uint32_t level;
    uint64_t index;
    uint32_t at;      // hashes that it had before
    int64_t position; // of its first event, in a tile of leaves that begins here
    uint8_t *hashes;
    uint32_t count;
};

struct growth {
    struct tree tree; // as it will be
    struct part *parts;
    size_t count;
    struct part *open[TILES_LEVEL_MAX + 1]; // the one of each level that grows
    struct arena *arena;
};

static void grow_by(struct growth *growth, const struct merkle_full *full, int64_t position)
{
    struct tile_place place = tile_place_of(full->node);
    struct part *part = growth->open[place.level];
    if (part == NULL || part->index != place.index) {
        part = &growth->parts[growth->count++];
        *part = (struct part){.level = place.level,
                              .index = place.index,
                              .at = place.at,
                              .position = position,
                              .hashes = arena_alloc(growth->arena, TILE_BYTES)};
        growth->open[place.level] = part;
    }
    assert(part->at + part->count == place.at);
    memcpy(part->hashes + (size_t)part->count++ * MERKLE_HASH_BYTES, full->hash.bytes,
           MERKLE_HASH_BYTES);
}

static void grow(struct growth *growth, const struct tree_leaf *leaves, size_t count)
{
    struct merkle_full full[MERKLE_PROOF_MAX];
    // A tile for each 256 leaves; of each level the one that was begun, and one more.
    size_t parts_max = 2 * (count / TILE_LEAVES) + 2 * (TILES_LEVEL_MAX + 1);
    growth->parts = arena_alloc(growth->arena, parts_max * sizeof *growth->parts);
    for (size_t i = 0; i < count; i++) {
        size_t filled = merkle_range_append(full, &growth->tree.range, &leaves[i].hash);
        for (size_t j = 0; j < filled; j++)
            grow_by(growth, &full[j], leaves[i].position);
        growth->tree.position = leaves[i].position;
    }
    assert(growth->count <= parts_max);
}

static enum nova_status write_part(struct tree *tree, const struct part *part, struct error *err)
{
    struct pg_result *done = NULL;
    const struct pg_param params[] = {
        pg_uuid(&tree->log_id), pg_int4((int32_t)part->level), pg_int8((int64_t)part->index),
        pg_bytea((struct bytes){part->hashes, (size_t)part->count * MERKLE_HASH_BYTES}),
        part->at > 0 ? pg_int8((int64_t)part->at * MERKLE_HASH_BYTES) : pg_int8(part->position)};
    enum nova_status status = tree_query(
        &done, tree->pg, tree->service,
        part->at > 0 ? "UPDATE %s.log_tile SET hashes = hashes || $4 WHERE log_id = $1"
                       " AND level = $2 AND index = $3 AND octet_length(hashes) = $5"
                     : "INSERT INTO %s.log_tile (log_id, level, index, hashes, position) VALUES"
                       " ($1, $2, $3, $4, CASE WHEN $2 = 0 THEN $5 END)",
        params, 5, err);
    if (status == NOVA_ALREADY_EXISTS || (status == NOVA_OK && pg_affected(done) != 1))
        status = refuse(tree, err);
    pg_result_destroy(&done);
    return status;
}

static enum nova_status write_size(struct tree *tree, const struct tree *grown, struct error *err)
{
    struct pg_result *done = NULL;
    const struct pg_param params[] = {pg_uuid(&tree->log_id), pg_int8((int64_t)grown->range.size),
                                      pg_int8(grown->position), pg_int8((int64_t)tree->range.size)};
    enum nova_status status =
        tree->range.size > 0
            ? tree_query(&done, tree->pg, tree->service,
                         "UPDATE %s.log_tree SET size = $2, position = $3"
                         " WHERE log_id = $1 AND size = $4",
                         params, 4, err)
            : tree_query(&done, tree->pg, tree->service,
                         "INSERT INTO %s.log_tree (log_id, size, position) VALUES ($1, $2, $3)",
                         params, 3, err);
    if (status == NOVA_ALREADY_EXISTS || (status == NOVA_OK && pg_affected(done) != 1))
        status = error_set_transient(err, NOVA_ABORTED, "another signer added to %s's tree",
                                     tree->service);
    pg_result_destroy(&done);
    return status;
}

enum nova_status tree_append(struct tree *tree, const struct tree_leaf *leaves, size_t count,
                             struct arena *arena, struct error *err)
{
    struct growth growth = {.tree = *tree, .arena = arena};
    grow(&growth, leaves, count);
    enum nova_status status = pg_exec(tree->pg, "BEGIN", err);
    // The size first: it is what a second signer waits for, and then finds changed.
    if (status == NOVA_OK)
        status = write_size(tree, &growth.tree, err);
    for (size_t i = 0; i < growth.count && status == NOVA_OK; i++)
        status = write_part(tree, &growth.parts[i], err);
    if (status == NOVA_OK)
        status = pg_exec(tree->pg, "COMMIT", err);
    if (status == NOVA_OK)
        *tree = growth.tree;
    else
        pg_rollback(tree->pg);
    return status;
}

// ---- checkpoints --------------------------------------------------------------------------------

enum nova_status tree_keep(struct tree *tree, const struct merkle_hash *root, const char *note,
                           struct error *err)
{
    struct pg_result *done = NULL;
    const struct pg_param params[] = {pg_uuid(&tree->log_id), pg_int8((int64_t)tree->range.size),
                                      pg_bytea((struct bytes){root->bytes, MERKLE_HASH_BYTES}),
                                      pg_text(note)};
    enum nova_status status =
        tree_query(&done, tree->pg, tree->service,
                   "INSERT INTO %s.log_checkpoint (log_id, size, root, note) SELECT $1, $2, $3, $4"
                   " FROM %s.log_tree WHERE log_id = $1 AND size = $2 ON CONFLICT DO NOTHING",
                   params, 4, err);
    if (status == NOVA_OK && pg_affected(done) != 1)
        status =
            error_set_transient(err, NOVA_ABORTED, "another signer signed %s's log", tree->service);
    pg_result_destroy(&done);
    return status;
}

static enum nova_status take_checkpoint(struct tree_checkpoint *out, const struct tree *tree,
                                        const struct pg_result *row, struct arena *arena,
                                        struct error *err)
{
    if (pg_rows(row) == 0)
        return NOVA_OK;
    struct bytes root = pg_get_bytea(row, 0, 1);
    if (root.len != MERKLE_HASH_BYTES)
        return refuse(tree, err);
    out->size = (uint64_t)pg_get_int8(row, 0, 0);
    memcpy(out->root.bytes, root.data, MERKLE_HASH_BYTES);
    out->note = arena_strdup(arena, pg_get_text(row, 0, 2));
    return NOVA_OK;
}

static enum nova_status find_checkpoint(struct tree_checkpoint *out, struct tree *tree,
                                        const char *format, uint64_t size, struct arena *arena,
                                        struct error *err)
{
    struct pg_result *row = NULL;
    const struct pg_param params[] = {pg_uuid(&tree->log_id), pg_int8((int64_t)size)};
    *out = (struct tree_checkpoint){.size = 0};
    enum nova_status status = tree_query(&row, tree->pg, tree->service, format, params, 2, err);
    if (status == NOVA_OK)
        status = take_checkpoint(out, tree, row, arena, err);
    pg_result_destroy(&row);
    return status;
}

enum nova_status tree_last_checkpoint(struct tree_checkpoint *out, struct tree *tree,
                                      struct arena *arena, struct error *err)
{
    return find_checkpoint(out, tree,
                           "SELECT size, root, note FROM %s.log_checkpoint"
                           " WHERE log_id = $1 AND size >= $2 ORDER BY size DESC LIMIT 1",
                           0, arena, err);
}

enum nova_status tree_checkpoint_from(struct tree_checkpoint *out, struct tree *tree, uint64_t size,
                                      struct arena *arena, struct error *err)
{
    return find_checkpoint(out, tree,
                           "SELECT size, root, note FROM %s.log_checkpoint"
                           " WHERE log_id = $1 AND size >= $2 ORDER BY size LIMIT 1",
                           size, arena, err);
}
