// test_supervisor.c - a real supervisor over real children: this program itself, in other roles.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/notify.h"
#include "cli/supervisor.h"

enum { PATIENCE_MS = 30000, SILENCE_MS_MAX = 700, STOP_MS_MAX = 500 };

static char self[PATH_MAX], home[64];
static pid_t supervisor_pid;

// ---- the children's roles

static volatile sig_atomic_t told_to_stop;

static void on_stop(int number)
{
    (void)number;
    told_to_stop = 1;
}

static void append_line(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", getenv("TEST_HOME"), name);
    int file = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
    dprintf(file, "%s\n", text);
    close(file);
}

static void child_work(const char *name)
{
    struct sigaction stop = {.sa_handler = on_stop};
    sigaction(SIGTERM, &stop, NULL);
    notify_ready();
    notify_status("at work");
    while (!told_to_stop) {
        notify_watchdog();
        usleep(50000);
    }
    append_line("stopped", name);
}

static int child_main(const char *role, const char *name)
{
    if (strcmp(role, "work") == 0) {
        child_work(name);
    } else if (strcmp(role, "fail") == 0) {
        return 3;
    } else if (strcmp(role, "stubborn") == 0) {
        signal(SIGTERM, SIG_IGN);
        notify_ready();
        for (;;) {
            notify_watchdog();
            usleep(50000);
        }
    } else if (strcmp(role, "loud") == 0) {
        char line[1024];
        memset(line, 'x', sizeof line);
        line[sizeof line - 1] = '\n';
        for (int i = 0; i < (SUPERVISOR_LOG_BYTES_MAX >> 10) + 100; i++)
            if (write(STDERR_FILENO, line, sizeof line) < 0)
                return 1;
        dprintf(STDERR_FILENO, "the newest line\n");
        child_work(name);
    } else if (strcmp(role, "parent") == 0) { // leaves a child behind when it is killed
        pid_t orphan = fork();
        if (orphan == 0)
            for (;;)
                pause();
        char text[32];
        snprintf(text, sizeof text, "%d", orphan);
        append_line("orphan", text);
        child_work(name);
    }
    return 0;
}

// ---- the supervisor's process

struct plan {
    const char *name, *role;
    int stage;
    bool at_once;
};

static void supervise_plan(const struct plan *plan, size_t count)
{
    static const char *argv[8][5];
    struct supervisor *supervisor = NULL;
    struct error err;
    log_start("supervisor");
    if (supervisor_create(&supervisor, home, &err) != NOVA_OK)
        _exit(9);
    for (size_t i = 0; i < count; i++) {
        const char *words[] = {self, "--child", plan[i].role, plan[i].name, NULL};
        memcpy(argv[i], words, sizeof words);
        struct supervisor_child child = {
            .name = plan[i].name,
            .kind = "test",
            .stage = plan[i].stage,
            .at_once = plan[i].at_once,
            .stop_signal = SIGTERM,
            .limits = {SILENCE_MS_MAX, SILENCE_MS_MAX, STOP_MS_MAX},
            .spawn = {.argv = argv[i], .death_signal = SIGTERM},
        };
        supervisor_add(supervisor, &child);
    }
    supervisor_run(supervisor);
    supervisor_destroy(&supervisor);
    _exit(0);
}

static void begin(const struct plan *plan, size_t count)
{
    fflush(NULL);
    supervisor_pid = fork();
    if (supervisor_pid == 0) {
        char path[128];
        snprintf(path, sizeof path, "%s/logs/supervisor.log", home);
        int file = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
        dup2(file, STDERR_FILENO);
        close(file);
        supervise_plan(plan, count);
    }
}

static int set_up(void **state)
{
    (void)state;
    char path[128];
    strcpy(home, "/tmp/nova-supervisor.XXXXXX");
    if (!mkdtemp(home))
        return -1;
    setenv("TEST_HOME", home, 1);
    snprintf(path, sizeof path, "%s/run", home);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/logs", home);
    return mkdir(path, 0700);
}

static void end(void)
{
    int how = 0;
    if (supervisor_pid == 0)
        return;
    kill(supervisor_pid, SIGTERM);
    waitpid(supervisor_pid, &how, 0);
    supervisor_pid = 0;
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    if (supervisor_pid)
        kill(supervisor_pid, SIGKILL);
    supervisor_pid = 0;
    snprintf(command, sizeof command, "rm -rf %s", home);
    return system(command);
}

// ---- what is seen from outside

static char *file_text(const char *name)
{
    static char text[4096];
    char path[128];
    snprintf(path, sizeof path, "%s/%s", home, name);
    int file = open(path, O_RDONLY);
    ssize_t got = file < 0 ? 0 : read(file, text, sizeof text - 1);
    if (file >= 0)
        close(file);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

// The child's entry in state.json; NULL: none yet. To be given back with json_decref.
static json_t *state_of(const char *name)
{
    char path[128];
    size_t i;
    json_t *entry, *found = NULL;
    snprintf(path, sizeof path, "%s/run/state.json", home);
    json_t *state = json_load_file(path, 0, NULL);
    json_array_foreach(json_object_get(state, "processes"), i, entry)
    {
        if (strcmp(json_string_value(json_object_get(entry, "name")), name) == 0)
            found = json_incref(entry);
    }
    json_decref(state);
    return found;
}

static int64_t state_int(const char *name, const char *key)
{
    json_t *entry = state_of(name);
    int64_t value = json_integer_value(json_object_get(entry, key));
    json_decref(entry);
    return value;
}

static bool state_is(const char *name, const char *key, const char *text)
{
    json_t *entry = state_of(name);
    const char *value = json_string_value(json_object_get(entry, key));
    bool same = value && strcmp(value, text) == 0;
    json_decref(entry);
    return same;
}

// Until `condition`, checked every 10 ms; a test that waits too long says for what.
#define WAIT_FOR(condition)                                                                        \
    do {                                                                                           \
        int waited_ms = 0;                                                                         \
        while (!(condition)) {                                                                     \
            if ((waited_ms += 10) > PATIENCE_MS)                                                   \
                fail_msg("waited too long for: %s", #condition);                                   \
            usleep(10000);                                                                         \
        }                                                                                          \
    } while (0)

static bool is_dead(pid_t pid)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int file = open(path, O_RDONLY);
    if (file < 0)
        return true;
    ssize_t got = read(file, text, sizeof text - 1);
    close(file);
    const char *after = got > 0 ? strrchr(text, ')') : NULL;
    return !after || after[2] == 'Z'; // a zombie whose new parent was not quick
}

static void a_child_that_dies_is_started_again_and_it_is_said(void **state)
{
    (void)state;
    const struct plan plan[] = {{"relay/identity", "work", 1, true}};
    begin(plan, 1);
    WAIT_FOR(state_is("relay/identity", "state", "ready"));
    WAIT_FOR(state_is("relay/identity", "status", "at work"));
    pid_t first = (pid_t)state_int("relay/identity", "pid");
    kill(first, SIGKILL);
    WAIT_FOR(state_int("relay/identity", "starts") == 2 &&
             state_is("relay/identity", "state", "ready"));
    assert_int_not_equal(state_int("relay/identity", "pid"), first);
    assert_true(state_is("relay/identity", "last_exit", "signal 9"));
    end();
    assert_non_null(strstr(file_text("logs/supervisor.log"),
                           "\"msg\":\"supervisor: a process ended and will be started again\","
                           "\"name\":\"relay/identity\""));
}

static void a_child_that_hangs_is_killed_and_started_again(void **state)
{
    (void)state;
    const struct plan plan[] = {{"service/identity", "work", 1, true}};
    begin(plan, 1);
    WAIT_FOR(state_is("service/identity", "state", "ready"));
    kill((pid_t)state_int("service/identity", "pid"), SIGSTOP);
    WAIT_FOR(state_int("service/identity", "starts") == 2 &&
             state_is("service/identity", "state", "ready"));
    end();
}

static void a_child_that_cannot_start_is_tried_again_with_pauses(void **state)
{
    (void)state;
    const struct plan plan[] = {{"bad", "fail", 1, true}, {"good", "work", 1, true}};
    begin(plan, 2);
    WAIT_FOR(state_int("bad", "starts") >= 3);
    // On a busy machine one may be ended for being slow before it fails by itself.
    WAIT_FOR(state_is("bad", "last_exit", "exit code 3"));
    WAIT_FOR(state_is("good", "state", "ready"));
    end();
}

static void higher_stages_stop_first(void **state)
{
    (void)state;
    const struct plan plan[] = {{"relay", "work", 2, true},
                                {"service", "work", 4, true},
                                {"consumer", "work", 3, true},
                                {"failing", "fail", 4, true}};
    begin(plan, 4);
    WAIT_FOR(state_is("relay", "state", "ready") && state_is("service", "state", "ready") &&
             state_is("consumer", "state", "ready"));
    end();
    assert_string_equal(file_text("stopped"), "service\nconsumer\nrelay\n");
}

static void a_child_that_will_not_stop_is_killed(void **state)
{
    (void)state;
    const struct plan plan[] = {{"stubborn", "stubborn", 1, true}};
    begin(plan, 1);
    WAIT_FOR(state_is("stubborn", "state", "ready"));
    pid_t pid = (pid_t)state_int("stubborn", "pid");
    end();
    assert_true(is_dead(pid));
    assert_true(state_is("stubborn", "why", "killed"));
}

static void children_die_with_a_supervisor_that_is_killed(void **state)
{
    (void)state;
    const struct plan plan[] = {{"one", "work", 1, true}};
    begin(plan, 1);
    WAIT_FOR(state_is("one", "state", "ready"));
    pid_t pid = (pid_t)state_int("one", "pid");
    kill(supervisor_pid, SIGKILL);
    waitpid(supervisor_pid, NULL, 0);
    supervisor_pid = 0;
    WAIT_FOR(is_dead(pid));
    assert_int_equal(supervisor_find(home), 0);
}

static void what_a_killed_child_leaves_behind_is_killed(void **state)
{
    (void)state;
    const struct plan plan[] = {{"parent", "parent", 1, true}};
    begin(plan, 1);
    WAIT_FOR(state_is("parent", "state", "ready"));
    pid_t orphan = atoi(file_text("orphan"));
    assert_false(is_dead(orphan));
    kill((pid_t)state_int("parent", "pid"), SIGKILL);
    WAIT_FOR(is_dead(orphan));
    end();
}

static void only_one_supervises_a_home(void **state)
{
    (void)state;
    const struct plan plan[] = {{"one", "work", 1, true}};
    begin(plan, 1);
    WAIT_FOR(state_is("one", "state", "ready"));
    pid_t first = supervisor_pid;
    assert_int_equal(supervisor_find(home), first);
    begin(plan, 1);
    int how = 0;
    waitpid(supervisor_pid, &how, 0);
    supervisor_pid = first;
    assert_int_equal(WEXITSTATUS(how), 9);
    end();
    assert_int_equal(supervisor_find(home), 0);
}

static void processes_wait_until_they_may_start(void **state)
{
    (void)state;
    const struct plan plan[] = {{"server", "work", 0, true}, {"relay", "work", 1, false}};
    begin(plan, 2);
    WAIT_FOR(state_is("server", "state", "ready"));
    assert_int_equal(state_int("relay", "starts"), 0);
    kill(supervisor_pid, SIGUSR1);
    WAIT_FOR(state_is("relay", "state", "ready"));
    end();
}

static void a_log_is_bounded_and_keeps_its_newest_part(void **state)
{
    (void)state;
    const struct plan plan[] = {{"consumer/content/loud", "loud", 1, true}};
    struct stat info;
    char path[128];
    begin(plan, 1);
    WAIT_FOR(state_is("consumer/content/loud", "state", "ready"));
    snprintf(path, sizeof path, "%s/logs/consumer.content.loud.log", home);
    WAIT_FOR(stat(path, &info) == 0 && info.st_size == 0);
    strcat(path, ".1");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, SUPERVISOR_LOG_BYTES_MAX);
    FILE *file = fopen(path, "r");
    char tail[17] = "";
    fseek(file, -16, SEEK_END);
    assert_int_equal(fread(tail, 1, 16, file), 16);
    fclose(file);
    assert_string_equal(tail, "the newest line\n");
    end();
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--child") == 0)
        return child_main(argv[2], argv[3]);
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
        return 1;
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_child_that_dies_is_started_again_and_it_is_said),
        CASE(a_child_that_hangs_is_killed_and_started_again),
        CASE(a_child_that_cannot_start_is_tried_again_with_pauses),
        CASE(higher_stages_stop_first),
        CASE(a_child_that_will_not_stop_is_killed),
        CASE(children_die_with_a_supervisor_that_is_killed),
        CASE(what_a_killed_child_leaves_behind_is_killed),
        CASE(only_one_supervises_a_home),
        CASE(processes_wait_until_they_may_start),
        CASE(a_log_is_bounded_and_keeps_its_newest_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
