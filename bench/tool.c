// tool.c - see tool.h.
#include "bench/tool.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/access.h"

enum { CONNECT_ATTEMPTS = 20, COPY_CHUNK_BYTES = 1 << 20 };

static struct settings *settings;
static int argument_count;
static char **arguments;

void tool_fail(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    exit(1);
}

void tool_must(enum nova_status status, const struct error *err)
{
    if (status != NOVA_OK)
        tool_fail("%s", err->text);
}

void tool_must_nats(natsStatus status, const char *what)
{
    if (status != NATS_OK)
        tool_fail("%s: %s (%s)", what, natsStatus_GetText(status), nats_GetLastError(NULL));
}

void tool_start(int argc, char **argv)
{
    struct error err = {0};
    argument_count = argc;
    arguments = argv;
    for (int i = 1; i < argc; i += 2)
        if (strncmp(argv[i], "--", 2) != 0 || i + 1 == argc)
            tool_fail("'%s' is not understood: --name value", argv[i]);
    tool_must(seal_start(&err), &err);
    tool_must(settings_load(&settings, &(struct settings_options){0}, &err), &err);
}

void tool_end(void)
{
    settings_destroy(&settings);
    nats_CloseAndWait(0);
}

const struct settings *tool_settings(void)
{
    return settings;
}

const char *tool_text(const char *name)
{
    for (int i = 1; i + 1 < argument_count; i += 2)
        if (strcmp(arguments[i], name) == 0)
            return arguments[i + 1];
    return NULL;
}

int64_t tool_int(const char *name, int64_t otherwise)
{
    const char *text = tool_text(name);
    char *end = NULL;
    int64_t value = text == NULL ? otherwise : strtoll(text, &end, 10);
    if (text != NULL && (*end != '\0' || end == text))
        tool_fail("%s wants a number, not '%s'", name, text);
    return value;
}

// ---- PostgreSQL ---------------------------------------------------------------------------------

PGconn *tool_libpq(const char *service, const char *role)
{
    struct error err = {0};
    char url[ACCESS_URL_BYTES];
    tool_must(access_postgres_url(url, settings, service, role, &err), &err);
    PGconn *connection = PQconnectdb(url);
    explicit_bzero(url, sizeof url);
    if (PQstatus(connection) != CONNECTION_OK)
        tool_fail("%s", PQerrorMessage(connection));
    return connection;
}

struct pg *tool_pg(const char *service, const char *role)
{
    struct error err = {0};
    struct pg *pg = NULL;
    char url[ACCESS_URL_BYTES];
    tool_must(access_postgres_url(url, settings, service, role, &err), &err);
    tool_must(pg_connect(&pg, url, "nova bench", &err), &err);
    explicit_bzero(url, sizeof url);
    return pg;
}

PGresult *tool_rows(PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_COPY_IN &&
        status != PGRES_COPY_OUT)
        tool_fail("%s", PQresultErrorMessage(result));
    return result;
}

void tool_sql(PGconn *connection, const char *sql)
{
    PQclear(tool_rows(PQexec(connection, sql)));
}

void tool_copy_in(PGconn *connection, const char *bytes, size_t len)
{
    for (size_t at = 0; at < len; at += COPY_CHUNK_BYTES) {
        size_t chunk = len - at < COPY_CHUNK_BYTES ? len - at : COPY_CHUNK_BYTES;
        if (PQputCopyData(connection, bytes + at, (int)chunk) != 1)
            tool_fail("%s", PQerrorMessage(connection));
    }
    if (PQputCopyEnd(connection, NULL) != 1)
        tool_fail("%s", PQerrorMessage(connection));
    PGresult *result;
    while ((result = PQgetResult(connection)) != NULL)
        PQclear(tool_rows(result));
}

// ---- NATS ---------------------------------------------------------------------------------------

static natsStatus tool_nats_options(natsOptions **out, const char *user, bool asap)
{
    struct error err = {0};
    char url[ACCESS_URL_BYTES], seed[PATH_MAX], key[ACCESS_PUBLIC_BYTES], inbox[96];
    tool_must(access_nats_url(url, settings, &err), &err);
    tool_must(access_nats_seed_path(seed, settings, user, &err), &err);
    tool_must(access_nats_public(key, settings, user, &err), &err);
    snprintf(inbox, sizeof inbox, "_INBOX.%s", user);
    natsStatus s = natsOptions_Create(out);
    s = s ? s : natsOptions_SetURL(*out, url);
    s = s ? s : natsOptions_SetCustomInboxPrefix(*out, inbox);
    s = s ? s : natsOptions_SetSendAsap(*out, asap);
    return s ? s : natsOptions_SetNKeyFromSeed(*out, key, seed);
}

natsConnection *tool_nats(const char *user, bool asap)
{
    natsOptions *options = NULL;
    natsConnection *connection = NULL;
    natsStatus s = tool_nats_options(&options, user, asap);
    // nats.c 3.4.1 sends no signature that begins with a zero byte (docs/decisions/0008).
    for (int i = 0; i < CONNECT_ATTEMPTS && connection == NULL && options != NULL; i++)
        s = natsConnection_Connect(&connection, options);
    natsOptions_Destroy(options);
    tool_must_nats(s, "connecting to NATS");
    return connection;
}

struct bus_connection *tool_bus(const char *user)
{
    struct error err = {0};
    struct bus_connection *connection = NULL;
    char url[ACCESS_URL_BYTES], seed[PATH_MAX];
    tool_must(access_nats_url(url, settings, &err), &err);
    tool_must(access_nats_seed_path(seed, settings, user, &err), &err);
    const struct bus_options options = {url, "nova bench", user, seed, 10000};
    tool_must(bus_connect(&connection, &options, &err), &err);
    return connection;
}

// ---- time ---------------------------------------------------------------------------------------

double tool_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double *tool_doubles(int64_t count)
{
    double *values = NULL;
    if (count > 0 && count < INT32_MAX)
        values = calloc((size_t)count, sizeof *values);
    if (values == NULL)
        tool_fail("no room for %lld measurements", (long long)count);
    return values;
}

static int tool_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double tool_percentile(double *values, size_t count, double p)
{
    if (count == 0)
        return 0;
    qsort(values, count, sizeof *values, tool_compare);
    return values[(size_t)(p * (double)(count - 1) + 0.5)];
}
