// spawn.c - see spawn.h.
#include "cli/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void child_fail(const char *what)
{
    dprintf(STDERR_FILENO, "nova: %s: %s\n", what, strerror(errno));
    _exit(127);
}

static void child_exec(const struct spawn *spawn, int input, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(input, STDIN_FILENO) < 0)
        child_fail("stdin");
    if (spawn->output >= 0 &&
        (dup2(spawn->output, STDOUT_FILENO) < 0 || dup2(spawn->output, STDERR_FILENO) < 0))
        child_fail("output");
    if (spawn->user.change) {
        if (setgroups(0, NULL) != 0 || setgid(spawn->user.gid) != 0 ||
            setuid(spawn->user.uid) != 0 || chdir("/") != 0)
            child_fail("changing the user");
    }
    // After the change of user, which would clear it; and the parent may be gone by now.
    if (spawn->death_signal != 0 &&
        (prctl(PR_SET_PDEATHSIG, spawn->death_signal) != 0 || getppid() != parent))
        _exit(127);
    for (const char *const *at = spawn->environment; at && *at; at++)
        putenv((char *)*at);
    execv(spawn->argv[0], (char *const *)spawn->argv);
    child_fail(spawn->argv[0]);
}

static enum nova_status spawn_with_input(pid_t *out, const struct spawn *spawn, int input,
                                         struct error *err)
{
    pid_t parent = getpid();
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return error_set_transient(err, NOVA_UNAVAILABLE, "%s cannot be started: %s",
                                   spawn->argv[0], strerror(errno));
    if (pid == 0)
        child_exec(spawn, input, parent);
    *out = pid;
    return NOVA_OK;
}

enum nova_status spawn_start(pid_t *out, const struct spawn *spawn, struct error *err)
{
    int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (input < 0)
        return error_set(err, NOVA_UNAVAILABLE, "/dev/null: %s", strerror(errno));
    enum nova_status status = spawn_with_input(out, spawn, input, err);
    close(input);
    return status;
}

// A file in memory; -1 with errno when there is none.
static int memory_file(const char *text)
{
    int file = memfd_create("nova", MFD_CLOEXEC);
    if (file < 0)
        return -1;
    if (text && (write(file, text, strlen(text)) != (ssize_t)strlen(text) ||
                 lseek(file, 0, SEEK_SET) != 0)) {
        close(file);
        return -1;
    }
    return file;
}

static enum nova_status bad_end(const struct spawn *spawn, int how, int output, struct error *err)
{
    char tail[512];
    off_t end = lseek(output, 0, SEEK_END);
    off_t from = end > (off_t)sizeof tail - 1 ? end - (off_t)sizeof tail + 1 : 0;
    ssize_t got = pread(output, tail, sizeof tail - 1, from);
    tail[got > 0 ? got : 0] = '\0';
    for (char *at = tail; *at; at++)
        if (*at == '\n')
            *at = at[1] ? '|' : '\0';
    if (WIFSIGNALED(how))
        return error_set(err, NOVA_UNAVAILABLE, "%s was killed by signal %d: %s", spawn->argv[0],
                         WTERMSIG(how), tail);
    return error_set(err, NOVA_UNAVAILABLE, "%s ended with %d: %s", spawn->argv[0],
                     WEXITSTATUS(how), tail);
}

enum nova_status spawn_run(const struct spawn *spawn, const char *input, struct error *err)
{
    struct spawn captured = *spawn;
    enum nova_status status = NOVA_OK;
    pid_t pid = -1;
    int how = 0, in = memory_file(input);
    captured.output = memory_file(NULL);
    if (in < 0 || captured.output < 0)
        status = error_set(err, NOVA_UNAVAILABLE, "no memory for a file: %s", strerror(errno));
    if (status == NOVA_OK)
        status = spawn_with_input(&pid, &captured, in, err);
    if (status == NOVA_OK) {
        while (waitpid(pid, &how, 0) < 0 && errno == EINTR) {
        }
        if (how != 0)
            status = bad_end(spawn, how, captured.output, err);
    }
    if (in >= 0)
        close(in);
    if (captured.output >= 0)
        close(captured.output);
    return status;
}
