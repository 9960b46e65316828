// runtime_internal.h - what the files of aggregates/runtime share; nobody else includes it.
#pragma once
#include "aggregates/runtime/digest.h"
#include "aggregates/runtime/runtime.h"

struct runtime {
    char service[32];
    struct pg *pg;
    const struct seal_key *master;
    struct command_digest_key digest_key;
    struct arena *sql; // the statements below, made once for the service's schema
    const char *sql_command_events, *sql_load, *sql_append, *sql_snapshot_put, *sql_snapshot_drop;
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

// person_key.c: the key of a person, made when there is none yet.
MUST_CHECK enum nova_status runtime_key_of_person(struct person_key *out, struct runtime *runtime,
                                                  const struct uuid *person_id, struct error *err);

// snapshot.c: a state's digest binds version, state version, id and bytes.
enum { SNAPSHOT_DIGEST_BYTES = 32 };
void snapshot_digest(uint8_t out[SNAPSHOT_DIGEST_BYTES], const struct aggregate_type *type,
                     const struct uuid *id, int64_t version, struct bytes state);
