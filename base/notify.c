// notify.c - see notify.h. One datagram a message, never waiting.
#include "base/notify.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void notify_send(const char *message)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (!path || (*path != '/' && *path != '@') || strlen(path) >= sizeof to.sun_path)
        return;
    strcpy(to.sun_path, path);
    if (*path == '@') // Linux's abstract namespace
        to.sun_path[0] = '\0';
    int out = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (out < 0)
        return;
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (sendto(out, message, strlen(message), MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&to,
               len) < 0) {
        // nobody listens, or its queue is full: the next message comes in a second
    }
    close(out);
}

static atomic_bool is_ready;

void notify_ready(void)
{
    atomic_store(&is_ready, true);
    notify_send("READY=1");
}

// When many processes start at once, the socket's queue (10 messages on Linux) is full and the
// first word of one is lost; so each later message says it again.
void notify_watchdog(void)
{
    notify_send(atomic_load(&is_ready) ? "READY=1\nWATCHDOG=1" : "WATCHDOG=1");
}

void notify_status(const char *format, ...)
{
    char message[256] = "STATUS=";
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message + 7, sizeof message - 7, format, arguments);
    va_end(arguments);
    message[7 + strcspn(message + 7, "\n")] = '\0';
    notify_send(message);
}
