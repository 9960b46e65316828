// restored.c - see restored.h.
#include "cli/restored.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/access.h"
#include "bus/topology.h"
#include "cli/up_sample.h"
#include "pg/pg.h"

static enum nova_status is_there(bool *out, const struct settings *settings, const char *name,
                                 struct error *err)
{
    char path[PATH_MAX];
    enum nova_status status = access_path(path, settings, err, "%s", name);
    *out = status == NOVA_OK && access(path, F_OK) == 0;
    return status;
}

enum nova_status restored_check(const struct settings *settings, struct error *err)
{
    bool half;
    enum nova_status status = is_there(&half, settings, RESTORING_FILE, err);
    if (status == NOVA_OK && half)
        status = error_set(err, NOVA_FAILED_PRECONDITION,
                           "a restore into %s was interrupted: remove that folder and run "
                           "./nova restore again",
                           settings_text(settings, SETTING_HOME));
    return status;
}

static enum nova_status mark(const struct settings *settings, const char *service,
                             struct error *err)
{
    char url[ACCESS_URL_BYTES], sql[128];
    struct pg *pg = NULL;
    snprintf(sql, sizeof sql, "SELECT %s.outbox_restored()", service);
    enum nova_status status = access_postgres_url(url, settings, service, ACCESS_SUPERUSER, err);
    if (status == NOVA_OK)
        status = pg_connect(&pg, url, "nova up", err);
    explicit_bzero(url, sizeof url);
    if (status == NOVA_OK)
        status = pg_query(NULL, pg, sql, NULL, 0, err);
    pg_destroy(&pg);
    return status;
}

enum nova_status restored_mark(size_t *count, const struct settings *settings, struct error *err)
{
    char path[PATH_MAX];
    bool restored;
    *count = 0;
    enum nova_status status = is_there(&restored, settings, RESTORED_FILE, err);
    if (status != NOVA_OK || !restored)
        return status;
    for (size_t i = 0; i < topology_stream_count() && status == NOVA_OK; i++) {
        status = mark(settings, topology_stream_service(i), err);
        *count += status == NOVA_OK;
    }
    if (status == NOVA_OK) // these data are somebody's: no made-up users are added to them
        status = up_sample_never(settings_text(settings, SETTING_HOME), err);
    if (status == NOVA_OK)
        status = access_path(path, settings, err, RESTORED_FILE);
    if (status == NOVA_OK && unlink(path) != 0)
        status = error_set(err, NOVA_PERMISSION_DENIED, "%s cannot be removed", path);
    return status;
}
