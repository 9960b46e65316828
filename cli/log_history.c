// log_history.c - `nova log history AGGREGATE`: what happened to it, and what it was like at any
// moment.
//
// The state is folded by the aggregate's own evolve from the first event on, without snapshots: so
// it is what the log says and nothing else. A page of events is in memory at a time.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregates/list.h"
#include "base/timestamp.h"
#include "bus/topology.h"
#include "cli/command.h"
#include "cli/log.h"
#include "cli/log_event.h"
#include "cli/log_rows.h"
#include "proto/sealed.h"

enum { SQL_BYTES = 640 };

struct history {
    const struct settings *settings;
    struct uuid id;
    int64_t version; // to show; 0: the newest
    int64_t at_us;   // or as of this moment; 0: now
    int64_t since;   // the version to compare with; -1: not asked
    bool sealed, as_json;
    struct log_keys *keys;
    const struct aggregate_type *type;
    struct aggregate now;
    json_t *state, *compared; // as of `now`, and as of `since`
};

// ---- a state ------------------------------------------------------------------------------------

static json_t *id_json(const uint8_t *at)
{
    struct uuid id;
    char text[UUID_TEXT_BYTES];
    memcpy(&id, at, sizeof id);
    if (uuid_is_nil(&id))
        return json_null();
    uuid_format(text, &id);
    return json_string(text);
}

static json_t *field_json(const struct state_field *field, const uint8_t *state)
{
    int64_t number = 0;
    char text[TIMESTAMP_BYTES];
    json_t *list;
    switch (field->kind) {
    case STATE_FLAG:
        return json_boolean(state[field->offset]);
    case STATE_NUMBER:
        memcpy(&number, state + field->offset, sizeof number);
        return json_integer(number);
    case STATE_TIME:
        memcpy(&number, state + field->offset, sizeof number);
        if (number == 0)
            return json_null();
        timestamp_format(text, number);
        return json_string(text);
    case STATE_ID:
        return id_json(state + field->offset);
    case STATE_IDS:
        list = json_array();
        for (uint8_t i = 0; i < state[field->count_offset]; i++)
            json_array_append_new(list, id_json(state + field->offset + i * sizeof(struct uuid)));
        return list;
    }
    return json_null();
}

static json_t *state_json(const struct history *history)
{
    json_t *json = json_object();
    for (uint32_t i = 0; i < history->type->field_count; i++)
        json_object_set_new(json, history->type->fields[i].name,
                            field_json(&history->type->fields[i], history->now.state));
    return json;
}

// {"deleted": [false, true]}: what is different, before and after.
static json_t *difference_json(json_t *before, json_t *after)
{
    const char *name;
    json_t *value, *json = json_object();
    json_object_foreach(after, name, value)
    {
        json_t *old = json_object_get(before, name);
        if (!json_equal(old, value))
            json_object_set_new(json, name, json_pack("[OO]", old, value));
    }
    return json;
}

static void print_difference(const json_t *difference, const char *indent)
{
    const char *name;
    json_t *pair;
    json_object_foreach((json_t *)(uintptr_t)difference, name, pair)
    {
        char *before = json_dumps(json_array_get(pair, 0), JSON_COMPACT | JSON_ENCODE_ANY);
        char *after = json_dumps(json_array_get(pair, 1), JSON_COMPACT | JSON_ENCODE_ANY);
        printf("%s%s: %s -> %s\n", indent, name, before, after);
        free(before);
        free(after);
    }
}

// ---- folding ------------------------------------------------------------------------------------

static enum nova_status evolve(struct history *history, const struct event *event,
                               struct error *err)
{
    struct arena *arena = arena_create();
    struct recorded recorded = {.type = contract_event_find(history->type->service, event->type),
                                .aggregate_id = event->aggregate_id,
                                .version = event->version,
                                .occurred_at_us = event->occurred_at_us};
    enum nova_status status = NOVA_OK;
    if (recorded.type != NULL)
        recorded.payload = message_unpack(arena, recorded.type->payload, event->payload);
    if (event->version != history->now.version + 1)
        status = error_set(err, NOVA_DATA_LOSS,
                           "version %" PRId64 " follows version %" PRId64 " at position %" PRId64,
                           event->version, history->now.version, event->position);
    else if (recorded.payload == NULL)
        status = error_set(err, NOVA_DATA_LOSS,
                           "version %" PRId64 " is a %s that this version of nova cannot read",
                           event->version, event->type);
    else
        history->type->evolve(history->now.state, &recorded);
    history->now.version = event->version;
    arena_destroy(&arena);
    return status;
}

static enum nova_status take(struct history *history, const struct event *event, json_t *json,
                             struct error *err)
{
    enum nova_status status = evolve(history, event, err);
    if (status != NOVA_OK)
        return status;
    json_t *after = state_json(history);
    json_t *changes = difference_json(history->state, after);
    json_decref(history->state);
    history->state = after;
    if (history->as_json) {
        json_object_set(json, "changes", changes);
        log_print(json, LOG_FORMAT_JSON);
    } else {
        log_print(json, LOG_FORMAT_TEXT);
        print_difference(changes, "    ");
    }
    json_decref(changes);
    if (history->now.version == history->since) {
        json_decref(history->compared);
        history->compared = json_deep_copy(after);
    }
    return NOVA_OK;
}

static enum nova_status take_page(struct history *history, const struct pg_result *rows,
                                  struct error *err)
{
    struct event events[LOG_EVENTS_MAX];
    const char *traceparents[LOG_EVENTS_MAX];
    json_t *decoded[LOG_EVENTS_MAX] = {NULL};
    size_t count = pg_rows(rows);
    for (size_t row = 0; row < count; row++) {
        events[row] = log_row_event(rows, row);
        traceparents[row] = log_row_traceparent(rows, row);
    }
    enum nova_status status = log_events_json(decoded, history->keys, history->type->service,
                                              events, traceparents, count, err);
    for (size_t row = 0; row < count && status == NOVA_OK; row++)
        status = take(history, &events[row], decoded[row], err);
    for (size_t row = 0; row < count; row++)
        json_decref(decoded[row]);
    return status;
}

static enum nova_status begin(struct history *history, const char *service,
                              const struct pg_result *rows, struct arena *arena, struct error *err)
{
    const char *name = log_row_event(rows, 0).aggregate_type;
    history->type = aggregate_type_find(service, name);
    if (history->type == NULL)
        return error_set(err, NOVA_FAILED_PRECONDITION,
                         "this version of nova knows no aggregate %.64s of %s", name, service);
    history->now = (struct aggregate){.type = history->type, .id = history->id};
    history->now.state = arena_alloc(arena, history->type->state_bytes);
    memset(history->now.state, 0, history->type->state_bytes);
    history->state = state_json(history);
    history->compared = json_deep_copy(history->state); // version 0: before it was
    return NOVA_OK;
}

// All events of one service's aggregate of that id, up to the moment that was asked for.
static enum nova_status fold(struct history *history, const char *service, struct arena *arena,
                             struct error *err)
{
    char sql[SQL_BYTES];
    struct pg *pg = NULL;
    size_t count = LOG_EVENTS_MAX;
    int64_t after = 0;
    snprintf(sql, sizeof sql,
             "SELECT " LOG_COLUMNS " FROM %s.outbox WHERE aggregate_id = $1 AND version > $2"
             " AND ($3 = 0 OR version <= $3) AND ($4 = 0 OR recorded_at <="
             " to_timestamp(0) + $4 * interval '1 microsecond') ORDER BY version LIMIT $5",
             service);
    enum nova_status status = log_connect(&pg, history->settings, service, err);
    while (status == NOVA_OK && count == LOG_EVENTS_MAX) {
        struct pg_result *rows = NULL;
        const struct pg_param params[] = {pg_uuid(&history->id), pg_int8(after),
                                          pg_int8(history->version), pg_int8(history->at_us),
                                          pg_int8(LOG_EVENTS_MAX)};
        status = pg_query(&rows, pg, sql, params, 5, err);
        count = pg_rows(rows);
        if (count > 0 && history->type == NULL)
            status = begin(history, service, rows, arena, err);
        if (status == NOVA_OK && count > 0)
            status = take_page(history, rows, err);
        after = history->now.version;
        pg_result_destroy(&rows);
    }
    pg_destroy(&pg);
    return status;
}

// ---- the command --------------------------------------------------------------------------------

static void print_end(const struct history *history)
{
    json_t *difference = difference_json(history->compared, history->state);
    if (history->as_json) {
        json_t *end = json_pack("{ss ss sI sO}", "service", history->type->service,
                                "aggregate_type", history->type->name, "version",
                                (json_int_t)history->now.version, "state", history->state);
        if (history->since >= 0)
            json_object_set(end, "difference", difference);
        log_print(end, LOG_FORMAT_JSON);
        json_decref(end);
    } else {
        char *state = json_dumps(history->state, JSON_INDENT(2));
        printf("\n%s in version %" PRId64 ": %s\n", history->type->name, history->now.version,
               state);
        free(state);
        if (history->since >= 0)
            printf("since version %" PRId64 ":\n", history->since);
        if (history->since >= 0)
            print_difference(difference, "  ");
    }
    json_decref(difference);
}

static int parse_option(struct history *history, const char *option, const char *value)
{
    char *end = NULL;
    if (strcmp(option, "--at") == 0)
        return value != NULL && log_parse_time(&history->at_us, value)
                   ? EXIT_CODE_OK
                   : command_usage("log", "--at wants " LOG_TIMES);
    long long number =
        value != NULL && *value >= '0' && *value <= '9' ? strtoll(value, &end, 10) : -1;
    bool good = number >= 0 && *end == '\0';
    if (strcmp(option, "--version") == 0) {
        history->version = number;
        return good && number > 0 ? EXIT_CODE_OK
                                  : command_usage("log", "--version wants a number above 0");
    }
    history->since = number;
    return good ? EXIT_CODE_OK
                : command_usage("log", "--since-version wants a number; 0 is before it was");
}

static int parse_arguments(struct history *history, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int code = EXIT_CODE_OK;
        if (strcmp(argv[i], "--json") == 0)
            history->as_json = true;
        else if (strcmp(argv[i], "--sealed") == 0)
            history->sealed = true;
        else if (strcmp(argv[i], "--at") == 0 || strcmp(argv[i], "--version") == 0 ||
                 strcmp(argv[i], "--since-version") == 0) {
            code = parse_option(history, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
            i++;
        } else if (!uuid_is_nil(&history->id) || !uuid_parse(&history->id, argv[i]))
            code = command_usage("log", "log history wants one aggregate's id, a UUID, not '%s'",
                                 argv[i]);
        if (code != EXIT_CODE_OK)
            return code;
    }
    if (uuid_is_nil(&history->id))
        return command_usage("log", "log history wants an aggregate's id");
    if (history->version > 0 && history->at_us != 0)
        return command_usage("log", "--at and --version name two moments: say one");
    return EXIT_CODE_OK;
}

static enum nova_status check_end(const struct history *history, struct error *err)
{
    if (history->type == NULL)
        return error_set(err, NOVA_NOT_FOUND, "no outbox holds an event of that aggregate%s",
                         history->at_us != 0 ? " until then" : "");
    if (history->now.version < history->version || history->now.version < history->since)
        return error_set(err, NOVA_NOT_FOUND, "its last version%s is %" PRId64,
                         history->at_us != 0 ? " until then" : "", history->now.version);
    return NOVA_OK;
}

int log_history(const struct settings *settings, int argc, char **argv)
{
    struct error err = {0};
    struct history history = {.settings = settings, .since = -1};
    int code = parse_arguments(&history, argc, argv);
    if (code != EXIT_CODE_OK)
        return code;
    struct arena *arena = arena_create();
    history.keys = log_keys_create(settings, !history.sealed);
    enum nova_status status = NOVA_OK;
    for (size_t i = 0; i < topology_stream_count() && status == NOVA_OK && !history.type; i++)
        status = fold(&history, topology_stream_service(i), arena, &err);
    if (status == NOVA_OK)
        status = check_end(&history, &err);
    if (status == NOVA_OK)
        print_end(&history);
    json_decref(history.state);
    json_decref(history.compared);
    log_keys_destroy(&history.keys);
    arena_destroy(&arena);
    return status == NOVA_OK ? EXIT_CODE_OK : command_failed(&err);
}
