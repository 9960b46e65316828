// sql.c - the runtime's statements, with the service's schema named in each: nothing relies on
// search_path. The service's name is a constant of ours, never input.
#include "aggregates/runtime/runtime_internal.h"

static void sql_make_keys(struct runtime *runtime)
{
    const char *s = runtime->service;
    struct arena *arena = runtime->sql;
    runtime->sql_key_of_person =
        arena_printf(arena, "SELECT key_id, wrapped FROM %s.person_key WHERE person_id = $1", s);
    runtime->sql_key_add =
        arena_printf(arena,
                     "INSERT INTO %s.person_key (person_id, key_id, wrapped) VALUES ($1, $2, $3)"
                     " ON CONFLICT (person_id) DO NOTHING",
                     s);
    runtime->sql_keys = arena_printf(arena,
                                     "SELECT key_id, wrapped FROM %s.person_key"
                                     " WHERE key_id = ANY ($1) AND wrapped IS NOT NULL",
                                     s);
    runtime->sql_key_erase =
        arena_printf(arena,
                     "UPDATE %s.person_key SET wrapped = NULL, erased_at = clock_timestamp()"
                     " WHERE person_id = $1 AND wrapped IS NOT NULL",
                     s);
}

static void sql_make_reads(struct runtime *runtime)
{
    static const char columns[] = "aggregate_id, version, type, payload, occurred_at, event_id";
    const char *s = runtime->service;
    runtime->sql_read_many =
        arena_printf(runtime->sql,
                     "SELECT %s FROM %s.outbox"
                     " WHERE aggregate_id = ANY ($1) ORDER BY aggregate_id, version",
                     columns, s);
    runtime->sql_read_first =
        arena_printf(runtime->sql,
                     "SELECT %s FROM %s.outbox"
                     " WHERE aggregate_id = ANY ($1) AND version = 1 ORDER BY aggregate_id",
                     columns, s);
}

// The same as sql_load for one aggregate. PostgreSQL keeps its plan: without an array, whose length
// it can only guess, and with the id behind a fence (OFFSET 0), no plan for these very values looks
// cheaper than a general one. And none is worse: seeing the id of an aggregate that is half of the
// outbox, it would read the whole table. It would also where aggregates are few and so, on average,
// long; a limit that it cannot see makes it expect a tenth of the rows, in order, and for these it
// takes the index.
static void sql_make_load_one(struct runtime *runtime)
{
    const char *s = runtime->service;
    runtime->sql_load_one = arena_printf(
        runtime->sql,
        "WITH snap AS MATERIALIZED (SELECT aggregate_id, version, state_version, state, digest"
        "  FROM %s.snapshot AS n WHERE $2 AND aggregate_id = $1 AND EXISTS (SELECT FROM"
        "  %s.outbox AS e WHERE e.aggregate_id = n.aggregate_id AND e.version = n.version))"
        " SELECT aggregate_id, version, NULL::text, state, NULL::timestamptz, state_version, digest"
        " FROM snap"
        " UNION ALL"
        " SELECT e.aggregate_id, e.version, e.type, e.payload, e.occurred_at, NULL, NULL"
        " FROM (SELECT $1 AS id, coalesce((SELECT version FROM snap), 0) AS after OFFSET 0) AS t"
        " CROSS JOIN LATERAL (SELECT o.aggregate_id, o.version, o.type, o.payload, o.occurred_at"
        "  FROM %s.outbox AS o WHERE o.aggregate_id = t.id AND o.version > t.after"
        "  ORDER BY o.version LIMIT (SELECT 9223372036854775807)) AS e ORDER BY 2",
        s, s, s);
}

static void sql_make_appends(struct runtime *runtime)
{
    const char *s = runtime->service;
    struct arena *arena = runtime->sql;
    runtime->sql_append = arena_printf(
        arena,
        "INSERT INTO %s.outbox (event_id, type, aggregate_type, aggregate_id, version, actor,"
        " command_id, command_index, command_digest, correlation_id, causation_id, occurred_at,"
        " traceparent, payload)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
        " RETURNING position",
        s);
    // The same for several events, in one statement. Positions are given in the rows' order.
    runtime->sql_append_many = arena_printf(
        arena,
        "INSERT INTO %s.outbox (event_id, type, aggregate_type, aggregate_id, version, actor,"
        " command_id, command_index, command_digest, correlation_id, causation_id, occurred_at,"
        " traceparent, payload)"
        " SELECT event_id, type, aggregate_type, aggregate_id, version, $7, $8, i - 1, $9, $10,"
        " $11, $12, $13, payload FROM unnest($1, $2, $3, $4, $5, $6) WITH ORDINALITY"
        " AS e (event_id, type, aggregate_type, aggregate_id, version, payload, i) ORDER BY i"
        " RETURNING position",
        s);
}

// For several commands at once (together.c).
static void sql_make_together(struct runtime *runtime)
{
    const char *s = runtime->service;
    struct arena *arena = runtime->sql;
    // One row a command, in their order. The limit keeps each look a probe of the index: PostgreSQL
    // would else turn them into one look at the whole outbox while that is small.
    runtime->sql_look_together = arena_printf(
        arena,
        "SELECT e.seen, current_setting('synchronous_commit')"
        " FROM unnest($1, $2) WITH ORDINALITY AS c (actor, command_id, i)"
        " LEFT JOIN LATERAL (SELECT true AS seen FROM %s.outbox AS o"
        "  WHERE o.actor = c.actor AND o.command_id = c.command_id LIMIT 1) AS e ON true"
        " ORDER BY i",
        s);
    // Positions are given in the rows' order. A row that meets another writer's, by its version or
    // its command id, fails the whole statement; in the second form it is left out and has no
    // position. That costs two thirds more for each row, so it is taken after the first has failed.
    static const char append[] =
        "INSERT INTO %s.outbox (event_id, type, aggregate_type, aggregate_id, version, actor,"
        " command_id, command_index, command_digest, correlation_id, causation_id, occurred_at,"
        " traceparent, payload)"
        " SELECT event_id, type, aggregate_type, aggregate_id, version, actor, command_id, 0,"
        " command_digest, correlation_id, causation_id, occurred_at, traceparent, payload"
        " FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) WITH ORDINALITY"
        " AS e (event_id, type, aggregate_type, aggregate_id, version, actor, command_id,"
        " command_digest, correlation_id, causation_id, occurred_at, traceparent, payload, i)"
        " ORDER BY i %s RETURNING position, event_id";
    runtime->sql_append_together = arena_printf(arena, append, s, "");
    runtime->sql_append_but_taken = arena_printf(arena, append, s, "ON CONFLICT DO NOTHING");
    runtime->sql_keys_together = arena_printf(arena,
                                              "SELECT key_id, wrapped, person_id FROM %s.person_key"
                                              " WHERE person_id = ANY ($1) ORDER BY person_id",
                                              s);
    runtime->sql_keys_add_together =
        arena_printf(arena,
                     "INSERT INTO %s.person_key (person_id, key_id, wrapped)"
                     " SELECT person_id, key_id, wrapped FROM unnest($1, $2, $3) WITH ORDINALITY"
                     " AS k (person_id, key_id, wrapped, i) ORDER BY i"
                     " ON CONFLICT (person_id) DO NOTHING",
                     s);
}

void runtime_sql_make(struct runtime *runtime)
{
    const char *s = runtime->service;
    struct arena *arena = runtime->sql;
    runtime->sql_command_events = arena_printf(
        arena,
        "SELECT position, type, aggregate_id, version, occurred_at, payload, command_digest"
        " FROM %s.outbox WHERE actor = $1 AND command_id = $2 ORDER BY command_index",
        s);
    // The same with the session's durability, in a row of NULLs when there are none: one statement,
    // because each costs as much again as this one's probe of an index.
    runtime->sql_look = arena_printf(
        arena,
        "SELECT position, type, aggregate_id, version, occurred_at, payload, command_digest,"
        " current_setting('synchronous_commit') FROM (VALUES (0)) AS always"
        " LEFT JOIN %s.outbox ON actor = $1 AND command_id = $2 ORDER BY command_index",
        s);
    // One statement, so that snapshot and events are of the same moment. A snapshot ahead of the
    // log (a restored outbox) is not looked at. The limit keeps the events of each aggregate a
    // subquery of its own, whose index scan begins at the snapshot's version: as a plain join it
    // read all events and threw away those before it. As above, it cannot be seen.
    runtime->sql_load = arena_printf(
        arena,
        "WITH snap AS (SELECT aggregate_id, version, state_version, state, digest"
        "  FROM %s.snapshot AS n WHERE $2 AND aggregate_id = ANY ($1) AND EXISTS (SELECT FROM"
        "  %s.outbox AS e WHERE e.aggregate_id = n.aggregate_id AND e.version = n.version))"
        " SELECT aggregate_id, version, NULL::text, state, occurred_at, state_version, digest"
        " FROM (SELECT *, NULL::timestamptz AS occurred_at FROM snap) AS s"
        " UNION ALL"
        " SELECT e.aggregate_id, e.version, e.type, e.payload, e.occurred_at, NULL, NULL"
        " FROM (SELECT DISTINCT unnest($1) AS id) AS target LEFT JOIN snap ON aggregate_id = id"
        " CROSS JOIN LATERAL (SELECT o.aggregate_id, o.version, o.type, o.payload, o.occurred_at"
        "  FROM %s.outbox AS o WHERE o.aggregate_id = id AND o.version > coalesce(snap.version, 0)"
        "  ORDER BY o.version LIMIT (SELECT 9223372036854775807)) AS e ORDER BY 1, 2, 6",
        s, s, s);
    sql_make_load_one(runtime);
    sql_make_appends(runtime);
    sql_make_together(runtime);
    runtime->sql_snapshot_put = arena_printf(
        arena,
        "INSERT INTO %s.snapshot (aggregate_id, aggregate_type, version, state_version, state,"
        " digest) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (aggregate_id) DO UPDATE SET"
        " aggregate_type = excluded.aggregate_type, version = excluded.version,"
        " state_version = excluded.state_version, state = excluded.state,"
        " digest = excluded.digest",
        s);
    runtime->sql_snapshot_drop =
        arena_printf(arena, "DELETE FROM %s.snapshot WHERE aggregate_id = ANY ($1)", s);
    sql_make_keys(runtime);
    sql_make_reads(runtime);
}
