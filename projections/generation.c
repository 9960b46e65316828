// generation.c - see generation.h. Names of schemas and roles are ours, from the lists in the
// binary, so they may stand in SQL texts.
#include "projections/generation.h"

#include <inttypes.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

enum { SQL_BYTES = 1024 };

void generation_schema(char out[GENERATION_SCHEMA_BYTES], const struct projection *projection,
                       int32_t number)
{
    snprintf(out, GENERATION_SCHEMA_BYTES, "%s_g%" PRId32, projection->name, number);
}

void generation_definition(char out[GENERATION_DEFINITION_BYTES],
                           const struct projection *projection)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256((const uint8_t *)projection->tables_sql, strlen(projection->tables_sql), digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

enum nova_status generation_read(struct generation *out, struct pg *pg,
                                 const struct projection *projection, struct error *err)
{
    char sql[SQL_BYTES];
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_text(projection->name)};
    *out = (struct generation){0};
    snprintf(sql, sizeof sql,
             "SELECT generation, COALESCE(previous, 0), switched_at FROM %s.generation"
             " WHERE projection = $1",
             projection->consumer->service);
    enum nova_status status = pg_query(&rows, pg, sql, params, 1, err);
    if (pg_rows(rows) > 0)
        *out = (struct generation){pg_get_int4(rows, 0, 0), pg_get_int4(rows, 0, 1),
                                   pg_get_time_us(rows, 0, 2)};
    pg_result_destroy(&rows);
    return status;
}

enum nova_status generation_others(struct generation_others *out, struct pg *pg,
                                   const struct projection *projection,
                                   const struct generation *generation, struct error *err)
{
    struct pg_result *row = NULL;
    const struct pg_param params[] = {pg_text(projection->name), pg_int4(generation->live),
                                      pg_int4(generation->previous)};
    *out = (struct generation_others){0};
    enum nova_status status = pg_query(
        &row, pg,
        "SELECT COALESCE(max(number) FILTER (WHERE number = $3), 0),"
        " COALESCE(max(number) FILTER (WHERE number <> $3), 0) FROM"
        " (SELECT substring(nspname FROM '_g([0-9]+)$')::integer AS number FROM pg_namespace"
        " WHERE nspname ~ ('^' || $1 || '_g[0-9]+$')) AS every WHERE number <> $2",
        params, 3, err);
    if (status == NOVA_OK)
        *out = (struct generation_others){pg_get_int4(row, 0, 0), pg_get_int4(row, 0, 1)};
    pg_result_destroy(&row);
    return status;
}

// Runs SQL as the service's owner, with the generation's schema first in the search path.
static enum nova_status run_as_owner(struct pg *pg, const struct projection *projection,
                                     int32_t number, const char *sql, struct error *err)
{
    char before[SQL_BYTES], schema[GENERATION_SCHEMA_BYTES];
    const char *service = projection->consumer->service;
    generation_schema(schema, projection, number);
    snprintf(before, sizeof before, "SET LOCAL ROLE %s_owner; SET LOCAL search_path = %s, %s",
             service, schema, service);
    enum nova_status status = pg_exec(pg, before, err);
    if (status == NOVA_OK)
        status = pg_exec(pg, sql, err);
    if (status == NOVA_OK)
        status = pg_exec(pg, "RESET ROLE; SET LOCAL search_path TO DEFAULT", err);
    return status == NOVA_OK ? NOVA_OK : error_while(err, "%s", schema);
}

// The definition that a schema was made of, as its comment says.
static enum nova_status read_definition(char out[GENERATION_DEFINITION_BYTES], struct pg *pg,
                                        const char *schema, struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_text(schema)};
    out[0] = '\0';
    enum nova_status status =
        pg_query(&rows, pg,
                 "SELECT COALESCE(obj_description(oid, 'pg_namespace'), 'unknown')"
                 " FROM pg_namespace WHERE nspname = $1",
                 params, 1, err);
    if (pg_rows(rows) > 0)
        snprintf(out, GENERATION_DEFINITION_BYTES, "%s", pg_get_text(rows, 0, 0));
    pg_result_destroy(&rows);
    return status;
}

enum nova_status generation_is_known(bool *known, struct pg *pg,
                                     const struct projection *projection, int32_t number,
                                     struct error *err)
{
    char schema[GENERATION_SCHEMA_BYTES];
    char definition[GENERATION_DEFINITION_BYTES], there[GENERATION_DEFINITION_BYTES];
    generation_schema(schema, projection, number);
    generation_definition(definition, projection);
    enum nova_status status = read_definition(there, pg, schema, err);
    *known = strcmp(there, definition) == 0;
    return status;
}

enum nova_status generation_create(bool *known, struct pg *pg, const struct projection *projection,
                                   int32_t number, struct error *err)
{
    char sql[SQL_BYTES], schema[GENERATION_SCHEMA_BYTES];
    char definition[GENERATION_DEFINITION_BYTES], there[GENERATION_DEFINITION_BYTES];
    generation_schema(schema, projection, number);
    generation_definition(definition, projection);
    enum nova_status status = read_definition(there, pg, schema, err);
    *known = strcmp(there, definition) == 0;
    if (status != NOVA_OK || *known)
        return status;
    if (there[0] != '\0')
        status = generation_drop(pg, projection, number, err);
    snprintf(sql, sizeof sql, "CREATE SCHEMA %s; COMMENT ON SCHEMA %s IS '%s'", schema, schema,
             definition);
    if (status == NOVA_OK)
        status = run_as_owner(pg, projection, number, sql, err);
    if (status == NOVA_OK)
        status = run_as_owner(pg, projection, number, projection->tables_sql, err);
    return status;
}

enum nova_status generation_show(struct pg *pg, const struct projection *projection, int32_t number,
                                 struct error *err)
{
    return run_as_owner(pg, projection, number, projection->views_sql, err);
}

enum nova_status generation_drop(struct pg *pg, const struct projection *projection, int32_t number,
                                 struct error *err)
{
    char sql[SQL_BYTES], schema[GENERATION_SCHEMA_BYTES];
    generation_schema(schema, projection, number);
    snprintf(sql, sizeof sql, "DROP SCHEMA IF EXISTS %s CASCADE", schema);
    return run_as_owner(pg, projection, number, sql, err);
}

// ---- the first one ------------------------------------------------------------------------------

static enum nova_status install_in_transaction(struct pg *pg, const struct projection *projection,
                                               struct error *err)
{
    bool known;
    char sql[SQL_BYTES];
    struct generation generation;
    const struct pg_param name[] = {pg_text(projection->name)};
    // Two installations at once: the second finds what the first made. Who may only read the table
    // cannot stand in the way, as with an advisory lock.
    snprintf(sql, sizeof sql, "LOCK TABLE %s.generation IN SHARE ROW EXCLUSIVE MODE",
             projection->consumer->service);
    enum nova_status status = pg_exec(pg, sql, err);
    if (status == NOVA_OK)
        status = generation_read(&generation, pg, projection, err);
    if (status != NOVA_OK || generation.live != 0)
        return status;
    status = generation_create(&known, pg, projection, 1, err);
    if (status == NOVA_OK)
        status = generation_show(pg, projection, 1, err);
    snprintf(sql, sizeof sql, "INSERT INTO %s.generation (projection, generation) VALUES ($1, 1)",
             projection->consumer->service);
    return status == NOVA_OK ? pg_query(NULL, pg, sql, name, 1, err) : status;
}

static bool is_chosen(const char *service, const char *const *services, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(services[i], service) == 0)
            return true;
    return services == NULL;
}

enum nova_status generation_install(struct pg *pg, const char *const *services,
                                    size_t service_count, struct error *err)
{
    enum nova_status status = NOVA_OK;
    for (size_t i = 0; i < projection_count() && status == NOVA_OK; i++) {
        const struct projection *projection = projection_at(i);
        if (!is_chosen(projection->consumer->service, services, service_count))
            continue;
        status = pg_exec(pg, "BEGIN", err);
        if (status == NOVA_OK)
            status = install_in_transaction(pg, projection, err);
        if (status == NOVA_OK)
            status = pg_exec(pg, "COMMIT", err);
        if (status != NOVA_OK) {
            pg_rollback(pg);
            error_while(err, "making the projection %s", projection->name);
        }
    }
    return status;
}
