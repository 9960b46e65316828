// server.h - the servers of the embedded default, as children of the supervisor.
//
// Ownership: what server_*_child fills in lives in static memory, one server of each a process.
#pragma once
#include "base/settings.h"
#include "cli/supervisor.h"

// Stages of stopping: services first, PostgreSQL last.
enum server_stage {
    STAGE_POSTGRES,
    STAGE_NATS,
    STAGE_RELAY,
    STAGE_CONSUMER,
    STAGE_SERVICE,
};

bool server_postgres_is_embedded(const struct settings *settings);
bool server_nats_is_embedded(const struct settings *settings);

// Makes the cluster in <home>/pg when there is none: whole or not at all. `anew`: the superuser's
// password file was just written, so an existing cluster is told of it.
MUST_CHECK enum nova_status server_postgres_prepare(const struct settings *settings, bool anew,
                                                    struct error *err);
// Puts a base backup with its WAL in the place of a cluster, whole or not at all; there is none
// yet.
MUST_CHECK enum nova_status server_postgres_restore(const struct settings *settings,
                                                    const char *from, struct error *err);
MUST_CHECK enum nova_status server_postgres_child(struct supervisor_child *out,
                                                  const struct settings *settings,
                                                  struct error *err);

// Copies nats.conf from the project's root; accounts.conf must be there.
MUST_CHECK enum nova_status server_nats_prepare(const struct settings *settings, struct error *err);
MUST_CHECK enum nova_status server_nats_child(struct supervisor_child *out,
                                              const struct settings *settings, struct error *err);
