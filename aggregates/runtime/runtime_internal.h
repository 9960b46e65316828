// runtime_internal.h - what the files of aggregates/runtime share; nobody else includes it.
#pragma once
#include "aggregates/runtime/digest.h"
#include "aggregates/runtime/runtime.h"

struct runtime {
    char service[32];
    struct pg *pg;
    const struct seal_key *master;
    struct command_digest_key digest_key;
    int64_t planned_us; // when the session's plans were last thrown away
    struct arena *sql;  // the statements below, made once for the service's schema
    const char *sql_look, *sql_command_events, *sql_load, *sql_load_one, *sql_append,
        *sql_append_many, *sql_snapshot_put, *sql_snapshot_drop;
    const char *sql_key_of_person, *sql_key_add, *sql_keys, *sql_key_erase, *sql_read_many,
        *sql_read_first;
};

// "<NAME>: <text>" with the rejection's status.
MUST_CHECK enum nova_status runtime_refuse(enum runtime_rejection rejection, struct error *err);

void runtime_sql_make(struct runtime *runtime);

// load.c: fills in versions and states of all targets.
MUST_CHECK enum nova_status runtime_load(struct runtime *runtime, const struct targets *targets,
                                         struct aggregate *aggregates, int64_t *snapshot_versions,
                                         struct arena *arena, struct error *err);

// The same in two halves, around a pipeline that the caller sends: adds one statement, and takes
// its rows. A snapshot that is of no use costs another round trip then.
void runtime_load_add(struct runtime *runtime, const struct targets *targets, struct arena *arena);
MUST_CHECK enum nova_status runtime_load_take(struct runtime *runtime, const struct pg_result *rows,
                                              const struct targets *targets,
                                              struct aggregate *aggregates,
                                              int64_t *snapshot_versions, struct arena *arena,
                                              struct error *err);

// person_key.c: the key of a person, made when there is none yet.
MUST_CHECK enum nova_status runtime_key_of_person(struct person_key *out, struct runtime *runtime,
                                                  const struct uuid *person_id, struct error *err);
// In two halves, too. *found is false when there is no key yet.
void runtime_key_add(struct runtime *runtime, const struct uuid *person_id);
MUST_CHECK enum nova_status runtime_key_take(struct person_key *out, bool *found,
                                             struct runtime *runtime, const struct pg_result *rows,
                                             struct error *err);

// snapshot.c: a state's digest binds version, state version, id and bytes.
enum { SNAPSHOT_DIGEST_BYTES = 32 };
void snapshot_digest(uint8_t out[SNAPSHOT_DIGEST_BYTES], const struct aggregate_type *type,
                     const struct uuid *id, int64_t version, struct bytes state);
