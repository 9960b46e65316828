// ports.c - see ports.h. The kernel tells which socket listens, /proc whose it is.
#include "cli/ports.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool port_is_free(int port)
{
    struct sockaddr_in here = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1, probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return true; // whoever needs the port will say what is wrong
    setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &yes,
               sizeof yes); // what only lingers is no hindrance
    bool is_free = bind(probe, (struct sockaddr *)&here, sizeof here) == 0 && listen(probe, 1) == 0;
    int why = errno;
    close(probe);
    return is_free || why != EADDRINUSE;
}

// The inode of the socket that listens on the port, 0: not found.
static unsigned long listening_inode(const char *table, int port)
{
    char line[512];
    unsigned long found = 0;
    FILE *file = fopen(table, "re");
    while (file && !found && fgets(line, sizeof line, file)) {
        unsigned local = 0, state = 0;
        unsigned long inode = 0;
        if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %lu",
                   &local, &state, &inode) == 3 &&
            local == (unsigned)port && state == 0x0A)
            found = inode;
    }
    if (file)
        fclose(file);
    return found;
}

static bool process_has_socket(const char *pid, unsigned long inode)
{
    char path[300], target[64], wanted[64];
    bool has = false;
    snprintf(wanted, sizeof wanted, "socket:[%lu]", inode);
    snprintf(path, sizeof path, "/proc/%.16s/fd", pid);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && !has && (entry = readdir(folder));) {
        snprintf(path, sizeof path, "/proc/%.16s/fd/%s", pid, entry->d_name);
        ssize_t len = readlink(path, target, sizeof target - 1);
        target[len > 0 ? len : 0] = '\0';
        has = strcmp(target, wanted) == 0;
    }
    if (folder)
        closedir(folder);
    return has;
}

// "nginx (process 77)", or "another process" when we may not know.
static void port_owner(char *out, size_t size, int port)
{
    char path[64], name[64] = "";
    unsigned long inode = listening_inode("/proc/net/tcp", port);
    if (!inode)
        inode = listening_inode("/proc/net/tcp6", port);
    snprintf(out, size, "another process");
    DIR *folder = inode ? opendir("/proc") : NULL;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if (!isdigit((unsigned char)entry->d_name[0]) || !process_has_socket(entry->d_name, inode))
            continue;
        snprintf(path, sizeof path, "/proc/%.16s/comm", entry->d_name);
        FILE *file = fopen(path, "re");
        if (file && fgets(name, sizeof name, file))
            name[strcspn(name, "\n")] = '\0';
        if (file)
            fclose(file);
        snprintf(out, size, "%s (process %.16s)", name, entry->d_name);
        break;
    }
    if (folder)
        closedir(folder);
}

enum nova_status ports_check(const struct settings *settings, enum setting setting,
                             struct error *err)
{
    char owner[128], name[64];
    int port = (int)settings_int(settings, setting);
    if (port_is_free(port))
        return NOVA_OK;
    port_owner(owner, sizeof owner, port);
    snprintf(name, sizeof name, "NOVA_%s", settings_key(setting));
    for (char *at = name; *at; at++)
        *at = (char)(*at == '.' ? '_' : toupper((unsigned char)*at));
    const char *home = settings_text(settings, SETTING_HOME);
    bool elsewhere = strcmp(settings_origin(settings, SETTING_HOME), "default") != 0;
    int other = port < 65535 ? port + 1 : port - 1;
    while (other != port && !port_is_free(other))
        other = other < 65535 ? other + 1 : 1024;
    return error_set(err, NOVA_ALREADY_EXISTS,
                     "port %d (%s) is in use by %s; choose another: %s=%d ./nova up%s%s", port,
                     settings_key(setting), owner, name, other, elsewhere ? " --home " : "",
                     elsewhere ? home : "");
}
