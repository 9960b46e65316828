// leftovers.c - see leftovers.h.
#include "cli/leftovers.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/access.h"
#include "cli/path.h"

enum {
    POLITE_MS_MAX = 60000,
    KILLED_MS_MAX = 10000,
    LOOK_EVERY_MS = 20,
    ENVIRONMENT_BYTES = 65536
};

enum kind { KIND_POSTGRES, KIND_NATS, KIND_PROCESS };

struct hunt {
    enum kind kind;
    char mark[PATH_MAX]; // how it proves to be ours
};

// A whole file of /proc, its NULs kept; the length.
static size_t proc_read(char *out, size_t size, const char *pid, const char *what)
{
    char path[64];
    size_t len = 0;
    snprintf(path, sizeof path, "/proc/%.16s/%s", pid, what);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    for (ssize_t got; file >= 0 && (got = read(file, out + len, size - 1 - len)) > 0;)
        len += (size_t)got;
    if (file >= 0)
        close(file);
    out[len] = '\0';
    return len;
}

// Is one of the NUL-terminated texts exactly `wanted`?
static bool list_has(const char *list, size_t len, const char *wanted)
{
    for (size_t at = 0; at < len; at += strlen(list + at) + 1)
        if (strcmp(list + at, wanted) == 0)
            return true;
    return false;
}

static bool list_starts(const char *list, size_t len, const char *wanted)
{
    for (size_t at = 0; at < len; at += strlen(list + at) + 1)
        if (strncmp(list + at, wanted, strlen(wanted)) == 0)
            return true;
    return false;
}

// One that a person started by hand has no supervisor's socket: it is not for us to stop.
static bool is_ours(const struct hunt *hunt, const char *pid)
{
    static char text[ENVIRONMENT_BYTES];
    char path[64];
    if (hunt->kind == KIND_POSTGRES) {
        char folder[PATH_MAX];
        snprintf(path, sizeof path, "/proc/%.16s/cwd", pid);
        ssize_t len = readlink(path, folder, sizeof folder - 1);
        folder[len > 0 ? len : 0] = '\0';
        proc_read(text, sizeof text, pid, "comm");
        return strcmp(folder, hunt->mark) == 0 && strncmp(text, "postgres", 8) == 0;
    }
    size_t len = proc_read(text, sizeof text, pid, "cmdline");
    if (hunt->kind == KIND_NATS)
        return strstr(text, "nats-server") && list_has(text, len, hunt->mark);
    if (!list_has(text, len, "run"))
        return false;
    len = proc_read(text, sizeof text, pid, "environ");
    return list_has(text, len, hunt->mark) && list_starts(text, len, "NOTIFY_SOCKET=@nova-");
}

// Sends `number` to all of them; how many there are. 0 as number only counts.
static int signal_all(const struct hunt *hunt, int number)
{
    int count = 0;
    DIR *folder = opendir("/proc");
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (!isdigit((unsigned char)entry->d_name[0]) || pid == getpid() ||
            !is_ours(hunt, entry->d_name))
            continue;
        count++;
        if (number != 0)
            kill(pid, number);
    }
    if (folder)
        closedir(folder);
    return count;
}

static bool wait_until_gone(const struct hunt *hunt, int ms_max)
{
    for (int waited_ms = 0; signal_all(hunt, 0) > 0; waited_ms += LOOK_EVERY_MS) {
        if (waited_ms > ms_max)
            return false;
        usleep(LOOK_EVERY_MS * 1000);
    }
    return true;
}

// `polite` goes to `first` alone, to all when that is 0; who is still there later is killed.
static enum nova_status hunt_down(int *stopped, const struct hunt *hunt, pid_t first, int polite,
                                  const char *what, struct error *err)
{
    if (signal_all(hunt, 0) == 0)
        return NOVA_OK;
    *stopped += 1;
    if (first > 0)
        kill(first, polite);
    else
        signal_all(hunt, polite);
    if (wait_until_gone(hunt, polite == SIGKILL ? KILLED_MS_MAX : POLITE_MS_MAX))
        return NOVA_OK;
    signal_all(hunt, SIGKILL);
    if (!wait_until_gone(hunt, KILLED_MS_MAX))
        return error_set(err, NOVA_FAILED_PRECONDITION,
                         "%s of an earlier start does not end, not even by -9: see ps", what);
    return NOVA_OK;
}

// PostgreSQL's first process, when it lives; 0: it is gone, and what is left are orphans.
static pid_t postmaster(const struct hunt *hunt)
{
    char path[PATH_MAX], text[32] = "";
    path_print(path, "%s/postmaster.pid", hunt->mark);
    FILE *file = fopen(path, "re");
    if (file && !fgets(text, sizeof text, file))
        text[0] = '\0';
    if (file)
        fclose(file);
    text[strcspn(text, "\n")] = '\0';
    return *text && is_ours(hunt, text) ? (pid_t)strtol(text, NULL, 10) : 0;
}

static enum nova_status stop_postgres(int *stopped, const char *data, struct error *err)
{
    struct hunt hunt = {.kind = KIND_POSTGRES};
    snprintf(hunt.mark, sizeof hunt.mark, "%s", data);
    pid_t first = postmaster(&hunt);
    enum nova_status status =
        hunt_down(stopped, &hunt, first, first ? SIGINT : SIGKILL, "PostgreSQL", err);
    if (status != NOVA_OK)
        return status;
    // PostgreSQL believes a number in this file, and after a reboot it may be anybody's. None of
    // its processes is left: the file says nothing any more.
    char path[PATH_MAX];
    path_print(path, "%s/postmaster.pid", data);
    if (unlink(path) != 0 && errno != ENOENT)
        return error_set(err, NOVA_PERMISSION_DENIED, "%s cannot be removed: %s", path,
                         strerror(errno));
    return NOVA_OK;
}

enum nova_status leftovers_stop(int *stopped, const struct settings *settings, struct error *err)
{
    struct hunt hunt = {.kind = KIND_PROCESS};
    char path[PATH_MAX], data[PATH_MAX];
    *stopped = 0;
    snprintf(hunt.mark, sizeof hunt.mark, "NOVA_HOME=%s", settings_text(settings, SETTING_HOME));
    enum nova_status status = hunt_down(stopped, &hunt, 0, SIGTERM, "a process", err);
    if (status == NOVA_OK)
        status = access_path(path, settings, err, "nats/nats.conf");
    if (status == NOVA_OK) {
        hunt.kind = KIND_NATS;
        snprintf(hunt.mark, sizeof hunt.mark, "%s", path);
        status = hunt_down(stopped, &hunt, 0, SIGTERM, "nats-server", err);
    }
    if (status == NOVA_OK)
        status = access_path(path, settings, err, "pg");
    if (status != NOVA_OK || !realpath(path, data))
        return status; // no PostgreSQL was ever made here
    if (strlen(data) > SETTINGS_HOME_BYTES_MAX)
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s leads to too long a path", path);
    return stop_postgres(stopped, data, err);
}
