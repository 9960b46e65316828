// runtime_internal.h - what the files of aggregates/runtime share; nobody else includes it.
#pragma once
#include "aggregates/runtime/digest.h"
#include "aggregates/runtime/runtime.h"

struct runtime {
    char service[32];
    struct pg *pg;
    const struct seal_key *master;
    struct command_digest_key digest_key;
    int64_t planned_us;  // when the session's plans were last thrown away
    struct arena *round; // what together.c needs for one transaction
    struct arena *sql;   // the statements below, made once for the service's schema
    const char *sql_look, *sql_command_events, *sql_load, *sql_load_one, *sql_append,
        *sql_append_many, *sql_snapshot_put, *sql_snapshot_drop;
    const char *sql_look_together, *sql_append_together, *sql_append_but_taken, *sql_keys_together,
        *sql_keys_add_together;
    const char *sql_key_of_person, *sql_key_add, *sql_keys, *sql_key_erase, *sql_read_many,
        *sql_read_first;
};

// Everything one attempt of one command needs, so that helpers take one argument.
struct attempt {
    struct runtime *runtime;
    const struct command *command;
    const struct runtime_hooks *hooks;
    struct arena *arena;
    struct error *err;
    uint8_t digest[COMMAND_DIGEST_BYTES];
    struct uuid command_id;
    int64_t now_us;
    struct targets *targets;
    const struct rejection *no_targets; // why there are none
    struct decision decision;
    int64_t *snapshot_versions;
    struct pg_result *loaded;     // the targets' rows
    struct pg_result *caller_key; // the caller's key in a row of it; NULL: nobody's
    size_t caller_key_row;
    struct outcome *out;
};

// runtime.c: an attempt's parts, for together.c. `err` is not NULL.
void runtime_attempt_make(struct attempt *out, struct runtime *runtime,
                          const struct command *command, const struct runtime_hooks *hooks,
                          struct outcome *outcome, struct arena *arena, struct error *err);
// A decision without anything in it yet; the outcome is emptied.
void runtime_attempt_begin(struct attempt *a);
// Names the targets, of what is known of the command and its facts.
void runtime_target(struct attempt *a);
// Seals and packs each event, and gives it its id.
MUST_CHECK enum nova_status runtime_pack(struct attempt *a, struct bytes *payloads,
                                         struct uuid *ids);
// What is answered to events, to those that the attempt appended, and to a refusal.
MUST_CHECK enum nova_status runtime_reply(struct attempt *a, const struct recorded *events,
                                          uint32_t count);
MUST_CHECK enum nova_status runtime_answer(struct attempt *a);
MUST_CHECK enum nova_status runtime_rejection_error(struct attempt *a,
                                                    const struct rejection *rejection);
const struct uuid *runtime_or_command(const struct attempt *a, const struct uuid *id);
// In a pipeline: throws the session's plans away when they are old. Returns the statements added.
size_t runtime_plans_discard(struct runtime *runtime);

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
// For several commands: adds one statement for the aggregates of all, and takes those of each
// command out of its rows. *usable false: a snapshot is of no use, and the command is to be loaded
// by itself, which throws it away.
void runtime_load_together_add(struct runtime *runtime, const struct uuid *ids, size_t count,
                               struct arena *arena);
MUST_CHECK enum nova_status runtime_load_together_take(bool *usable, struct attempt *a,
                                                       const struct pg_result *rows);

// person_key.c: the key of a person, made when there is none yet.
MUST_CHECK enum nova_status runtime_key_of_person(struct person_key *out, struct runtime *runtime,
                                                  const struct uuid *person_id, struct error *err);
// In two halves, too. *found is false when there is no key yet.
void runtime_key_add(struct runtime *runtime, const struct uuid *person_id);
MUST_CHECK enum nova_status runtime_key_take(struct person_key *out, bool *found,
                                             struct runtime *runtime, const struct pg_result *rows,
                                             size_t row, struct error *err);
// For several commands: adds one statement for the keys of all these persons. The row of one's key
// among its rows, or their number.
void runtime_keys_together_add(struct runtime *runtime, const struct uuid *person_ids, size_t count,
                               struct arena *arena);
size_t runtime_keys_together_find(const struct pg_result *rows, const struct uuid *person_id);
// Makes keys for those who have none (new_ids, which is sorted by it and may name somebody twice),
// and gives the keys of all of person_ids.
MUST_CHECK enum nova_status runtime_keys_together_make(struct pg_result **keys,
                                                       struct runtime *runtime,
                                                       struct uuid *new_ids, size_t new_count,
                                                       const struct uuid *person_ids, size_t count,
                                                       struct arena *arena, struct error *err);

// The first row whose id in that column is not below this one; the rows are in the ids' order.
size_t runtime_row_of_id(const struct pg_result *rows, int column, const struct uuid *id);

// snapshot.c: a state's digest binds version, state version, id and bytes.
enum { SNAPSHOT_DIGEST_BYTES = 32 };
void snapshot_digest(uint8_t out[SNAPSHOT_DIGEST_BYTES], const struct aggregate_type *type,
                     const struct uuid *id, int64_t version, struct bytes state);
