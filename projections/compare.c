// compare.c - see compare.h. Keys are compared bytewise, as PostgreSQL sorts them by COLLATE "C".
#include "projections/compare.h"

#include <stdio.h>
#include <string.h>

enum { SQL_BYTES = 1024, PAGE = 500 };

struct side {
    struct pg *pg;
    struct pg_result *page;
    size_t row;
    bool at_end;
};

// ---- one side -----------------------------------------------------------------------------------

static enum nova_status side_open(struct side *side, const struct compare_side *of,
                                  const char *table, const char *key, struct error *err)
{
    char sql[SQL_BYTES];
    *side = (struct side){.pg = of->pg};
    snprintf(sql, sizeof sql,
             "DECLARE compared NO SCROLL CURSOR FOR SELECT ROW(%s)::text COLLATE \"C\","
             " to_jsonb(compared_row)::text FROM %s.%s AS compared_row ORDER BY 1",
             key, of->schema, table);
    return pg_exec(side->pg, sql, err);
}

// Makes sure that there is a row, or that the end is reached.
static enum nova_status side_load(struct side *side, struct error *err)
{
    char sql[64];
    if (side->at_end || side->row < pg_rows(side->page))
        return NOVA_OK;
    pg_result_destroy(&side->page);
    side->row = 0;
    snprintf(sql, sizeof sql, "FETCH %d FROM compared", PAGE);
    enum nova_status status = pg_query(&side->page, side->pg, sql, NULL, 0, err);
    side->at_end = status == NOVA_OK && pg_rows(side->page) == 0;
    return status;
}

static enum nova_status side_close(struct side *side, struct error *err)
{
    pg_result_destroy(&side->page);
    return pg_exec(side->pg, "CLOSE compared", err);
}

static const char *side_key(const struct side *side)
{
    return pg_get_text(side->page, side->row, 0);
}

static const char *side_row(const struct side *side)
{
    return pg_get_text(side->page, side->row, 1);
}

// ---- a table ------------------------------------------------------------------------------------

static void tell(struct compare_counts *counts, const struct compare_options *options,
                 const struct compare_difference *difference)
{
    counts->differences++;
    options->differs(options->context, difference);
}

// The next row of one side or of both.
static void merge_row(struct compare_counts *counts, struct side *one, struct side *other,
                      const char *table, const struct compare_options *options)
{
    int order = one->at_end ? 1 : other->at_end ? -1 : strcmp(side_key(one), side_key(other));
    struct compare_difference difference = {.table = table};
    if (order <= 0)
        difference.one = side_row(one);
    if (order >= 0)
        difference.other = side_row(other);
    difference.key = order <= 0 ? side_key(one) : side_key(other);
    difference.what = order < 0    ? COMPARE_ONLY_ONE
                      : order == 0 ? COMPARE_DIFFERS
                                   : COMPARE_ONLY_OTHER;
    if (order != 0 || strcmp(difference.one, difference.other) != 0)
        tell(counts, options, &difference);
    counts->rows += order <= 0;
    one->row += order <= 0;
    other->row += order >= 0;
}

static enum nova_status merge(struct compare_counts *counts, struct side *one, struct side *other,
                              const char *table, const struct compare_options *options,
                              struct error *err)
{
    for (;;) {
        enum nova_status status = side_load(one, err);
        if (status == NOVA_OK)
            status = side_load(other, err);
        if (status != NOVA_OK || (one->at_end && other->at_end))
            return status;
        if (options->cancelled != NULL && *options->cancelled)
            return error_set(err, NOVA_CANCELLED, "interrupted");
        merge_row(counts, one, other, table, options);
    }
}

static enum nova_status compare_table(struct compare_counts *counts, const char *table,
                                      const char *key, const struct compare_options *options,
                                      struct error *err)
{
    struct side one = {0}, other = {0};
    enum nova_status status = side_open(&one, &options->one, table, key, err);
    if (status == NOVA_OK)
        status = side_open(&other, &options->other, table, key, err);
    if (status == NOVA_OK)
        status = merge(counts, &one, &other, table, options, err);
    if (status == NOVA_OK)
        status = side_close(&one, err);
    if (status == NOVA_OK)
        status = side_close(&other, err);
    pg_result_destroy(&one.page);
    pg_result_destroy(&other.page);
    return status;
}

// ---- all of them --------------------------------------------------------------------------------

enum nova_status compare_run(struct compare_counts *out, const struct compare_options *options,
                             struct error *err)
{
    static const char sql[] =
        "SELECT quote_ident(c.relname), string_agg(quote_ident(a.attname), ', ' ORDER BY k.place)"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary"
        " LEFT JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place) ON true"
        " LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number"
        " WHERE n.nspname = $1 AND c.relkind = 'r' GROUP BY c.relname ORDER BY c.relname";
    struct pg_result *tables = NULL;
    const struct pg_param schema[] = {pg_text(options->one.schema)};
    *out = (struct compare_counts){0};
    enum nova_status status = pg_query(&tables, options->one.pg, sql, schema, 1, err);
    for (size_t i = 0; i < pg_rows(tables) && status == NOVA_OK; i++) {
        const char *table = pg_get_text(tables, i, 0), *key = pg_get_text(tables, i, 1);
        if (key == NULL)
            status = error_set(err, NOVA_FAILED_PRECONDITION,
                               "%s.%s has no primary key, by which its rows could be compared",
                               options->one.schema, table);
        else
            status = compare_table(out, table, key, options, err);
        out->tables++;
    }
    pg_result_destroy(&tables);
    return status;
}
