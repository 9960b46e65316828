// restore.c - `nova restore DIR`: everything of the backup is checked before the home is touched.
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/access.h"
#include "cli/backup.h"
#include "cli/command.h"
#include "cli/home.h"
#include "cli/restored.h"
#include "cli/server.h"
#include "cli/spawn.h"
#include "cli/supervisor.h"

struct restore {
    const struct settings *settings;
    const char *home, *from;
    json_t *manifest;
};

// ---- the backup ---------------------------------------------------------------------------------

static enum nova_status restore_read(struct restore *restore, struct error *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/manifest.json", restore->from) >= PATH_MAX)
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s: too long a path", restore->from);
    restore->manifest = json_load_file(path, 0, NULL);
    if (restore->manifest == NULL)
        return error_set(err, NOVA_NOT_FOUND, "%s is no backup of ./nova backup", restore->from);
    long long format = (long long)json_integer_value(json_object_get(restore->manifest, "format"));
    const char *major = json_string_value(json_object_get(restore->manifest, "postgres_major"));
    if (format != BACKUP_FORMAT)
        return error_set(err, NOVA_FAILED_PRECONDITION,
                         "%s has format %lld, and this Nova reads %d: use the Nova that wrote it",
                         restore->from, format, BACKUP_FORMAT);
    if (major == NULL || strcmp(major, BACKUP_POSTGRES_MAJOR) != 0)
        return error_set(err, NOVA_FAILED_PRECONDITION,
                         "%s holds data of PostgreSQL %s, and this is " BACKUP_POSTGRES_MAJOR,
                         restore->from, major == NULL ? "?" : major);
    return NOVA_OK;
}

static enum nova_status restore_verify_files(const struct restore *restore, struct error *err)
{
    const char *name;
    json_t *expected;
    json_object_foreach(json_object_get(restore->manifest, "files"), name, expected)
    {
        char path[PATH_MAX], digest[BACKUP_DIGEST_BYTES];
        const char *text = json_string_value(expected);
        if (snprintf(path, sizeof path, "%s/%s", restore->from, name) >= PATH_MAX)
            return error_set(err, NOVA_INVALID_ARGUMENT, "%s: too long a path", restore->from);
        enum nova_status status = backup_digest(digest, path, err);
        if (status != NOVA_OK)
            return status;
        if (text == NULL || strcmp(digest, text) != 0)
            return error_set(err, NOVA_DATA_LOSS,
                             "%s is not what was backed up: its checksum is "
                             "another",
                             path);
    }
    return NOVA_OK;
}

static enum nova_status restore_verify_postgres(const struct restore *restore, struct error *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/postgres", restore->from) >= PATH_MAX)
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s: too long a path", restore->from);
    const char *argv[] = {BACKUP_POSTGRES_BIN "/pg_verifybackup", "--quiet", path, NULL};
    const struct spawn verify = {.argv = argv};
    return spawn_run(&verify, NULL, err) == NOVA_OK
               ? NOVA_OK
               : error_while(err, "checking PostgreSQL's data in the backup");
}

// ---- the home -----------------------------------------------------------------------------------

static enum nova_status restore_check_home(const struct restore *restore, struct error *err)
{
    if (!server_postgres_is_embedded(restore->settings))
        return error_set(err, NOVA_FAILED_PRECONDITION,
                         "PostgreSQL is elsewhere (postgres.url): restore it with its own tools "
                         "(docs/recovery.md)");
    if (supervisor_find(restore->home) != 0)
        return error_set(err, NOVA_FAILED_PRECONDITION, "runs in %s: ./nova down", restore->home);
    DIR *folder = opendir(restore->home);
    if (folder == NULL)
        return errno == ENOENT ? NOVA_OK
                               : error_set(err, NOVA_PERMISSION_DENIED, "%s: %s", restore->home,
                                           strerror(errno));
    const char *found = NULL;
    for (const struct dirent *entry; found == NULL && (entry = readdir(folder)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            found = entry->d_name;
    enum nova_status status =
        found == NULL
            ? NOVA_OK
            : error_set(err, NOVA_FAILED_PRECONDITION,
                        "%s is not empty (%s): restore into an empty --home", restore->home, found);
    closedir(folder);
    return status;
}

// From here on the home is half restored until the last rename.
static enum nova_status restore_begin(const struct restore *restore, struct error *err)
{
    char path[PATH_MAX];
    enum nova_status status = access_path(path, restore->settings, err, ".");
    if (status == NOVA_OK)
        status = home_make_folder(restore->home, err);
    if (status == NOVA_OK)
        status = access_path(path, restore->settings, err, RESTORING_FILE);
    return status == NOVA_OK ? home_write(path, restore->from, 0600, err) : status;
}

static enum nova_status restore_copy(const struct restore *restore, const char *name,
                                     struct error *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    if (snprintf(from, sizeof from, "%s/%s", restore->from, name) >= PATH_MAX)
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s: too long a path", restore->from);
    enum nova_status status = access_path(to, restore->settings, err, "%s", name);
    return status == NOVA_OK ? backup_copy(from, to, err) : status;
}

static enum nova_status restore_end(const struct restore *restore, struct error *err)
{
    char half[PATH_MAX], whole[PATH_MAX];
    enum nova_status status = access_path(half, restore->settings, err, RESTORING_FILE);
    if (status == NOVA_OK)
        status = access_path(whole, restore->settings, err, RESTORED_FILE);
    if (status == NOVA_OK && rename(half, whole) != 0)
        status = error_set(err, NOVA_PERMISSION_DENIED, "%s: %s", whole, strerror(errno));
    return status;
}

static enum nova_status restore_write(const struct restore *restore, struct error *err)
{
    char postgres[PATH_MAX];
    enum nova_status status = restore_begin(restore, err);
    if (status == NOVA_OK)
        status = restore_copy(restore, "credentials", err);
    if (status == NOVA_OK &&
        json_object_get(json_object_get(restore->manifest, "files"), "nova.yaml") != NULL)
        status = restore_copy(restore, "nova.yaml", err);
    if (status == NOVA_OK && snprintf(postgres, sizeof postgres, "%s/postgres", restore->from) < 0)
        status = NOVA_INTERNAL;
    if (status == NOVA_OK)
        status = server_postgres_restore(restore->settings, postgres, err);
    return status == NOVA_OK ? restore_end(restore, err) : status;
}

// ---- the command --------------------------------------------------------------------------------

int command_restore(const struct settings *settings, int argc, char **argv)
{
    struct error err;
    struct restore restore = {.settings = settings, .home = settings_text(settings, SETTING_HOME)};
    if (argc != 2 || argv[1][0] == '-')
        return command_usage("restore", "restore wants the folder of a backup");
    restore.from = argv[1];
    enum nova_status status = restore_read(&restore, &err);
    if (status == NOVA_OK)
        status = restore_check_home(&restore, &err);
    if (status == NOVA_OK)
        status = restore_verify_files(&restore, &err);
    if (status == NOVA_OK)
        status = restore_verify_postgres(&restore, &err);
    if (status == NOVA_OK)
        status = restore_write(&restore, &err);
    if (status == NOVA_OK)
        command_say("%s holds the backup of %s; ./nova up --empty compares each outbox with its "
                    "stream before its service may append",
                    restore.home, json_string_value(json_object_get(restore.manifest, "ended_at")));
    json_decref(restore.manifest);
    return status == NOVA_OK ? EXIT_CODE_OK : command_failed(&err);
}
