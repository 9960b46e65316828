// server_nats.c - see server.h. nats-server must never meet a full disk: 2.9 then hangs for ever.
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <ftw.h>
#include <unistd.h>

#include "base/access.h"
#include "cli/home.h"
#include "cli/server.h"

#define NATS_SERVER "/usr/sbin/nats-server"

enum { CONF_BYTES_MAX = 65536 };
enum {
    FREE_BYTES_TO_RUN = 16 << 20,   // killed below it: what it acknowledged is on the disk
    FREE_BYTES_TO_START = 64 << 20, // and started again above it
    FREE_BYTES_LEFT = 128 << 20,    // never taken by streams
};

bool server_nats_is_embedded(const struct settings *settings)
{
    return !*settings_text(settings, SETTING_NATS_URL);
}

enum nova_status server_nats_prepare(const struct settings *settings, struct error *err)
{
    const char *root = getenv("NOVA_ROOT");
    char from[PATH_MAX], to[PATH_MAX], text[CONF_BYTES_MAX];
    snprintf(from, sizeof from, "%s/nats.conf", root && *root ? root : ".");
    FILE *file = fopen(from, "re");
    size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    if (len == 0 || len == sizeof text - 1)
        return error_set(err, NOVA_NOT_FOUND,
                         "%s cannot be read: start Nova by ./nova in its own folder", from);
    text[len] = '\0';
    if (access(NATS_SERVER, X_OK) != 0)
        return error_set(err, NOVA_NOT_FOUND, "%s is not installed (package nats-server)",
                         NATS_SERVER);
    enum nova_status status = access_path(to, settings, err, "nats/nats.conf");
    if (status == NOVA_OK)
        status = home_write(to, text, 0600, err);
    if (status == NOVA_OK)
        status = access_path(to, settings, err, "nats/accounts.conf");
    if (status == NOVA_OK && access(to, R_OK) != 0)
        status = error_set(err, NOVA_NOT_FOUND, "%s is missing", to);
    return status;
}

static struct {
    char store[PATH_MAX], conf[PATH_MAX];
    char port[64], monitor[64], pid_file[PATH_MAX + 64], store_set[PATH_MAX + 64], bytes_max[64];
    const char *argv[4], *environment[6];
} nats;

static int64_t store_bytes;

static int store_add(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)path;
    (void)where;
    store_bytes += type == FTW_F ? (int64_t)info->st_blocks * 512 : 0;
    return 0;
}

// Before each start the bound is set anew: what is stored already, and what the disk has to give.
static const char *nats_forbidden(void *context, bool runs)
{
    (void)context;
    int64_t free_bytes = home_free_bytes(nats.store);
    if (free_bytes < 0)
        return NULL;
    if (runs)
        return free_bytes < FREE_BYTES_TO_RUN ? "the disk is full" : NULL;
    if (free_bytes < FREE_BYTES_TO_START)
        return "the disk is full";
    store_bytes = 0;
    nftw(nats.store, store_add, 32, FTW_PHYS);
    int64_t more = free_bytes > FREE_BYTES_LEFT ? free_bytes - FREE_BYTES_LEFT : 0;
    snprintf(nats.bytes_max, sizeof nats.bytes_max, "NOVA_NATS_STORE_BYTES_MAX=%lld",
             (long long)(store_bytes + more / 2 + (1 << 20)));
    return NULL;
}

enum nova_status server_nats_child(struct supervisor_child *out, const struct settings *settings,
                                   struct error *err)
{
    char pid_file[PATH_MAX];
    int monitor = (int)settings_int(settings, SETTING_NATS_MONITOR_PORT);
    enum nova_status status = access_path(nats.store, settings, err, "nats/store");
    if (status == NOVA_OK)
        status = access_path(nats.conf, settings, err, "nats/nats.conf");
    if (status == NOVA_OK)
        status = access_path(pid_file, settings, err, "run/nats.pid");
    if (status != NOVA_OK)
        return status;
    snprintf(nats.port, sizeof nats.port, "NOVA_NATS_PORT=%lld",
             (long long)settings_int(settings, SETTING_NATS_PORT));
    snprintf(nats.monitor, sizeof nats.monitor, "NOVA_NATS_MONITOR_PORT=%d", monitor);
    snprintf(nats.pid_file, sizeof nats.pid_file, "NOVA_NATS_PID_FILE=\"%s\"", pid_file);
    snprintf(nats.store_set, sizeof nats.store_set, "NOVA_NATS_STORE=\"%s\"", nats.store);
    const char *argv[] = {NATS_SERVER, "-c", nats.conf, NULL};
    const char *environment[] = {nats.port,      nats.monitor,   nats.pid_file,
                                 nats.store_set, nats.bytes_max, NULL};
    memcpy(nats.argv, argv, sizeof argv);
    memcpy(nats.environment, environment, sizeof environment);
    *out = (struct supervisor_child){
        .name = "nats-server",
        .kind = "server",
        .stage = STAGE_NATS,
        .at_once = true,
        .stop_signal = SIGTERM,
        .limits = {.stop_ms_max = 15000},
        .spawn = {.argv = nats.argv, .environment = nats.environment, .death_signal = SIGTERM},
        .probe = probe_create_nats(monitor, nats.store),
        .forbidden = nats_forbidden,
    };
    return NOVA_OK;
}
