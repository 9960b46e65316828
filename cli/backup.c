// backup.c - `nova backup DIR`: whole, or not at all. What is written first has another name.
#include "cli/backup.h"

#include <errno.h>
#include <libpq-fe.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/access.h"
#include "base/timestamp.h"
#include "bus/topology.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/home.h"
#include "cli/server.h"
#include "cli/spawn.h"
#include "cli/supervisor.h"
#include "pg/pg.h"

enum { SQL_BYTES = 1024 };

struct backup {
    const struct settings *settings;
    const char *to;
    char part[PATH_MAX]; // the folder until it is whole
    json_t *manifest, *files;
    char password[ACCESS_NAME_BYTES];
};

static enum nova_status backup_path(char out[PATH_MAX], const struct backup *backup,
                                    const char *name, struct error *err)
{
    return snprintf(out, PATH_MAX, "%s/%s", backup->part, name) < PATH_MAX
               ? NOVA_OK
               : error_set(err, NOVA_INVALID_ARGUMENT, "%s: too long a path", backup->to);
}

// ---- what is looked at first --------------------------------------------------------------------

static enum nova_status backup_check(struct backup *backup, struct error *err)
{
    struct stat info;
    if (!server_postgres_is_embedded(backup->settings))
        return error_set(err, NOVA_FAILED_PRECONDITION,
                         "PostgreSQL is elsewhere (postgres.url): back it up with its own tools, "
                         "and credentials/ of the home beside it (docs/recovery.md)");
    if (supervisor_find(settings_text(backup->settings, SETTING_HOME)) == 0)
        return error_set(err, NOVA_FAILED_PRECONDITION,
                         "does not run in %s: PostgreSQL gives a backup while it runs; ./nova up",
                         settings_text(backup->settings, SETTING_HOME));
    if (lstat(backup->to, &info) == 0)
        return error_set(err, NOVA_ALREADY_EXISTS, "%s is there already: name a new folder",
                         backup->to);
    if (snprintf(backup->part, PATH_MAX, "%s.part", backup->to) >= PATH_MAX)
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s: too long a path", backup->to);
    enum nova_status status = home_remove(backup->part, err); // of one that was interrupted
    if (status == NOVA_OK && mkdir(backup->part, 0700) != 0)
        status = error_set(err, NOVA_PERMISSION_DENIED, "%s cannot be made: %s", backup->part,
                           strerror(errno));
    return status;
}

// ---- the logs -----------------------------------------------------------------------------------

// Read before the base backup begins: it holds at least this.
static enum nova_status backup_log(struct backup *backup, json_t *logs, const char *service,
                                   struct error *err)
{
    char sql[SQL_BYTES], log_id[UUID_TEXT_BYTES];
    struct pg *pg = NULL;
    struct pg_result *row = NULL;
    snprintf(sql, sizeof sql,
             "SELECT (SELECT log_id FROM %s.log ORDER BY started_at DESC LIMIT 1),"
             " coalesce(max(position), 0), count(*) FROM %s.outbox",
             service, service);
    enum nova_status status =
        client_postgres(&pg, backup->settings, service, "operator", "nova backup", err);
    if (status == NOVA_OK)
        status = pg_query(&row, pg, sql, NULL, 0, err);
    if (status == NOVA_OK) {
        struct uuid id = pg_get_uuid(row, 0, 0);
        uuid_format(log_id, &id);
        json_object_set_new(logs, service,
                            json_pack("{ss sI sI}", "log_id", log_id, "head",
                                      (json_int_t)pg_get_int8(row, 0, 1), "events",
                                      (json_int_t)pg_get_int8(row, 0, 2)));
    }
    pg_result_destroy(&row);
    pg_destroy(&pg);
    return status;
}

static enum nova_status backup_logs(struct backup *backup, struct error *err)
{
    json_t *logs = json_object();
    enum nova_status status = NOVA_OK;
    json_object_set_new(backup->manifest, "logs", logs);
    for (size_t i = 0; i < topology_stream_count() && status == NOVA_OK; i++)
        status = backup_log(backup, logs, topology_stream_service(i), err);
    return status;
}

// ---- files --------------------------------------------------------------------------------------

static enum nova_status backup_note(void *context, const char *name, struct error *err)
{
    struct backup *backup = context;
    char path[PATH_MAX], digest[BACKUP_DIGEST_BYTES];
    enum nova_status status = backup_path(path, backup, name, err);
    if (status == NOVA_OK)
        status = backup_digest(digest, path, err);
    if (status == NOVA_OK)
        json_object_set_new(backup->files, name, json_string(digest));
    return status;
}

static enum nova_status backup_credentials(struct backup *backup, struct error *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    const char *config = settings_file(backup->settings);
    enum nova_status status = access_path(from, backup->settings, err, "credentials");
    if (status == NOVA_OK)
        status = backup_path(to, backup, "credentials", err);
    if (status == NOVA_OK)
        status = backup_copy(from, to, err);
    if (status == NOVA_OK)
        status = backup_each_file(backup->part, "credentials", backup_note, backup, err);
    if (status != NOVA_OK || config == NULL)
        return status;
    status = backup_path(to, backup, "nova.yaml", err);
    if (status == NOVA_OK)
        status = backup_copy(config, to, err);
    return status == NOVA_OK ? backup_note(backup, "nova.yaml", err) : status;
}

// ---- PostgreSQL ---------------------------------------------------------------------------------

// The password goes through the environment: arguments are in everybody's process list.
static enum nova_status backup_postgres(struct backup *backup, struct error *err)
{
    char to[PATH_MAX], port[16], password[ACCESS_NAME_BYTES + 16];
    enum nova_status status = backup_path(to, backup, "postgres", err);
    if (status == NOVA_OK)
        status =
            access_postgres_password(backup->password, backup->settings, ACCESS_SUPERUSER, err);
    if (status != NOVA_OK)
        return status;
    snprintf(port, sizeof port, "%lld",
             (long long)settings_int(backup->settings, SETTING_POSTGRES_PORT));
    snprintf(password, sizeof password, "PGPASSWORD=%s", backup->password);
    const char *environment[] = {password, NULL};
    const char *argv[] = {BACKUP_POSTGRES_BIN "/pg_basebackup",
                          "-D",
                          to,
                          "-h",
                          "127.0.0.1",
                          "-p",
                          port,
                          "-U",
                          ACCESS_SUPERUSER,
                          "-w",
                          "-X",
                          "stream",
                          "-c",
                          "fast",
                          "--manifest-checksums=SHA256",
                          NULL};
    const struct spawn run = {.argv = argv, .environment = environment};
    status = spawn_run(&run, NULL, err);
    sodium_memzero(password, sizeof password);
    sodium_memzero(backup->password, sizeof backup->password);
    return status == NOVA_OK ? backup_note(backup, "postgres/backup_manifest", err) : status;
}

// ---- the whole ----------------------------------------------------------------------------------

static enum nova_status backup_end(struct backup *backup, struct error *err)
{
    char path[PATH_MAX], now[TIMESTAMP_BYTES];
    timestamp_format(now, (int64_t)time(NULL) * 1000000);
    json_object_set_new(backup->manifest, "format", json_integer(BACKUP_FORMAT));
    json_object_set_new(backup->manifest, "postgres_major", json_string(BACKUP_POSTGRES_MAJOR));
    json_object_set_new(backup->manifest, "ended_at", json_string(now));
    enum nova_status status = backup_path(path, backup, "manifest.json", err);
    if (status != NOVA_OK)
        return status;
    char *text = json_dumps(backup->manifest, JSON_INDENT(2) | JSON_SORT_KEYS);
    status = home_write(path, text, 0600, err);
    free(text);
    if (status == NOVA_OK && rename(backup->part, backup->to) != 0)
        status = error_set(err, NOVA_PERMISSION_DENIED, "%s: %s", backup->to, strerror(errno));
    return status;
}

static void backup_say(const struct backup *backup)
{
    const char *service;
    json_t *log;
    json_object_foreach(json_object_get(backup->manifest, "logs"), service, log)
        printf("%-14s log %s, %" JSON_INTEGER_FORMAT " events and more\n", service,
               json_string_value(json_object_get(log, "log_id")),
               json_integer_value(json_object_get(log, "events")));
    command_say("everything is in %s; keep it as you keep the master keys, which are in it",
                backup->to);
}

int command_backup(const struct settings *settings, int argc, char **argv)
{
    struct error err;
    struct backup backup = {.settings = settings};
    if (argc != 2 || argv[1][0] == '-')
        return command_usage("backup", "backup wants a folder");
    backup.to = argv[1];
    backup.manifest = json_object();
    backup.files = json_object();
    json_object_set_new(backup.manifest, "files", backup.files);
    enum nova_status status = backup_check(&backup, &err);
    bool began = status == NOVA_OK;
    if (status == NOVA_OK)
        status = backup_logs(&backup, &err);
    if (status == NOVA_OK)
        status = backup_credentials(&backup, &err);
    if (status == NOVA_OK)
        status = backup_postgres(&backup, &err);
    if (status == NOVA_OK)
        status = backup_end(&backup, &err);
    if (status == NOVA_OK)
        backup_say(&backup);
    else if (began && home_remove(backup.part, NULL) != NOVA_OK)
        command_say("%s is left behind", backup.part);
    json_decref(backup.manifest);
    return status == NOVA_OK ? EXIT_CODE_OK : command_failed(&err);
}
