// log_tree.c - what led to an event and followed from it. Correlation ids are copied from cause to
// effect, so all of the tree has the event's own; causation ids are its edges. The root is a
// command: it is the cause that no event is.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/timestamp.h"
#include "bus/topology.h"
#include "cli/log_rows.h"
#include "cli/log_show.h"

enum { SQL_BYTES = 512, NODES_MAX = 2000, DEPTH_MAX = 100 };

struct node {
    const char *service;
    struct event event; // without its payload, in the arena
    bool told;          // a circle, which no service of ours writes, ends here
};

struct tree {
    struct arena *arena;
    struct node *nodes;
    size_t count;
    bool cut;
    struct uuid shown;
};

static enum nova_status read_service(struct tree *tree, struct pg *pg, const char *service,
                                     const struct uuid *correlation_id, struct error *err)
{
    char sql[SQL_BYTES];
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_uuid(correlation_id),
                                      pg_int8((int64_t)(NODES_MAX - tree->count + 1))};
    snprintf(sql, sizeof sql,
             "SELECT " LOG_COLUMNS " FROM %s.outbox WHERE correlation_id = $1"
             " ORDER BY position LIMIT $2",
             service);
    enum nova_status status = pg_query(&rows, pg, sql, params, 2, err);
    for (size_t row = 0; row < pg_rows(rows); row++) {
        if (tree->count == NODES_MAX) {
            tree->cut = true;
            break;
        }
        struct node *node = &tree->nodes[tree->count++];
        *node = (struct node){.service = service, .event = log_row_event(rows, row)};
        node->event.type =
            arena_memdup(tree->arena, node->event.type, strlen(node->event.type) + 1);
        node->event.actor =
            arena_memdup(tree->arena, node->event.actor, strlen(node->event.actor) + 1);
    }
    pg_result_destroy(&rows);
    return status;
}

static const struct node *find_node(const struct tree *tree, const struct uuid *event_id)
{
    for (size_t i = 0; i < tree->count; i++)
        if (uuid_equal(&tree->nodes[i].event.event_id, event_id))
            return &tree->nodes[i];
    return NULL;
}

static json_t *id_json(const struct uuid *id)
{
    char text[UUID_TEXT_BYTES];
    uuid_format(text, id);
    return json_string(text);
}

// The events that `cause` caused, each with what it caused itself.
static json_t *effects_json(struct tree *tree, const struct uuid *cause, int depth)
{
    json_t *list = json_array();
    for (size_t i = 0; i < tree->count && depth < DEPTH_MAX; i++) {
        char at[TIMESTAMP_BYTES];
        struct node *node = &tree->nodes[i];
        if (node->told || !uuid_equal(&node->event.causation_id, cause))
            continue;
        node->told = true;
        timestamp_format(at, node->event.recorded_at_us);
        json_t *json =
            json_pack("{so ss ss sI so ss ss sb}", "event_id", id_json(&node->event.event_id),
                      "type", node->event.type, "service", node->service, "position",
                      (json_int_t)node->event.position, "aggregate_id",
                      id_json(&node->event.aggregate_id), "actor", node->event.actor, "recorded_at",
                      at, "shown", uuid_equal(&node->event.event_id, &tree->shown));
        json_object_set_new(json, "effects", effects_json(tree, &node->event.event_id, depth + 1));
        json_array_append_new(list, json);
    }
    return list;
}

// Up from the event, cause by cause, to what no event is.
static struct uuid root_of(const struct tree *tree, const struct event *event)
{
    struct uuid cause = event->causation_id;
    const struct node *node = find_node(tree, &cause);
    for (int depth = 0; node != NULL && depth < DEPTH_MAX; depth++) {
        cause = node->event.causation_id;
        node = find_node(tree, &cause);
    }
    return cause;
}

enum nova_status log_tree(json_t **out, const struct settings *settings, const struct event *event,
                          struct error *err)
{
    enum nova_status status = NOVA_OK;
    struct tree tree = {.arena = arena_create(), .shown = event->event_id};
    tree.nodes = arena_alloc(tree.arena, NODES_MAX * sizeof *tree.nodes);
    for (size_t i = 0; i < topology_stream_count() && status == NOVA_OK; i++) {
        struct pg *pg = NULL;
        const char *service = topology_stream_service(i);
        status = log_connect(&pg, settings, service, err);
        if (status == NOVA_OK)
            status = read_service(&tree, pg, service, &event->correlation_id, err);
        pg_destroy(&pg);
    }
    if (status == NOVA_OK) {
        struct uuid root = root_of(&tree, event);
        json_t *events = effects_json(&tree, &root, 0);
        *out =
            json_pack("{so so sb}", "command", id_json(&root), "events", events, "cut", tree.cut);
    }
    arena_destroy(&tree.arena);
    return status;
}
