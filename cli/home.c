// home.c - see home.h.
#include "cli/home.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/access.h"
#include "cli/path.h"
#include "cli/server.h"
#include "cli/supervisor.h"

int64_t home_free_bytes(const char *path)
{
    char at[PATH_MAX];
    struct statvfs info;
    snprintf(at, sizeof at, "%s", path);
    for (;;) {
        if (statvfs(at, &info) == 0)
            return (int64_t)info.f_bavail * (int64_t)info.f_frsize;
        char *slash = strrchr(at, '/');
        if (errno != ENOENT || !slash || at[1] == '\0')
            return -1;
        *(slash == at ? slash + 1 : slash) = '\0';
    }
}

static enum nova_status make_folder(const char *path, mode_t mode, struct error *err)
{
    char part[PATH_MAX];
    struct stat info;
    path_print(part, "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return error_set(err, NOVA_PERMISSION_DENIED, "the folder %s cannot be made: %s", part,
                             strerror(errno));
        *slash = '/';
    }
    if (mkdir(path, mode) != 0 && errno != EEXIST)
        return error_set(err, NOVA_PERMISSION_DENIED, "the folder %s cannot be made: %s", path,
                         strerror(errno));
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return error_set(err, NOVA_FAILED_PRECONDITION, "%s is no folder", path);
    if (access(path, W_OK | X_OK) != 0)
        return error_set(err, NOVA_PERMISSION_DENIED, "the folder %s cannot be written: %s", path,
                         strerror(errno));
    return NOVA_OK;
}

enum nova_status home_make_folder(const char *path, struct error *err)
{
    return make_folder(path, 0755, err);
}

enum nova_status home_make(const struct settings *settings, struct error *err)
{
    static const struct {
        const char *name;
        mode_t mode;
    } folders[] = {{".", 0755},
                   {"credentials", 0700},
                   {"credentials/postgres", 0700},
                   {"credentials/nats", 0700},
                   {"credentials/seal", 0700},
                   {"credentials/refresh", 0700},
                   {"credentials/log", 0700},
                   {"nats", 0700},
                   {"logs", 0750},
                   {"run", 0755}};
    const char *home = settings_text(settings, SETTING_HOME);
    int64_t free_bytes = home_free_bytes(home);
    if (free_bytes >= 0 && free_bytes < HOME_FREE_BYTES_MIN)
        return error_set(err, NOVA_RESOURCE_EXHAUSTED,
                         "the disk of %s has %lld MB free, and Nova wants %d MB: free some, or "
                         "choose another place with --home",
                         home, (long long)(free_bytes >> 20), HOME_FREE_BYTES_MIN >> 20);
    enum nova_status status = NOVA_OK;
    for (size_t i = 0; i < sizeof folders / sizeof *folders && status == NOVA_OK; i++) {
        char path[PATH_MAX];
        status = access_path(path, settings, err, "%s", folders[i].name);
        if (status == NOVA_OK)
            status = make_folder(i == 0 ? home : path, folders[i].mode, err);
    }
    return status;
}

// A missing last step may lose the file, never leave half of it: data first, then the name.
enum nova_status home_write(const char *path, const char *text, mode_t mode, struct error *err)
{
    char part[PATH_MAX];
    path_print(part, "%s.part", path);
    int file = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    size_t len = strlen(text);
    bool good = file >= 0 && fchmod(file, mode) == 0 && write(file, text, len) == (ssize_t)len &&
                fsync(file) == 0;
    int why = errno;
    if (file >= 0)
        close(file);
    if (!good || rename(part, path) != 0)
        return error_set(err, why == ENOSPC ? NOVA_RESOURCE_EXHAUSTED : NOVA_PERMISSION_DENIED,
                         "%s cannot be written: %s", path, strerror(good ? errno : why));
    return NOVA_OK;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

enum nova_status home_remove(const char *path, struct error *err)
{
    struct stat info;
    if (lstat(path, &info) != 0 && errno == ENOENT)
        return NOVA_OK;
    if (nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0)
        return error_set(err, NOVA_PERMISSION_DENIED, "%s cannot be removed: %s", path,
                         strerror(errno));
    return NOVA_OK;
}

enum nova_status home_unreached(const struct settings *settings, struct error *err)
{
    const char *home = settings_text(settings, SETTING_HOME);
    bool ours = server_postgres_is_embedded(settings) || server_nats_is_embedded(settings);
    if (err->status == NOVA_OK || !ours || supervisor_find(home) != 0)
        return err->status;
    return error_while(err, "nothing runs in %s, ./nova up starts it", home);
}
