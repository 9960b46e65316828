// sessions.h - one command's sessions with PostgreSQL: one for each service, opened when it is
// first asked for, instead of one for every question.
//
// Ownership: what sessions_of gives lives as long as the sessions. The services' names are static.
// Threads:   one at a time.
// Errors:    of the connection; asked again, it is tried again.
// Bounds:    SESSIONS_MAX services.
#pragma once
#include "base/settings.h"
#include "pg/pg.h"

enum { SESSIONS_MAX = 16 };

struct sessions {
    const struct settings *settings;
    const char *role; // "operator"
    const char *name; // what the server shows
    size_t count;
    struct {
        const char *service;
        struct pg *pg;
    } all[SESSIONS_MAX];
};

MUST_CHECK enum nova_status sessions_of(struct pg **out, struct sessions *sessions,
                                        const char *service, struct error *err);
void sessions_close(struct sessions *sessions);
