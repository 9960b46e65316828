// notify.c - see notify.h. One datagram a message, never waiting.
#include "base/notify.h"

#include <pthread.h>
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

enum { NOTIFY_TEXT_BYTES = 240 };

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

static pthread_mutex_t trouble_lock = PTHREAD_MUTEX_INITIALIZER;
static char trouble[NOTIFY_TEXT_BYTES];

void notify_trouble(const char *what)
{
    pthread_mutex_lock(&trouble_lock);
    snprintf(trouble, sizeof trouble, "%.*s", (int)strcspn(what, "\n"), what);
    pthread_mutex_unlock(&trouble_lock);
}

void notify_status(const char *format, ...)
{
    char text[NOTIFY_TEXT_BYTES], message[2 * NOTIFY_TEXT_BYTES + 32];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    text[strcspn(text, "\n")] = '\0';
    pthread_mutex_lock(&trouble_lock);
    snprintf(message, sizeof message, "STATUS=%s\nX_NOVA_TROUBLE=%s", text, trouble);
    pthread_mutex_unlock(&trouble_lock);
    notify_send(message);
}
