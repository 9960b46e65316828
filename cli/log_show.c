// log_show.c - `nova log show EVENT`: all that is known about one event. Reads each outbox from end
// to end at most twice: neither event ids nor correlation ids have an index, which every append
// would pay for.
#include "cli/log_show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/topology.h"
#include "cli/command.h"
#include "cli/log.h"
#include "cli/log_event.h"
#include "cli/log_rows.h"

enum { SQL_BYTES = 512 };

struct show {
    const struct settings *settings;
    struct uuid event_id;
    bool sealed, as_json;
};

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static json_int_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

// ---- as text ------------------------------------------------------------------------------------

static void print_tree(const json_t *events, int depth)
{
    size_t i;
    json_t *event;
    json_array_foreach(events, i, event)
    {
        printf("%*s%s %s %s:%" JSON_INTEGER_FORMAT " by %s%s\n", 4 + 2 * depth, "",
               text_of(event, "type"), text_of(event, "event_id"), text_of(event, "service"),
               number_of(event, "position"), text_of(event, "actor"),
               json_is_true(json_object_get(event, "shown")) ? "   <- this one" : "");
        print_tree(json_object_get(event, "effects"), depth + 1);
    }
}

static void print_stands(const json_t *stands)
{
    size_t i;
    json_t *entry;
    const json_t *outbox = json_object_get(stands, "outbox");
    const json_t *stream = json_object_get(stands, "stream");
    printf("\nstands\n  outbox of %s: position %" JSON_INTEGER_FORMAT
           ", event %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
           "\n  stream %s, message %" JSON_INTEGER_FORMAT ": %s\n",
           text_of(outbox, "service"), number_of(outbox, "position"), number_of(outbox, "n"),
           number_of(outbox, "events"), text_of(stream, "stream"), number_of(stream, "message"),
           text_of(stream, "state"));
    json_array_foreach(json_object_get(stands, "consumers"), i, entry)
    {
        printf("  %s: %s (checkpoint at event %" JSON_INTEGER_FORMAT
               ", generation %" JSON_INTEGER_FORMAT ")\n",
               text_of(entry, "consumer"), text_of(entry, "state"), number_of(entry, "checkpoint"),
               number_of(entry, "generation"));
        if (text_of(entry, "reason") != NULL)
            printf("    %s\n", text_of(entry, "reason"));
    }
}

static void print_text(const json_t *shown)
{
    const json_t *event = json_object_get(shown, "event");
    const json_t *tree = json_object_get(shown, "tree");
    char *payload = json_dumps(json_object_get(event, "payload"), JSON_INDENT(2) | JSON_ENCODE_ANY);
    printf("%s %s\n  %s %s, version %" JSON_INTEGER_FORMAT "\n  by %s, command %s\n"
           "  occurred %s, recorded %s\n  correlation %s, log %s\n%s\n",
           text_of(event, "type"), text_of(event, "event_id"), text_of(event, "aggregate_type"),
           text_of(event, "aggregate_id"), number_of(event, "version"), text_of(event, "actor"),
           text_of(event, "command_id"), text_of(event, "occurred_at"),
           text_of(event, "recorded_at"), text_of(event, "correlation_id"),
           text_of(event, "log_id"), payload);
    free(payload);
    print_stands(json_object_get(shown, "stands"));
    printf("\nled to it and followed from it\n  command %s\n", text_of(tree, "command"));
    print_tree(json_object_get(tree, "events"), 0);
    if (json_is_true(json_object_get(tree, "cut")))
        printf("  and more: ./nova log query --correlation %s\n", text_of(event, "correlation_id"));
}

// ---- the event ----------------------------------------------------------------------------------

static enum nova_status show_row(const struct show *show, struct pg *pg, const char *service,
                                 const struct pg_result *rows, struct error *err)
{
    json_t *json = NULL, *stands = NULL, *tree = NULL;
    struct event event = log_row_event(rows, 0);
    const char *traceparent = log_row_traceparent(rows, 0);
    struct log_keys *keys = log_keys_create(show->settings, !show->sealed);
    enum nova_status status = log_events_json(&json, keys, service, &event, &traceparent, 1, err);
    if (status == NOVA_OK)
        status = log_stands(&stands, show->settings, pg, service, event, err);
    if (status == NOVA_OK)
        status = log_tree(&tree, show->settings, &event, err);
    json_t *shown = json_pack("{so* so* so*}", "event", json, "stands", stands, "tree", tree);
    if (status == NOVA_OK && show->as_json) {
        json_dumpf(shown, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (status == NOVA_OK) {
        print_text(shown);
    }
    json_decref(shown);
    log_keys_destroy(&keys);
    return status;
}

static enum nova_status show_in(bool *found, const struct show *show, const char *service,
                                struct error *err)
{
    char sql[SQL_BYTES];
    struct pg *pg = NULL;
    struct pg_result *rows = NULL;
    const struct pg_param id = pg_uuid(&show->event_id);
    snprintf(sql, sizeof sql, "SELECT " LOG_COLUMNS " FROM %s.outbox WHERE event_id = $1", service);
    enum nova_status status = log_connect(&pg, show->settings, service, err);
    if (status == NOVA_OK)
        status = pg_query(&rows, pg, sql, &id, 1, err);
    *found = pg_rows(rows) > 0;
    if (status == NOVA_OK && *found)
        status = show_row(show, pg, service, rows, err);
    pg_result_destroy(&rows);
    pg_destroy(&pg);
    return status;
}

int log_show(const struct settings *settings, int argc, char **argv)
{
    struct error err = {0};
    bool found = false;
    struct show show = {.settings = settings};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            show.as_json = true;
        else if (strcmp(argv[i], "--sealed") == 0)
            show.sealed = true;
        else if (!uuid_is_nil(&show.event_id) || !uuid_parse(&show.event_id, argv[i]))
            return command_usage("log", "log show wants one event's id, a UUID, not '%s'", argv[i]);
    }
    if (uuid_is_nil(&show.event_id))
        return command_usage("log", "log show wants an event's id");
    for (size_t i = 0; i < topology_stream_count() && !found; i++)
        if (show_in(&found, &show, topology_stream_service(i), &err) != NOVA_OK)
            return command_failed(&err);
    if (found)
        return EXIT_CODE_OK;
    error_set(&err, NOVA_NOT_FOUND, "no outbox holds an event of that id");
    return command_failed(&err);
}
