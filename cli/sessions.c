// sessions.c - see sessions.h.
#include "cli/sessions.h"

#include <assert.h>
#include <string.h>

#include "cli/client.h"

enum nova_status sessions_of(struct pg **out, struct sessions *sessions, const char *service,
                             struct error *err)
{
    for (size_t i = 0; i < sessions->count; i++) {
        if (strcmp(sessions->all[i].service, service) != 0)
            continue;
        *out = sessions->all[i].pg;
        return pg_ensure_connected(*out, err);
    }
    assert(sessions->count < SESSIONS_MAX);
    enum nova_status status =
        client_postgres(out, sessions->settings, service, sessions->role, sessions->name, err);
    if (status != NOVA_OK)
        return status;
    sessions->all[sessions->count].service = service;
    sessions->all[sessions->count++].pg = *out;
    return NOVA_OK;
}

void sessions_close(struct sessions *sessions)
{
    for (size_t i = 0; i < sessions->count; i++)
        pg_destroy(&sessions->all[i].pg);
    sessions->count = 0;
}
