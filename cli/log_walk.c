// log_walk.c - see log_walk.h.
#include "cli/log_walk.h"

#include <stdio.h>

#include "bus/cloudevents.h"
#include "bus/leaf.h"
#include "bus/topology.h"
#include "cli/log_rows.h"

enum { SQL_BYTES = 512, PAGE_ROWS = 200, STREAM_WAIT_MS = 5000 };

enum nova_status log_walk_open(struct log_walk *out, struct log_audit *audit,
                               struct bus_connection *connection, uint64_t size, struct error *err)
{
    *out = (struct log_walk){.audit = audit, .arena = arena_create()};
    return log_messages_open(&out->messages, connection, topology_stream_of(audit->service), size,
                             STREAM_WAIT_MS, &out->stream_last, err);
}

void log_walk_close(struct log_walk *walk)
{
    log_messages_close(&walk->messages);
    pg_result_destroy(&walk->rows);
    arena_destroy(&walk->arena);
}

// The hash of the event as the n-th; what it says of its own number does not count.
static void hash_event(struct merkle_hash *out, struct log_walk *walk, struct event *event)
{
    event->n = (int64_t)walk->n;
    size_t len = leaf_bytes_v1(NULL, 0, event);
    uint8_t *bytes = arena_alloc(walk->arena, len);
    leaf_bytes_v1(bytes, len, event);
    merkle_hash_leaf(out, (struct bytes){bytes, len});
}

static enum nova_status fill_page(struct log_walk *walk, struct error *err)
{
    char sql[SQL_BYTES];
    const struct pg_param params[] = {pg_int8(walk->position), pg_int8(PAGE_ROWS)};
    pg_result_destroy(&walk->rows);
    walk->row = 0;
    snprintf(sql, sizeof sql,
             "SELECT " LOG_COLUMNS " FROM %s.outbox WHERE position > $1 ORDER BY position LIMIT $2",
             walk->audit->service);
    enum nova_status status = pg_query(&walk->rows, walk->audit->pg, sql, params, 2, err);
    walk->rows_end = status == NOVA_OK && pg_rows(walk->rows) == 0;
    return status;
}

static enum nova_status walk_outbox(struct log_walked *out, struct log_walk *walk,
                                    struct error *err)
{
    enum nova_status status = NOVA_OK;
    if (!walk->rows_end && walk->row == pg_rows(walk->rows))
        status = fill_page(walk, err);
    if (status != NOVA_OK || walk->rows_end)
        return status;
    struct event *event = &out->events[LOG_COPY_OUTBOX];
    *event = log_row_event(walk->rows, walk->row++);
    walk->position = event->position;
    hash_event(&walk->hashes[LOG_COPY_OUTBOX], walk, event);
    out->hashes[LOG_COPY_OUTBOX] = &walk->hashes[LOG_COPY_OUTBOX];
    out->is_read[LOG_COPY_OUTBOX] = true;
    return NOVA_OK;
}

static enum nova_status walk_stream(struct log_walked *out, struct log_walk *walk,
                                    struct error *err)
{
    struct bytes body;
    struct error why;
    struct event *event = &out->events[LOG_COPY_STREAM];
    enum nova_status status = log_messages_next(&body, walk->messages, err);
    if (status != NOVA_OK || body.data == NULL)
        return status;
    out->hashes[LOG_COPY_STREAM] = &walk->hashes[LOG_COPY_STREAM];
    // What is no event of ours has no leaf; its own bytes' hash is no leaf's that was signed.
    merkle_hash_leaf(&walk->hashes[LOG_COPY_STREAM], body);
    if (cloudevents_decode(event, NULL, walk->arena, walk->audit->service, body, &why) != NOVA_OK)
        return NOVA_OK;
    out->is_read[LOG_COPY_STREAM] = true;
    if (event->n == (int64_t)walk->n) // else it says that it stands elsewhere
        hash_event(&walk->hashes[LOG_COPY_STREAM], walk, event);
    return NOVA_OK;
}

static enum nova_status walk_tree(struct log_walked *out, struct log_walk *walk, struct error *err)
{
    if (walk->n > walk->audit->tree.range.size)
        return NOVA_OK;
    enum nova_status status = NOVA_OK;
    if (walk->leaf == walk->leaf_count) {
        walk->leaf = 0;
        status = tree_leaves(walk->leaves, &walk->leaf_count, &walk->audit->tree, walk->n - 1, err);
    }
    if (status == NOVA_DATA_LOSS) { // a tile was cut: the tree ends here
        walk->audit->tree.range.size = walk->n - 1;
        walk->leaf_count = 0;
        return NOVA_OK;
    }
    if (status == NOVA_OK && walk->leaf < walk->leaf_count)
        out->hashes[LOG_COPY_TREE] = &walk->leaves[walk->leaf++];
    return status;
}

enum nova_status log_walk_next(struct log_walked *out, struct log_walk *walk, struct error *err)
{
    arena_reset(walk->arena);
    *out = (struct log_walked){.n = ++walk->n};
    enum nova_status status = walk_outbox(out, walk, err);
    if (status == NOVA_OK)
        status = walk_stream(out, walk, err);
    return status == NOVA_OK ? walk_tree(out, walk, err) : status;
}
