// probe.c - see probe.h. One attempt at a time: idle, talking, answered or out of time.
#include "cli/probe.h"

#include <arpa/inet.h>
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/path.h"

enum talk { TALK_ON, TALK_READY, TALK_BUSY, TALK_NONE };
enum { STORE_PATHS_MAX = 16 };

struct probe {
    char *url; // PostgreSQL; NULL: nats-server
    PGconn *pg;
    bool asked; // `select 1` is under way
    int port;
    int http; // -1: not connected
    bool sent;
    char answer[512];
    size_t answer_len;
    char *store;
    struct seen { // a folder of the store as it was when first seen
        char name[128];
        int folder; // held open: the inode's number goes to no folder made in its place
        ino_t inode;
    } seen[STORE_PATHS_MAX];
    size_t seen_count;

    bool talking;
    short events; // what the talk waits for
    int64_t next_ms;
    int64_t deadline_ms;
};

static struct probe *probe_create(void)
{
    struct probe *probe = calloc(1, sizeof *probe);
    assert(probe);
    probe->http = -1;
    return probe;
}

static char *copy(const char *text)
{
    char *made = strdup(text);
    assert(made);
    return made;
}

struct probe *probe_create_postgres(const char *url)
{
    struct probe *probe = probe_create();
    probe->url = copy(url);
    return probe;
}

struct probe *probe_create_nats(int monitor_port, const char *store)
{
    struct probe *probe = probe_create();
    probe->port = monitor_port;
    probe->store = copy(store);
    return probe;
}

static void hang_up(struct probe *probe)
{
    PQfinish(probe->pg); // takes NULL
    probe->pg = NULL;
    probe->asked = false;
    if (probe->http >= 0)
        close(probe->http);
    probe->http = -1;
    probe->sent = false;
    probe->answer_len = 0;
    probe->talking = false;
}

static void store_forget(struct probe *probe)
{
    while (probe->seen_count > 0)
        close(probe->seen[--probe->seen_count].folder);
}

void probe_destroy(struct probe **probe)
{
    if (!*probe)
        return;
    hang_up(*probe);
    store_forget(*probe);
    free((*probe)->url);
    free((*probe)->store);
    free(*probe);
    *probe = NULL;
}

void probe_reset(struct probe *probe, int64_t now_ms)
{
    hang_up(probe);
    store_forget(probe);
    probe->next_ms = now_ms + PROBE_EVERY_MS_STARTING;
}

// ---- PostgreSQL

// A server that refuses (it starts, recovers, has no connection left) answers all the same: libpq
// knows an SQLSTATE only for results, so the words of the server tell it from the system's.
static enum talk postgres_refused(const PGconn *pg)
{
    return strstr(PQerrorMessage(pg), "FATAL:") ? TALK_BUSY : TALK_NONE;
}

static enum talk postgres_connect(struct probe *probe)
{
    switch (PQconnectPoll(probe->pg)) {
    case PGRES_POLLING_READING:
        probe->events = POLLIN;
        return TALK_ON;
    case PGRES_POLLING_WRITING:
        probe->events = POLLOUT;
        return TALK_ON;
    case PGRES_POLLING_OK:
        break;
    default:
        return postgres_refused(probe->pg);
    }
    probe->asked = PQsendQuery(probe->pg, "select 1") == 1;
    probe->events = POLLIN;
    return probe->asked ? TALK_ON : TALK_NONE;
}

static enum talk postgres_talk(struct probe *probe)
{
    if (!probe->pg) {
        probe->pg = PQconnectStart(probe->url);
        assert(probe->pg);
        if (PQstatus(probe->pg) == CONNECTION_BAD)
            return TALK_NONE;
        probe->events = POLLOUT;
        return TALK_ON;
    }
    if (!probe->asked)
        return postgres_connect(probe);
    if (PQconsumeInput(probe->pg) != 1)
        return TALK_NONE;
    if (PQisBusy(probe->pg))
        return TALK_ON;
    PGresult *result = PQgetResult(probe->pg);
    bool good = PQresultStatus(result) == PGRES_TUPLES_OK;
    PQclear(result);
    return good ? TALK_READY : TALK_BUSY;
}

// ---- nats-server

static enum talk nats_connect(struct probe *probe)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)probe->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    probe->http = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe->http < 0)
        return TALK_NONE;
    if (connect(probe->http, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)
        return TALK_NONE;
    probe->events = POLLOUT;
    return TALK_ON;
}

static enum talk nats_talk(struct probe *probe)
{
    static const char request[] = "GET /healthz HTTP/1.0\r\n\r\n";
    if (probe->http < 0)
        return nats_connect(probe);
    if (!probe->sent) {
        if (send(probe->http, request, sizeof request - 1, MSG_NOSIGNAL) != sizeof request - 1)
            return TALK_NONE; // refused, or gone
        probe->sent = true;
        probe->events = POLLIN;
        return TALK_ON;
    }
    ssize_t got = recv(probe->http, probe->answer + probe->answer_len,
                       sizeof probe->answer - 1 - probe->answer_len, 0);
    if (got < 0)
        return errno == EAGAIN ? TALK_ON : TALK_NONE;
    probe->answer_len += (size_t)got;
    probe->answer[probe->answer_len] = '\0';
    if (got > 0 && probe->answer_len < sizeof probe->answer - 1)
        return TALK_ON;
    if (probe->answer_len == 0)
        return TALK_NONE;
    return strstr(probe->answer, " 200 ") && strstr(probe->answer, "\"ok\"") ? TALK_READY
                                                                             : TALK_BUSY;
}

static void store_note(struct probe *probe, const char *name)
{
    struct stat info;
    char path[PATH_MAX];
    struct seen seen;
    for (size_t i = 0; i < probe->seen_count; i++)
        if (strcmp(probe->seen[i].name, name) == 0)
            return;
    path_print(path, "%s/%s", probe->store, name);
    int len = snprintf(seen.name, sizeof seen.name, "%s", name);
    if (probe->seen_count == STORE_PATHS_MAX || len >= (int)sizeof seen.name)
        return;
    seen.folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (seen.folder < 0)
        return;
    if (fstat(seen.folder, &info) != 0) {
        close(seen.folder);
        return;
    }
    seen.inode = info.st_ino;
    probe->seen[probe->seen_count++] = seen;
}

const char *probe_lost(struct probe *probe)
{
    if (!probe->store)
        return NULL;
    for (size_t i = 0; i < probe->seen_count; i++) {
        struct stat info;
        char path[PATH_MAX];
        path_print(path, "%s/%s", probe->store, probe->seen[i].name);
        if (stat(path, &info) != 0 || info.st_ino != probe->seen[i].inode)
            return "its store was removed";
    }
    return NULL;
}

// The store's folders: itself, JetStream's, and one for each account.
static void store_look(struct probe *probe)
{
    char path[PATH_MAX];
    store_note(probe, ".");
    store_note(probe, "jetstream");
    path_print(path, "%s/jetstream", probe->store);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char name[300];
        snprintf(name, sizeof name, "jetstream/%s", entry->d_name);
        if (entry->d_name[0] != '.')
            store_note(probe, name);
    }
    if (folder)
        closedir(folder);
}

// ---- the attempt

static bool descriptor_is_due(const struct probe *probe)
{
    struct pollfd wait;
    probe_wait(&wait, probe);
    return wait.fd < 0 || poll(&wait, 1, 0) != 0;
}

bool probe_step(enum supervise_answer *out, struct probe *probe, int64_t every_ms, int64_t now_ms)
{
    if (!probe->talking) {
        if (probe->next_ms > now_ms + every_ms)
            probe->next_ms = now_ms + every_ms;
        if (now_ms < probe->next_ms)
            return false;
        probe->talking = true;
        probe->next_ms = now_ms + every_ms;
        probe->deadline_ms = now_ms + PROBE_ANSWER_MS_MAX;
    } else if (!descriptor_is_due(probe) && now_ms < probe->deadline_ms) {
        return false;
    }
    enum talk talk = TALK_ON;
    if (now_ms < probe->deadline_ms)
        talk = probe->url ? postgres_talk(probe) : nats_talk(probe);
    else
        talk = TALK_NONE;
    if (talk == TALK_ON)
        return false;
    hang_up(probe);
    if (talk == TALK_READY && probe->store)
        store_look(probe);
    *out = talk == TALK_READY  ? SUPERVISE_ANSWER_READY
           : talk == TALK_BUSY ? SUPERVISE_ANSWER_BUSY
                               : SUPERVISE_ANSWER_NONE;
    return true;
}

int64_t probe_wait(struct pollfd *out, const struct probe *probe)
{
    *out = (struct pollfd){.fd = -1, .events = probe->events};
    if (!probe->talking)
        return probe->next_ms;
    out->fd = probe->pg ? PQsocket(probe->pg) : probe->http;
    return probe->deadline_ms;
}
