// dlq.c - `nova dlq`: the dead letters of all consumers as one list, and what operators did with
// them. dlq_change.c retries and discards.
#include "cli/dlq.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/timestamp.h"
#include "bus/cloudevents.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/log_event.h"
#include "proto/contract.h"
#include "projections/consumers.h"

enum { SQL_BYTES = 1536, NAMES_MAX = 256, WHY_BYTES_MAX = 500, PAGE = 200 };

// ---- what both files use ------------------------------------------------------------------------

static bool is_first_of_service(size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(consumer_at(k)->service, consumer_at(i)->service) == 0)
            return false;
    return true;
}

size_t dlq_service_count(void)
{
    size_t count = 0;
    for (size_t i = 0; i < consumer_count(); i++)
        count += is_first_of_service(i);
    return count;
}

const char *dlq_service_at(size_t place)
{
    for (size_t i = 0; i < consumer_count(); i++)
        if (is_first_of_service(i) && place-- == 0)
            return consumer_at(i)->service;
    return NULL;
}

void dlq_params(struct pg_param out[DLQ_PARAMS], const struct dlq_filter *filter)
{
    out[0] = pg_text(filter->consumer);
    out[1] = pg_text(filter->type);
    out[2] = pg_text(filter->reason);
    out[3] = pg_uuid(uuid_is_nil(&filter->event_id) ? NULL : &filter->event_id);
}

enum nova_status dlq_connect(struct pg **out, const struct settings *settings, const char *service,
                             const char *role, struct error *err)
{
    return client_postgres(out, settings, service, role, "nova dlq", err);
}

enum nova_status dlq_count(int64_t *out, const struct settings *settings,
                           const struct dlq_filter *filter, struct error *err)
{
    struct pg_param params[DLQ_PARAMS];
    enum nova_status status = NOVA_OK;
    dlq_params(params, filter);
    *out = 0;
    for (size_t i = 0; i < dlq_service_count() && status == NOVA_OK; i++) {
        char sql[SQL_BYTES];
        struct pg *pg = NULL;
        struct pg_result *row = NULL;
        snprintf(sql, sizeof sql, "SELECT count(*) FROM %s.dead_letter WHERE " DLQ_WHERE,
                 dlq_service_at(i));
        status = dlq_connect(&pg, settings, dlq_service_at(i), "operator", err);
        if (status == NOVA_OK)
            status = pg_query(&row, pg, sql, params, DLQ_PARAMS, err);
        if (status == NOVA_OK)
            *out += pg_get_int8(row, 0, 0);
        pg_result_destroy(&row);
        pg_destroy(&pg);
    }
    return status;
}

const char *dlq_person(void)
{
    const char *user = getenv("SUDO_USER");
    if (user == NULL || *user == '\0')
        user = getenv("USER");
    return user != NULL && *user != '\0' ? user : "an operator";
}

// ---- dead letters -------------------------------------------------------------------------------

// In the order of the columns that are asked for.
enum column {
    CONSUMER,
    SOURCE,
    N,
    POSITION,
    EVENT_ID,
    AGGREGATE_ID,
    TYPE,
    ATTEMPTS,
    REASON,
    PARKED_AT,
    EVENT
};

static json_t *id_json(const struct pg_result *rows, size_t row, int column)
{
    char text[UUID_TEXT_BYTES];
    struct uuid id = pg_get_uuid(rows, row, column);
    uuid_format(text, &id);
    return json_string(text);
}

static json_t *time_json(const struct pg_result *rows, size_t row, int column)
{
    char text[TIMESTAMP_BYTES];
    timestamp_format(text, pg_get_time_us(rows, row, column));
    return json_string(text);
}

// The columns up to REASON, which dead_letter and audit_event share.
static json_t *letter_json(const struct pg_result *rows, size_t row)
{
    return json_pack(
        "{ss ss sI sI so so ss sI ss}", "consumer", pg_get_text(rows, row, CONSUMER), "source",
        pg_get_text(rows, row, SOURCE), "n", (json_int_t)pg_get_int8(rows, row, N), "position",
        (json_int_t)pg_get_int8(rows, row, POSITION), "event_id", id_json(rows, row, EVENT_ID),
        "aggregate_id", id_json(rows, row, AGGREGATE_ID), "type", pg_get_text(rows, row, TYPE),
        "attempts", (json_int_t)pg_get_int4(rows, row, ATTEMPTS), "reason",
        pg_get_text(rows, row, REASON));
}

// The whole event as `nova log query` shows it; "<unknown>" for a message of somebody else's.
static enum nova_status add_event(json_t *letter, struct log_keys *keys,
                                  const struct pg_result *rows, size_t row, struct error *err)
{
    struct error why;
    struct event event;
    struct cloudevents_extra extra;
    json_t *json = NULL;
    struct arena *arena = arena_create();
    const char *source = pg_get_text(rows, row, SOURCE);
    enum nova_status status = NOVA_OK;
    if (cloudevents_decode(&event, &extra, arena, source, pg_get_bytea(rows, row, EVENT), &why) ==
        NOVA_OK)
        status = log_events_json(&json, keys, source, &event, &extra.traceparent, 1, err);
    else
        json = json_string("<unknown>");
    if (status == NOVA_OK)
        json_object_set_new(letter, "event", json);
    arena_destroy(&arena);
    return status;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static json_int_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void print_letter(const json_t *letter, bool as_json)
{
    if (as_json) {
        json_dumpf(letter, stdout, JSON_COMPACT);
        putchar('\n');
        return;
    }
    char *payload = json_dumps(json_object_get(json_object_get(letter, "event"), "payload"),
                               JSON_COMPACT | JSON_ENCODE_ANY);
    printf("%s %s %s:%" JSON_INTEGER_FORMAT " %s %s\n    event %s, attempts %" JSON_INTEGER_FORMAT
           "\n    %s\n    %s\n",
           text_of(letter, "parked_at"), text_of(letter, "consumer"), text_of(letter, "source"),
           number_of(letter, "position"), text_of(letter, "type"), text_of(letter, "aggregate_id"),
           text_of(letter, "event_id"), number_of(letter, "attempts"), text_of(letter, "reason"),
           payload != NULL ? payload : "<unknown>");
    free(payload);
}

static enum nova_status print_rows(const struct pg_result *rows, struct log_keys *keys,
                                   bool as_json, bool whole, struct error *err)
{
    enum nova_status status = NOVA_OK;
    for (size_t row = 0; row < pg_rows(rows) && status == NOVA_OK; row++) {
        json_t *letter = letter_json(rows, row);
        json_object_set_new(letter, "parked_at", time_json(rows, row, PARKED_AT));
        status = add_event(letter, keys, rows, row, err);
        if (status == NOVA_OK && whole) {
            json_dumpf(letter, stdout, as_json ? JSON_COMPACT : JSON_INDENT(2));
            putchar('\n');
        } else if (status == NOVA_OK) {
            print_letter(letter, as_json);
        }
        json_decref(letter);
    }
    return status;
}

// A page at a time: a consumer that was left alone has as many as its source brings.
static enum nova_status print_service(int64_t *printed, const struct settings *settings,
                                      const char *service, const struct dlq_filter *filter,
                                      struct log_keys *keys, bool whole, struct error *err)
{
    char sql[SQL_BYTES], consumer[256] = "", source[256] = "";
    struct pg *pg = NULL;
    size_t count = PAGE;
    int64_t n = 0;
    struct pg_param params[DLQ_PARAMS + 4];
    snprintf(sql, sizeof sql,
             "SELECT consumer, source, n, position, event_id, aggregate_id, type, attempts, error,"
             " parked_at, event FROM %s.dead_letter WHERE " DLQ_WHERE
             " AND (consumer, source, n) > ($5, $6, $7) ORDER BY consumer, source, n LIMIT $8",
             service);
    enum nova_status status = dlq_connect(&pg, settings, service, "operator", err);
    while (status == NOVA_OK && count == PAGE) {
        struct pg_result *rows = NULL;
        dlq_params(params, filter);
        params[DLQ_PARAMS] = pg_text(consumer);
        params[DLQ_PARAMS + 1] = pg_text(source);
        params[DLQ_PARAMS + 2] = pg_int8(n);
        params[DLQ_PARAMS + 3] = pg_int8(PAGE);
        status = pg_query(&rows, pg, sql, params, DLQ_PARAMS + 4, err);
        count = pg_rows(rows);
        *printed += (int64_t)count;
        if (status == NOVA_OK)
            status = print_rows(rows, keys, filter->as_json, whole, err);
        if (count > 0) {
            snprintf(consumer, sizeof consumer, "%s", pg_get_text(rows, count - 1, CONSUMER));
            snprintf(source, sizeof source, "%s", pg_get_text(rows, count - 1, SOURCE));
            n = pg_get_int8(rows, count - 1, N);
        }
        pg_result_destroy(&rows);
    }
    pg_destroy(&pg);
    return status;
}

// `whole`: everything of each, as JSON.
static int dlq_print(const struct settings *settings, const struct dlq_filter *filter, bool whole)
{
    struct error err = {0};
    int64_t printed = 0;
    enum nova_status status = NOVA_OK;
    struct log_keys *keys = log_keys_create(settings, true);
    for (size_t i = 0; i < dlq_service_count() && status == NOVA_OK; i++)
        status = print_service(&printed, settings, dlq_service_at(i), filter, keys, whole, &err);
    log_keys_destroy(&keys);
    if (status != NOVA_OK)
        return command_failed(&err);
    if (printed > 0 || (!whole && filter->as_json))
        return EXIT_CODE_OK;
    command_say(whole ? "no consumer has parked that event: ./nova dlq list" : "nothing is parked");
    return whole ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

// ---- what operators did -------------------------------------------------------------------------

enum { AT = REASON + 1, ROLE, PERSON, ACTION, WHY };

static void print_deed(const struct pg_result *rows, size_t row, bool as_json)
{
    json_t *deed = letter_json(rows, row);
    json_object_set_new(deed, "at", time_json(rows, row, AT));
    json_object_set_new(deed, "role", json_string(pg_get_text(rows, row, ROLE)));
    json_object_set_new(deed, "person", json_string(pg_get_text(rows, row, PERSON)));
    json_object_set_new(deed, "action", json_string(pg_get_text(rows, row, ACTION)));
    json_object_set_new(deed, "why",
                        pg_is_null(rows, row, WHY) ? json_null()
                                                   : json_string(pg_get_text(rows, row, WHY)));
    if (as_json) {
        json_dumpf(deed, stdout, JSON_COMPACT);
        putchar('\n');
    } else {
        printf("%s %s (%s) %s %s of %s: event %s\n    %s\n", text_of(deed, "at"),
               text_of(deed, "person"), text_of(deed, "role"), text_of(deed, "action"),
               text_of(deed, "type"), text_of(deed, "consumer"), text_of(deed, "event_id"),
               text_of(deed, text_of(deed, "why") != NULL ? "why" : "reason"));
    }
    json_decref(deed);
}

static enum nova_status audit_service(const struct settings *settings, const char *service,
                                      bool as_json, struct error *err)
{
    char sql[SQL_BYTES];
    struct pg *pg = NULL;
    int64_t id = 0;
    size_t count = PAGE;
    snprintf(sql, sizeof sql,
             "SELECT consumer, source, n, position, event_id, aggregate_id, type, attempts, reason,"
             " at, role, person, action, why, id FROM %s.audit_event WHERE id > $1 ORDER BY id"
             " LIMIT $2",
             service);
    enum nova_status status = dlq_connect(&pg, settings, service, "auditor", err);
    while (status == NOVA_OK && count == PAGE) {
        struct pg_result *rows = NULL;
        const struct pg_param params[] = {pg_int8(id), pg_int8(PAGE)};
        status = pg_query(&rows, pg, sql, params, 2, err);
        count = pg_rows(rows);
        for (size_t row = 0; row < count; row++)
            print_deed(rows, row, as_json);
        id = count > 0 ? pg_get_int8(rows, count - 1, WHY + 1) : id;
        pg_result_destroy(&rows);
    }
    pg_destroy(&pg);
    return status;
}

static int dlq_audit(const struct settings *settings, bool as_json)
{
    struct error err = {0};
    for (size_t i = 0; i < dlq_service_count(); i++)
        if (audit_service(settings, dlq_service_at(i), as_json, &err) != NOVA_OK)
            return command_failed(&err);
    return EXIT_CODE_OK;
}

// ---- arguments ----------------------------------------------------------------------------------

// A mistyped name would look as if nothing were parked.
static int check_names(const struct dlq_filter *filter)
{
    const char *names[NAMES_MAX];
    size_t count = 0;
    if (filter->consumer != NULL && consumer_find(filter->consumer) == NULL) {
        for (size_t i = 0; i < consumer_count() && count < NAMES_MAX; i++)
            names[count++] = consumer_at(i)->name;
        return command_unknown("dlq", "consumer", filter->consumer, names, count);
    }
    if (filter->type == NULL)
        return EXIT_CODE_OK;
    for (size_t i = 0; i < contract_event_count() && count + 2 <= NAMES_MAX; i++) {
        const struct contract_event *event = contract_event_at(i);
        if (strcmp(event->type, filter->type) == 0 ||
            strcmp(event->aggregate_type, filter->type) == 0)
            return EXIT_CODE_OK;
        names[count++] = event->type;
        names[count++] = event->aggregate_type;
    }
    return command_unknown("dlq", "type of event", filter->type, names, count);
}

static const char **value_of(struct dlq_filter *filter, const char *option, bool discards)
{
    if (strcmp(option, "--consumer") == 0)
        return &filter->consumer;
    if (strcmp(option, "--type") == 0)
        return &filter->type;
    if (strcmp(option, "--reason") == 0)
        return &filter->reason;
    return strcmp(option, "--why") == 0 && discards ? &filter->why : NULL;
}

static int parse_arguments(struct dlq_filter *filter, int argc, char **argv)
{
    const char *what = argv[0];
    bool discards = strcmp(what, "discard") == 0, changes = discards || strcmp(what, "retry") == 0;
    for (int i = 1; i < argc; i++) {
        const char **value = value_of(filter, argv[i], discards);
        if (changes && strcmp(argv[i], "--all") == 0)
            filter->all = true;
        else if (changes && strcmp(argv[i], "--yes") == 0)
            filter->yes = true;
        else if (!changes && strcmp(argv[i], "--json") == 0)
            filter->as_json = true;
        else if (value != NULL && (i + 1 == argc || *argv[i + 1] == '\0'))
            return command_usage("dlq", "%s wants a value", argv[i]);
        else if (value != NULL)
            *value = argv[++i];
        else if (argv[i][0] == '-')
            return command_usage("dlq", "dlq %s takes no '%s'", what, argv[i]);
        else if (!uuid_is_nil(&filter->event_id) || !uuid_parse(&filter->event_id, argv[i]))
            return command_usage("dlq", "dlq %s takes one event's id, a UUID, not '%s'", what,
                                 argv[i]);
    }
    return check_names(filter);
}

// Says what is missing, before anything is changed.
static int check_change(const struct dlq_filter *filter, bool discards)
{
    if (uuid_is_nil(&filter->event_id) == !filter->all)
        return command_usage("dlq", "name one event by its id, or say --all (with --consumer, "
                                    "--type or --reason: all of those)");
    if (discards && (filter->why == NULL || strlen(filter->why) > WHY_BYTES_MAX))
        return command_usage("dlq",
                             "dlq discard wants --why TEXT, at most %d bytes: an auditor "
                             "reads it",
                             WHY_BYTES_MAX);
    if (filter->all && !filter->yes && !isatty(STDIN_FILENO))
        return command_usage("dlq", "--all asks before it changes anything; where nobody can "
                                    "answer, say --yes");
    return EXIT_CODE_OK;
}

int command_dlq(const struct settings *settings, int argc, char **argv)
{
    static const char *const words[] = {"list", "show", "retry", "discard", "audit"};
    struct dlq_filter filter = {0};
    const char *what = argc >= 2 ? argv[1] : "";
    size_t word = 0;
    while (word < 5 && strcmp(words[word], what) != 0)
        word++;
    if (word == 5)
        return *what != '\0' ? command_unknown("dlq", "dlq command", what, words, 5)
                             : command_usage("dlq", "dlq wants 'list', 'show', 'retry', "
                                                    "'discard' or 'audit'");
    int code = parse_arguments(&filter, argc - 1, argv + 1);
    if (code == EXIT_CODE_OK && word == 1 && uuid_is_nil(&filter.event_id))
        code = command_usage("dlq", "dlq show wants an event's id");
    if (code == EXIT_CODE_OK && (word == 2 || word == 3))
        code = check_change(&filter, word == 3);
    if (code != EXIT_CODE_OK)
        return code;
    if (word == 4)
        return dlq_audit(settings, filter.as_json);
    if (word >= 2)
        return word == 2 ? dlq_retry(settings, &filter) : dlq_discard(settings, &filter);
    return dlq_print(settings, &filter, word == 1);
}
