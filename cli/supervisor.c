// supervisor.c - see supervisor.h. One loop of named phases; it never waits for anybody.
#include "cli/supervisor_state.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/path.h"

#define TROUBLE "X_NOVA_TROUBLE="

enum {
    LOGS_EVERY_MS = 2000, // so a turn comes at least as often
    ORDER_AGAIN_MS = 1000,
    LATE_MS = 3 * LOGS_EVERY_MS,
};

static int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// ---- life cycle

static int lock_open(const char *home, int flags)
{
    char path[PATH_MAX];
    path_print(path, "%s/run/supervisor.pid", home);
    return open(path, flags | O_CLOEXEC, 0644);
}

// The lock, not the number in the file, says whether it lives: a number may be anybody's by now.
pid_t supervisor_find(const char *home)
{
    int file = lock_open(home, O_RDONLY);
    if (file < 0)
        return 0;
    char text[32] = "";
    bool taken = flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    ssize_t got = taken ? pread(file, text, sizeof text - 1, 0) : 0;
    close(file);
    return got > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

static enum nova_status take_lock(struct supervisor *supervisor, struct error *err)
{
    supervisor->lock = lock_open(supervisor->home, O_RDWR | O_CREAT);
    if (supervisor->lock < 0)
        return error_set(err, NOVA_PERMISSION_DENIED, "%s/run/supervisor.pid: %s", supervisor->home,
                         strerror(errno));
    if (flock(supervisor->lock, LOCK_EX | LOCK_NB) != 0)
        return error_set(err, NOVA_ALREADY_EXISTS, "another supervisor runs in %s",
                         supervisor->home);
    if (ftruncate(supervisor->lock, 0) != 0 || dprintf(supervisor->lock, "%d\n", getpid()) < 0)
        return error_set(err, NOVA_RESOURCE_EXHAUSTED, "%s/run/supervisor.pid: %s",
                         supervisor->home, strerror(errno));
    return NOVA_OK;
}

// An abstract name: a home's path may be longer than a socket's. Who sends is told by the kernel.
static enum nova_status open_notify(struct supervisor *supervisor, struct error *err)
{
    struct sockaddr_un here = {.sun_family = AF_UNIX};
    int yes = 1;
    snprintf(supervisor->notify_name, sizeof supervisor->notify_name, "@nova-%d-%08x", getpid(),
             randombytes_random());
    size_t len = strlen(supervisor->notify_name);
    memcpy(here.sun_path + 1, supervisor->notify_name + 1, len - 1);
    supervisor->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (supervisor->notify < 0 ||
        setsockopt(supervisor->notify, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) != 0 ||
        bind(supervisor->notify, (struct sockaddr *)&here,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) != 0)
        return error_set(err, NOVA_UNAVAILABLE, "the socket for sd_notify: %s", strerror(errno));
    return NOVA_OK;
}

static enum nova_status open_signals(struct supervisor *supervisor, struct error *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    supervisor->signals = sigprocmask(SIG_BLOCK, &set, NULL) == 0
                              ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)
                              : -1;
    // Orphans of our children become ours: a PostgreSQL killed with -9 leaves backends behind, and
    // no new one starts beside them.
    if (supervisor->signals < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        return error_set(err, NOVA_UNAVAILABLE, "the supervisor's signals: %s", strerror(errno));
    return NOVA_OK;
}

enum nova_status supervisor_create(struct supervisor **out, const char *home, struct error *err)
{
    *out = NULL;
    struct supervisor *supervisor = calloc(1, sizeof *supervisor);
    assert(supervisor);
    supervisor->lock = supervisor->signals = supervisor->notify = -1;
    supervisor->since = time(NULL);
    supervisor->changed = true;
    snprintf(supervisor->home, sizeof supervisor->home, "%s", home);
    enum nova_status status = take_lock(supervisor, err);
    if (status == NOVA_OK)
        status = open_notify(supervisor, err);
    if (status == NOVA_OK)
        status = open_signals(supervisor, err);
    if (status != NOVA_OK) {
        supervisor_destroy(&supervisor);
        return status;
    }
    *out = supervisor;
    return NOVA_OK;
}

void supervisor_destroy(struct supervisor **supervisor)
{
    if (!*supervisor)
        return;
    for (size_t i = 0; i < (*supervisor)->child_count; i++) {
        probe_destroy(&(*supervisor)->children[i].is.probe);
        if ((*supervisor)->children[i].log >= 0)
            close((*supervisor)->children[i].log);
    }
    int descriptors[] = {(*supervisor)->signals, (*supervisor)->notify, (*supervisor)->lock};
    for (size_t i = 0; i < 3; i++)
        if (descriptors[i] >= 0)
            close(descriptors[i]);
    free(*supervisor);
    *supervisor = NULL;
}

void supervisor_add(struct supervisor *supervisor, const struct supervisor_child *is)
{
    assert(supervisor->child_count < SUPERVISOR_CHILDREN_MAX);
    struct child *child = &supervisor->children[supervisor->child_count++];
    *child = (struct child){.is = *is, .since = time(NULL), .shown = SUPERVISE_WAITING};
    path_print(child->log_path, "%s/logs/%s.log", supervisor->home, is->name);
    for (char *at = child->log_path + strlen(supervisor->home) + strlen("/logs/"); *at; at++)
        *at = *at == '/' ? '.' : *at;
    child->log = open(child->log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    supervise_begin(&child->supervise, &is->limits, clock_ms());
    child->why_shown = child->supervise.why;
}

// ---- phase: what happened

static struct child *find_pid(struct supervisor *supervisor, pid_t pid)
{
    for (size_t i = 0; i < supervisor->child_count; i++)
        if (supervisor->children[i].pid == pid)
            return &supervisor->children[i];
    return NULL;
}

// Children of children that died, which the kernel gave to us.
static void kill_orphans(struct supervisor *supervisor)
{
    char path[64], text[8192];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = file < 0 ? 0 : read(file, text, sizeof text - 1);
    if (file >= 0)
        close(file);
    text[got > 0 ? got : 0] = '\0';
    for (char *at = text, *end; *at; at = end) {
        pid_t pid = (pid_t)strtol(at, &end, 10);
        if (end == at)
            break;
        if (pid > 0 && !find_pid(supervisor, pid))
            kill(pid, SIGKILL);
    }
}

static void child_ended(struct supervisor *supervisor, struct child *child, int how, int64_t now_ms)
{
    if (WIFSIGNALED(how))
        snprintf(child->last_exit, sizeof child->last_exit, "signal %d", WTERMSIG(how));
    else
        snprintf(child->last_exit, sizeof child->last_exit, "exit code %d", WEXITSTATUS(how));
    pid_t pid = child->pid;
    child->pid = 0;
    child->status[0] = child->trouble[0] = '\0';
    supervise_exited(&child->supervise, now_ms);
    supervisor->changed = true;
    kill_orphans(supervisor);
    if (child->supervise.state == SUPERVISE_STOPPED)
        log_info("supervisor: a process stopped", LOG_TEXT("name", child->is.name),
                 LOG_INT("pid", pid), LOG_TEXT("how", child->last_exit));
    else
        log_warn("supervisor: a process ended and will be started again",
                 LOG_TEXT("name", child->is.name), LOG_INT("pid", pid),
                 LOG_TEXT("how", child->last_exit), LOG_TEXT("why", child->supervise.why),
                 LOG_INT("pause_ms", child->supervise.due_ms - now_ms));
}

static void phase_reap(struct supervisor *supervisor, int64_t now_ms)
{
    int how;
    for (pid_t pid; (pid = waitpid(-1, &how, WNOHANG)) > 0;) {
        struct child *child = find_pid(supervisor, pid);
        if (child)
            child_ended(supervisor, child, how, now_ms);
    }
}

static void phase_signals(struct supervisor *supervisor, int64_t now_ms)
{
    struct signalfd_siginfo signal;
    while (read(supervisor->signals, &signal, sizeof signal) == (ssize_t)sizeof signal) {
        if (signal.ssi_signo == SIGUSR1 && !supervisor->all) {
            supervisor->all = supervisor->changed = true;
            for (size_t i = 0; i < supervisor->child_count; i++)
                supervisor->children[i].supervise.due_ms = now_ms;
        }
        if (signal.ssi_signo == SIGTERM || signal.ssi_signo == SIGINT) {
            if (!supervisor->stopping)
                log_info("supervisor: stopping");
            supervisor->stopping = supervisor->changed = true;
        }
    }
}

static void hear(struct supervisor *supervisor, struct child *child, char *message, int64_t now_ms)
{
    supervise_heard(&child->supervise, now_ms);
    for (char *line; (line = strsep(&message, "\n"));) {
        if (strcmp(line, "READY=1") == 0) {
            supervise_ready(&child->supervise, now_ms);
        } else if (strncmp(line, "STATUS=", 7) == 0) {
            snprintf(child->status, sizeof child->status, "%s", line + 7);
            supervisor->changed = true;
        } else if (strncmp(line, TROUBLE, strlen(TROUBLE)) == 0) {
            snprintf(child->trouble, sizeof child->trouble, "%s", line + strlen(TROUBLE));
        }
    }
}

static void phase_notify(struct supervisor *supervisor, int64_t now_ms)
{
    for (;;) {
        char message[1024];
        union {
            char bytes[CMSG_SPACE(sizeof(struct ucred))];
            struct cmsghdr align;
        } control;
        struct iovec part = {message, sizeof message - 1};
        struct msghdr header = {.msg_iov = &part,
                                .msg_iovlen = 1,
                                .msg_control = control.bytes,
                                .msg_controllen = sizeof control.bytes};
        ssize_t got = recvmsg(supervisor->notify, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (got < 0)
            return;
        message[got] = '\0';
        struct cmsghdr *sender = CMSG_FIRSTHDR(&header);
        if (!sender || sender->cmsg_type != SCM_CREDENTIALS)
            continue;
        struct ucred who;
        memcpy(&who, CMSG_DATA(sender), sizeof who);
        struct child *child = who.pid > 0 ? find_pid(supervisor, who.pid) : NULL;
        if (child && !child->is.probe)
            hear(supervisor, child, message, now_ms);
    }
}

static void phase_probes(struct supervisor *supervisor, int64_t now_ms)
{
    for (size_t i = 0; i < supervisor->child_count; i++) {
        struct child *child = &supervisor->children[i];
        enum supervise_answer answer;
        if (!child->is.probe || !child->pid)
            continue;
        bool ready = child->supervise.state == SUPERVISE_READY;
        int64_t every_ms = ready ? PROBE_EVERY_MS : PROBE_EVERY_MS_STARTING;
        if (!probe_step(&answer, child->is.probe, every_ms, now_ms))
            continue;
        if (answer == SUPERVISE_ANSWER_NONE && ready)
            log_warn("supervisor: a server does not answer", LOG_TEXT("name", child->is.name));
        supervise_probed(&child->supervise, answer, now_ms);
        const char *lost = probe_lost(child->is.probe);
        if (!lost && child->is.forbidden)
            lost = child->is.forbidden(child->is.context, true);
        if (lost)
            supervise_lost(&child->supervise, lost, now_ms);
    }
}

// ---- phase: what to do

static void start_child(struct supervisor *supervisor, struct child *child, int64_t now_ms)
{
    struct error err;
    const char *given[16] = {0};
    char notify[80];
    size_t count = 0;
    snprintf(notify, sizeof notify, "NOTIFY_SOCKET=%s", supervisor->notify_name);
    if (!child->is.probe)
        given[count++] = notify;
    for (const char *const *at = child->is.spawn.environment; at && *at && count < 15; at++)
        given[count++] = *at;
    struct spawn spawn = child->is.spawn;
    spawn.environment = given;
    spawn.output = child->log;
    if (spawn_start(&child->pid, &spawn, &err) != NOVA_OK) {
        log_error("supervisor: a process cannot be started", LOG_TEXT("name", child->is.name),
                  LOG_ERROR(&err));
        supervise_exited(&child->supervise, now_ms);
        return;
    }
    if (child->is.probe)
        probe_reset(child->is.probe, now_ms);
    log_info("supervisor: a process was started", LOG_TEXT("name", child->is.name),
             LOG_INT("pid", child->pid), LOG_INT("starts", child->supervise.starts));
}

static void forbid_child(struct child *child, int64_t now_ms)
{
    const char *why = child->is.forbidden ? child->is.forbidden(child->is.context, false) : NULL;
    if (why && child->supervise.due_ms <= now_ms)
        supervise_postpone(&child->supervise, why, now_ms + ORDER_AGAIN_MS);
}

static void order_child(struct supervisor *supervisor, struct child *child, int64_t now_ms)
{
    if (!child->is.at_once && !supervisor->all)
        supervise_postpone(&child->supervise, child->supervise.why, INT64_MAX);
    if (child->supervise.state == SUPERVISE_WAITING)
        forbid_child(child, now_ms);
    switch (supervise_next(&child->supervise, now_ms)) {
    case SUPERVISE_START:
        start_child(supervisor, child, now_ms);
        break;
    case SUPERVISE_TERMINATE:
        kill(child->pid, child->is.stop_signal);
        break;
    case SUPERVISE_KILL:
        log_error("supervisor: a process is killed", LOG_TEXT("name", child->is.name),
                  LOG_INT("pid", child->pid), LOG_TEXT("why", child->supervise.why));
        kill(child->pid, SIGKILL);
        break;
    case SUPERVISE_NOTHING:
        break;
    }
}

// One stage after the other, the highest first. False: everything is down.
static bool stop_stage(struct supervisor *supervisor, int64_t now_ms)
{
    int stage = -1;
    for (size_t i = 0; i < supervisor->child_count; i++) {
        const struct child *child = &supervisor->children[i];
        if (child->supervise.state != SUPERVISE_STOPPED && child->is.stage > stage)
            stage = child->is.stage;
    }
    for (size_t i = 0; i < supervisor->child_count; i++) {
        struct child *child = &supervisor->children[i];
        if (child->is.stage == stage)
            supervise_stop(&child->supervise, now_ms);
        else if (!child->pid)
            supervise_stop(&child->supervise, now_ms); // not started any more
    }
    return stage >= 0;
}

static void note_changes(struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->child_count; i++) {
        struct child *child = &supervisor->children[i];
        const struct supervise *now = &child->supervise;
        if (now->state == child->shown && now->why == child->why_shown)
            continue;
        if (now->state == SUPERVISE_READY)
            log_info("supervisor: a process is ready", LOG_TEXT("name", child->is.name),
                     LOG_INT("pid", child->pid));
        else if (now->state == SUPERVISE_WAITING && now->state == child->shown)
            log_warn("supervisor: a process waits", LOG_TEXT("name", child->is.name),
                     LOG_TEXT("why", now->why));
        if (now->state != child->shown)
            child->since = time(NULL);
        child->shown = now->state;
        child->why_shown = now->why;
        supervisor->changed = true;
    }
}

// ---- phase: logs stay bounded

// Copied and emptied, not renamed: the child keeps its descriptor, and appends.
static void bound_log(int log, const char *path)
{
    struct stat info;
    char older[PATH_MAX];
    if (log < 0 || fstat(log, &info) != 0 || info.st_size < SUPERVISOR_LOG_BYTES_MAX)
        return;
    path_print(older, "%s.1", path);
    int from = open(path, O_RDONLY | O_CLOEXEC);
    int to = open(older, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    off_t left = SUPERVISOR_LOG_BYTES_MAX; // its newest part
    off_t at = info.st_size - left;
    while (from >= 0 && to >= 0 && left > 0) {
        ssize_t sent = sendfile(to, from, &at, (size_t)left);
        if (sent <= 0)
            break;
        left -= sent;
    }
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    if (ftruncate(log, 0) != 0)
        log_warn("supervisor: a log cannot be emptied", LOG_TEXT("path", path));
}

static void phase_logs(struct supervisor *supervisor, int64_t now_ms)
{
    if (now_ms - supervisor->logs_checked_ms < LOGS_EVERY_MS)
        return;
    supervisor->logs_checked_ms = now_ms;
    for (size_t i = 0; i < supervisor->child_count; i++)
        bound_log(supervisor->children[i].log, supervisor->children[i].log_path);
    char own[PATH_MAX];
    struct stat at_path, at_stderr;
    path_print(own, "%s/logs/supervisor.log", supervisor->home);
    if (stat(own, &at_path) == 0 && fstat(STDERR_FILENO, &at_stderr) == 0 &&
        at_path.st_ino == at_stderr.st_ino)
        bound_log(STDERR_FILENO, own);
}

// ---- phase: wait until something can be done

static void phase_wait(const struct supervisor *supervisor)
{
    struct pollfd waits[SUPERVISOR_CHILDREN_MAX + 2] = {
        {.fd = supervisor->signals, .events = POLLIN},
        {.fd = supervisor->notify, .events = POLLIN}};
    nfds_t count = 2;
    int64_t due_ms = supervisor->logs_checked_ms + LOGS_EVERY_MS;
    for (size_t i = 0; i < supervisor->child_count; i++) {
        const struct child *child = &supervisor->children[i];
        int64_t own_ms = supervise_due_ms(&child->supervise);
        due_ms = own_ms < due_ms ? own_ms : due_ms;
        if (child->is.probe && child->pid) {
            own_ms = probe_wait(&waits[count++], child->is.probe);
            due_ms = own_ms < due_ms ? own_ms : due_ms;
        }
    }
    int64_t wait_ms = due_ms - clock_ms();
    poll(waits, count, wait_ms > 0 ? (int)wait_ms : 0);
}

// A turn that comes far too late (we were stopped, or the machine slept) says nothing about the
// children's silence: what they said did not all fit into the socket's queue.
static void phase_wake(struct supervisor *supervisor, int64_t now_ms)
{
    bool late = supervisor->turned_ms != 0 && now_ms - supervisor->turned_ms > LATE_MS;
    for (size_t i = 0; late && i < supervisor->child_count; i++)
        supervise_heard(&supervisor->children[i].supervise, now_ms);
    supervisor->turned_ms = now_ms;
}

void supervisor_run(struct supervisor *supervisor)
{
    log_info("supervisor: started", LOG_TEXT("home", supervisor->home),
             LOG_INT("children", supervisor->child_count));
    for (bool on = true; on;) {
        phase_wake(supervisor, clock_ms());
        phase_signals(supervisor, clock_ms());
        phase_reap(supervisor, clock_ms());
        phase_notify(supervisor, clock_ms());
        phase_probes(supervisor, clock_ms());
        if (supervisor->stopping)
            on = stop_stage(supervisor, clock_ms());
        for (size_t i = 0; i < supervisor->child_count; i++)
            order_child(supervisor, &supervisor->children[i], clock_ms());
        note_changes(supervisor);
        phase_logs(supervisor, clock_ms());
        if (supervisor->changed)
            supervisor_state_write(supervisor);
        if (on)
            phase_wait(supervisor);
    }
    log_info("supervisor: all is stopped");
}
