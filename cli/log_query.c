// log_query.c - `nova log query`: the outboxes of all services as one log, in the order of
// recorded_at. Reads a page of each service at a time, so its memory does not grow with the log.
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/event.h"
#include "base/timestamp.h"
#include "bus/member.h"
#include "bus/topology.h"
#include "cli/command.h"
#include "cli/log.h"
#include "cli/log_event.h"
#include "cli/log_rows.h"
#include "pg/pg.h"
#include "proto/contract.h"

enum { SERVICES_MAX = 16, SQL_BYTES = 1536, TYPES_MAX = 256 };
// Nineteen centuries: from any day of ours back to the first year.
#define AGO_SECONDS_MAX (INT64_C(1900) * 365 * 86400)

struct query {
    const char *service, *type, *actor;
    struct uuid aggregate_id, correlation_id;
    int64_t since_us, until_us, occurred_since_us, occurred_until_us; // 0: not asked
    int64_t limit;                                                    // 0: all
    struct member member;
    bool sealed;
    enum log_format format;
};

// One service's outbox, read a page at a time.
struct source {
    const char *service;
    struct pg *pg;
    char sql[SQL_BYTES];
    int64_t position;
    json_t *events[LOG_EVENTS_MAX];
    int64_t recorded_us[LOG_EVENTS_MAX];
    size_t next, count;
    bool at_end;
};

// ---- arguments ----------------------------------------------------------------------------------

// 0 for what is no number, or beyond what one holds.
static int64_t parse_number(const char *text, char **end)
{
    errno = 0;
    long long number = strtoll(text, end, 10);
    return *end == text || errno != 0 ? 0 : number;
}

// "2026-01-02T03:04:05Z", Unix seconds, or "-90m": so long ago (s, m, h, d). Within the years that
// PostgreSQL and the contract know.
bool log_parse_time(int64_t *out, const char *text)
{
    char *end = NULL;
    int64_t number = parse_number(text, &end);
    if (timestamp_parse(out, text))
        return true;
    if (number == 0 || number < -AGO_SECONDS_MAX || number > EVENT_TIME_US_MAX / 1000000)
        return false;
    if (*end == '\0' && number > 0) {
        *out = number * 1000000;
        return true;
    }
    const char *unit = strchr("smhd", *end);
    static const int64_t seconds[] = {1, 60, 3600, 86400};
    if (number > 0 || *end == '\0' || unit == NULL || end[1] != '\0' ||
        -number > AGO_SECONDS_MAX / seconds[unit - "smhd"])
        return false;
    *out = (int64_t)time(NULL) * 1000000 + number * seconds[unit - "smhd"] * 1000000;
    return true;
}

static bool parse_value(struct query *query, const char *option, const char *value)
{
    char *end = NULL;
    if (strcmp(option, "--service") == 0)
        query->service = value;
    else if (strcmp(option, "--type") == 0)
        query->type = value;
    else if (strcmp(option, "--actor") == 0)
        query->actor = value;
    else if (strcmp(option, "--aggregate") == 0)
        return uuid_parse(&query->aggregate_id, value);
    else if (strcmp(option, "--correlation") == 0)
        return uuid_parse(&query->correlation_id, value);
    else if (strcmp(option, "--since") == 0)
        return log_parse_time(&query->since_us, value);
    else if (strcmp(option, "--until") == 0)
        return log_parse_time(&query->until_us, value);
    else if (strcmp(option, "--occurred-since") == 0)
        return log_parse_time(&query->occurred_since_us, value);
    else if (strcmp(option, "--occurred-until") == 0)
        return log_parse_time(&query->occurred_until_us, value);
    else if (strcmp(option, "--member") == 0)
        return member_parse(&query->member, value);
    else if (strcmp(option, "--limit") == 0)
        return (query->limit = parse_number(value, &end)) > 0 && *end == '\0';
    else
        return false;
    return *value != '\0';
}

static bool is_known(const char *option)
{
    static const char *const options[] = {"--service",   "--type",           "--actor",
                                          "--aggregate", "--correlation",    "--since",
                                          "--until",     "--occurred-since", "--occurred-until",
                                          "--limit",     "--member"};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (strcmp(option, options[i]) == 0)
            return true;
    return false;
}

// A mistyped type would look as if there were no such events.
static int check_type(const char *type)
{
    const char *words[TYPES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < contract_event_count() && count + 2 <= TYPES_MAX; i++) {
        const struct contract_event *event = contract_event_at(i);
        if (strcmp(event->type, type) == 0 || strcmp(event->aggregate_type, type) == 0)
            return EXIT_CODE_OK;
        words[count++] = event->type;
        words[count++] = event->aggregate_type;
    }
    return command_unknown("log", "type of event", type, words, count);
}

static int parse_arguments(struct query *query, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            query->format = LOG_FORMAT_JSON;
        else if (strcmp(argv[i], "--csv") == 0)
            query->format = LOG_FORMAT_CSV;
        else if (strcmp(argv[i], "--sealed") == 0)
            query->sealed = true;
        else if (!is_known(argv[i]))
            return command_usage("log", "log query takes no '%s'", argv[i]);
        else if (i + 1 == argc || !parse_value(query, argv[i], argv[i + 1]))
            return command_usage("log", "%s wants %s", argv[i],
                                 strstr(argv[i], "since") || strstr(argv[i], "until") ? LOG_TIMES
                                 : strcmp(argv[i], "--limit") == 0  ? "a number above 0"
                                 : strcmp(argv[i], "--member") == 0 ? MEMBER_IS
                                 : strcmp(argv[i], "--aggregate") == 0 ||
                                         strcmp(argv[i], "--correlation") == 0
                                     ? "a UUID"
                                     : "a value");
        else
            i++;
    }
    if (query->service != NULL && topology_stream_of(query->service) == NULL)
        return command_usage("log", "no service '%s' has a log", query->service);
    return query->type == NULL ? EXIT_CODE_OK : check_type(query->type);
}

// ---- pages --------------------------------------------------------------------------------------

static enum nova_status source_open(struct source *source, const struct settings *settings,
                                    const char *service, struct error *err)
{
    source->service = service;
    snprintf(source->sql, sizeof source->sql,
             "SELECT " LOG_COLUMNS " FROM %s.outbox WHERE position > $1"
             " AND ($2 IS NULL OR type = $2 OR aggregate_type = $2)"
             " AND ($3 IS NULL OR aggregate_id = $3) AND ($4 IS NULL OR correlation_id = $4)"
             " AND ($5 IS NULL OR actor = $5 OR actor = 'user:' || $5"
             "      OR right(actor, length($5) + 1) = '/' || $5"
             "      OR right(actor, length($5) + 6) = '/user:' || $5)"
             " AND ($6 IS NULL OR recorded_at >= $6) AND ($7 IS NULL OR recorded_at < $7)"
             " AND ($8 IS NULL OR occurred_at >= $8) AND ($9 IS NULL OR occurred_at < $9)"
             " ORDER BY position LIMIT $10",
             service);
    return log_connect(&source->pg, settings, service, err);
}

static struct pg_param time_param(int64_t unix_us)
{
    struct pg_param param = pg_time_us(unix_us);
    struct pg_param null = pg_null();
    null.type = param.type;
    return unix_us != 0 ? param : null;
}

// The rows that the member has: a group is a matter of partitions, which the outbox does not know.
static enum nova_status source_decode(struct source *source, const struct member *member,
                                      struct log_keys *keys, const struct pg_result *rows,
                                      struct error *err)
{
    struct event events[LOG_EVENTS_MAX];
    const char *traceparents[LOG_EVENTS_MAX];
    source->count = source->next = 0;
    for (size_t row = 0; row < pg_rows(rows); row++) {
        struct event *event = &events[source->count];
        *event = log_row_event(rows, row);
        source->position = event->position;
        if (!member_has(member, &event->aggregate_id))
            continue;
        traceparents[source->count] = log_row_traceparent(rows, row);
        source->recorded_us[source->count++] = event->recorded_at_us;
    }
    return log_events_json(source->events, keys, source->service, events, traceparents,
                           source->count, err);
}

static enum nova_status source_fill(struct source *source, const struct query *query,
                                    struct log_keys *keys, struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {
        pg_int8(source->position),
        pg_text(query->type),
        pg_uuid(uuid_is_nil(&query->aggregate_id) ? NULL : &query->aggregate_id),
        pg_uuid(uuid_is_nil(&query->correlation_id) ? NULL : &query->correlation_id),
        pg_text(query->actor),
        time_param(query->since_us),
        time_param(query->until_us),
        time_param(query->occurred_since_us),
        time_param(query->occurred_until_us),
        pg_int8(LOG_EVENTS_MAX),
    };
    enum nova_status status = pg_query(&rows, source->pg, source->sql, params, 10, err);
    if (status == NOVA_OK)
        status = source_decode(source, &query->member, keys, rows, err);
    source->at_end = status != NOVA_OK || pg_rows(rows) < LOG_EVENTS_MAX;
    if (status != NOVA_OK)
        source->count = 0;
    pg_result_destroy(&rows);
    return status;
}

// ---- all of them as one -------------------------------------------------------------------------

// The source whose next event was recorded first; NULL: the end.
static struct source *first_of(struct source *sources, size_t count, const struct query *query,
                               struct log_keys *keys, enum nova_status *status, struct error *err)
{
    struct source *first = NULL;
    for (size_t i = 0; i < count && *status == NOVA_OK; i++) {
        struct source *source = &sources[i];
        while (source->next == source->count && !source->at_end && *status == NOVA_OK)
            *status = source_fill(source, query, keys, err);
        if (source->next < source->count &&
            (first == NULL || source->recorded_us[source->next] < first->recorded_us[first->next]))
            first = source;
    }
    return *status == NOVA_OK ? first : NULL;
}

static enum nova_status print_all(struct source *sources, size_t count, const struct query *query,
                                  struct log_keys *keys, struct error *err)
{
    enum nova_status status = NOVA_OK;
    struct source *source;
    log_print_header(query->format);
    for (int64_t printed = 0; query->limit == 0 || printed < query->limit; printed++) {
        source = first_of(sources, count, query, keys, &status, err);
        if (source == NULL || ferror(stdout))
            break;
        log_print(source->events[source->next], query->format);
        json_decref(source->events[source->next++]);
    }
    return status;
}

int log_query(const struct settings *settings, int argc, char **argv)
{
    struct query query = {.format = LOG_FORMAT_TEXT};
    struct error err = {0};
    size_t count = 0;
    int code = parse_arguments(&query, argc, argv);
    if (code != EXIT_CODE_OK)
        return code;
    struct source *sources = calloc(SERVICES_MAX, sizeof *sources);
    struct log_keys *keys = log_keys_create(settings, !query.sealed);
    enum nova_status status = NOVA_OK;
    for (size_t i = 0; i < topology_stream_count() && status == NOVA_OK; i++) {
        const char *service = topology_stream_service(i);
        if (query.service == NULL || strcmp(query.service, service) == 0)
            status = source_open(&sources[count++], settings, service, &err);
    }
    if (status == NOVA_OK)
        status = print_all(sources, count, &query, keys, &err);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = sources[i].next; j < sources[i].count; j++)
            json_decref(sources[i].events[j]);
        pg_destroy(&sources[i].pg);
    }
    free(sources);
    log_keys_destroy(&keys);
    return status == NOVA_OK ? EXIT_CODE_OK : command_failed(&err);
}
