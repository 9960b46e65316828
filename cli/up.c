// up.c - `nova up`: brings everything up, step by step, and leaves a supervisor behind.
#include "cli/up.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/access.h"
#include "base/log.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/credentials.h"
#include "cli/db.h"
#include "cli/home.h"
#include "cli/leftovers.h"
#include "cli/path.h"
#include "cli/ports.h"
#include "cli/process.h"
#include "cli/restored.h"
#include "cli/server.h"
#include "cli/supervisor.h"
#include "cli/up_read_models.h"
#include "cli/up_sample.h"

enum { LOOK_EVERY_MS = 100, READY_MS_MAX = 300000, STOP_MS_MAX = 90000, STARTS_MAX = 8 };

static up_step step_home, step_credentials, step_leftovers, step_ports, step_data, step_servers,
    step_migrations, step_processes, step_sample, step_read_models;

// The order matters: each step may rely on those above it.
static const struct {
    const char *name;
    up_step *run;
    bool when_running; // also when the supervisor is there already (an interrupted `up`)
    bool stops;        // when it fails, what this `up` started goes: it cannot work
} steps[] = {
    {"home", step_home, false, false},           {"credentials", step_credentials, false, false},
    {"leftovers", step_leftovers, false, false}, {"ports", step_ports, false, false},
    {"data", step_data, false, false},           {"servers", step_servers, true, true},
    {"migrations", step_migrations, true, true}, {"processes", step_processes, true, true},
    {"sample", step_sample, true, false},        {"read models", step_read_models, true, false},
};

int64_t up_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void up_progress(struct up *up, const char *format, ...)
{
    bool terminal = isatty(STDERR_FILENO);
    if (!terminal && !telling_is_due(&up->telling, up_clock_ms()))
        return;
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s  ", terminal ? "\r\033[K" : "");
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s", terminal ? "" : "\n");
    fflush(stderr);
}

json_t *up_state(const char *home)
{
    char path[PATH_MAX];
    path_print(path, "%s/run/state.json", home);
    return json_load_file(path, 0, NULL);
}

// ---- steps before the servers

static enum nova_status step_home(struct up *up, struct error *err)
{
    snprintf(up->said, sizeof up->said, "%s", up->home);
    enum nova_status status = restored_check(up->settings, err);
    return status == NOVA_OK ? home_make(up->settings, err) : status;
}

static enum nova_status step_credentials(struct up *up, struct error *err)
{
    struct credentials_made made;
    enum nova_status status = credentials_make(&made, up->settings, err);
    up->superuser_anew |= made.superuser_anew;
    if (made.count > 0)
        snprintf(up->said, sizeof up->said, "%d made", made.count);
    return status;
}

static enum nova_status step_leftovers(struct up *up, struct error *err)
{
    int stopped = 0;
    enum nova_status status = leftovers_stop(&stopped, up->settings, err);
    if (stopped > 0)
        snprintf(up->said, sizeof up->said, "stopped what an earlier start left behind");
    return status;
}

static enum nova_status ports_differ(const struct settings *settings, struct error *err)
{
    static const enum setting ports[] = {SETTING_POSTGRES_PORT, SETTING_NATS_PORT,
                                         SETTING_NATS_MONITOR_PORT};
    bool used[] = {server_postgres_is_embedded(settings), server_nats_is_embedded(settings),
                   server_nats_is_embedded(settings)};
    for (size_t i = 0; i < 3; i++)
        for (size_t k = i + 1; k < 3; k++)
            if (used[i] && used[k] &&
                settings_int(settings, ports[i]) == settings_int(settings, ports[k]))
                return error_set(err, NOVA_INVALID_ARGUMENT,
                                 "%s and %s are the same port, %lld: choose another for one",
                                 settings_key(ports[i]), settings_key(ports[k]),
                                 (long long)settings_int(settings, ports[i]));
    return NOVA_OK;
}

static enum nova_status step_ports(struct up *up, struct error *err)
{
    enum nova_status status = ports_differ(up->settings, err);
    if (status != NOVA_OK)
        return status;
    if (server_postgres_is_embedded(up->settings))
        status = ports_check(up->settings, SETTING_POSTGRES_PORT, err);
    if (status == NOVA_OK && server_nats_is_embedded(up->settings))
        status = ports_check(up->settings, SETTING_NATS_PORT, err);
    if (status == NOVA_OK && server_nats_is_embedded(up->settings))
        status = ports_check(up->settings, SETTING_NATS_MONITOR_PORT, err);
    return status;
}

static enum nova_status step_data(struct up *up, struct error *err)
{
    enum nova_status status = NOVA_OK;
    if (server_postgres_is_embedded(up->settings)) {
        up_progress(up, "data: making sure of PostgreSQL's");
        status = server_postgres_prepare(up->settings, up->superuser_anew, err);
    }
    if (status == NOVA_OK && server_nats_is_embedded(up->settings))
        status = server_nats_prepare(up->settings, err);
    return status;
}

// ---- the supervisor, in the background

static void add_processes(struct supervisor *supervisor, const struct settings *settings)
{
    static char self[PATH_MAX], names[SUPERVISOR_CHILDREN_MAX][128];
    static const char *argv[SUPERVISOR_CHILDREN_MAX][5];
    static const int stages[PROCESS_KIND_COUNT] = {[PROCESS_RELAY] = STAGE_RELAY,
                                                   [PROCESS_SIGNER] = STAGE_CONSUMER,
                                                   [PROCESS_CONSUMER] = STAGE_CONSUMER,
                                                   [PROCESS_SERVICE] = STAGE_SERVICE,
                                                   [PROCESS_MAILER] = STAGE_SERVICE};
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    self[len > 0 ? len : 0] = '\0';
    for (size_t i = 0; i < process_count(); i++) {
        const struct process *process = process_at(i);
        const char *kind = process_kind_name(process->kind);
        if (!process_runner(process->kind) || !process_is_wanted(process, settings))
            continue;
        snprintf(names[i], sizeof names[i], "%s/%s", kind, process->name);
        const char *words[] = {self, "run", kind, process->name, NULL};
        memcpy(argv[i], words, sizeof words);
        struct supervisor_child child = {
            .name = names[i],
            .kind = kind,
            .stage = stages[process->kind],
            .stop_signal = SIGTERM,
            .limits = {.ready_silence_ms_max = 10000,
                       .start_silence_ms_max = 60000,
                       .stop_ms_max = 10000},
            .spawn = {.argv = argv[i], .death_signal = SIGTERM},
        };
        supervisor_add(supervisor, &child);
    }
}

static enum nova_status add_servers(struct supervisor *supervisor, const struct settings *settings,
                                    struct error *err)
{
    struct supervisor_child child;
    enum nova_status status = NOVA_OK;
    if (server_postgres_is_embedded(settings)) {
        status = server_postgres_child(&child, settings, err);
        if (status == NOVA_OK)
            supervisor_add(supervisor, &child);
    }
    if (status == NOVA_OK && server_nats_is_embedded(settings)) {
        status = server_nats_child(&child, settings, err);
        if (status == NOVA_OK)
            supervisor_add(supervisor, &child);
    }
    return status;
}

static enum nova_status redirect_output(const char *home, struct error *err)
{
    char path[PATH_MAX];
    path_print(path, "%s/logs/supervisor.log", home);
    int log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (log < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0)
        return error_set(err, NOVA_PERMISSION_DENIED, "%s cannot be written: %s", path,
                         strerror(errno));
    close(log);
    close(null);
    return NOVA_OK;
}

// Runs in the background until it is told to stop; says by `told` whether it could begin.
static void be_supervisor(const struct up *up, int told)
{
    struct supervisor *supervisor = NULL;
    struct error err = {.text = ""};
    setsid();
    close_range(STDERR_FILENO + 1, (unsigned)told - 1,
                0); // the caller's, the turn's lock among them
    close_range((unsigned)told + 1, ~0u, 0);
    enum nova_status status = supervisor_create(&supervisor, up->home, &err);
    if (status == NOVA_OK)
        status = add_servers(supervisor, up->settings, &err);
    if (status == NOVA_OK)
        status = redirect_output(up->home, &err);
    if (status == NOVA_OK) {
        settings_export(up->settings);
        log_start("supervisor");
        add_processes(supervisor, up->settings);
    }
    ssize_t wrote = write(told, err.text, status == NOVA_OK ? 0 : strlen(err.text));
    close(told);
    if (status == NOVA_OK && wrote >= 0)
        supervisor_run(supervisor);
    supervisor_destroy(&supervisor);
    _exit(status == NOVA_OK ? EXIT_CODE_OK : EXIT_CODE_FAILED);
}

static enum nova_status start_supervisor(const struct up *up, struct error *err)
{
    int told[2];
    char text[ERROR_TEXT_BYTES_MAX] = "";
    if (pipe2(told, O_CLOEXEC) != 0)
        return error_set(err, NOVA_UNAVAILABLE, "no pipe: %s", strerror(errno));
    // What an earlier supervisor wrote would be read as this one's.
    char stale[PATH_MAX];
    path_print(stale, "%s/run/state.json", up->home);
    unlink(stale);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(told[0]);
        be_supervisor(up, told[1]);
    }
    close(told[1]);
    ssize_t got = pid < 0 ? -1 : read(told[0], text, sizeof text - 1);
    close(told[0]);
    if (got == 0)
        return NOVA_OK;
    if (pid > 0)
        waitpid(pid, NULL, 0);
    text[got > 0 ? got : 0] = '\0';
    return error_set(err, NOVA_UNAVAILABLE, "the supervisor did not start: %s",
                     pid < 0 ? strerror(errno) : text);
}

// ---- waiting until children are ready

static const char *text_of(const json_t *entry, const char *key)
{
    const char *text = json_string_value(json_object_get(entry, key));
    return text ? text : "";
}

struct readiness {
    size_t total, ready;
    char waits_for[128]; // the first that is not ready, and what it says
    char failing[128];   // one that was started again and again
};

static void look(struct readiness *out, const char *home, bool servers)
{
    json_t *state = up_state(home), *entry;
    size_t i;
    *out = (struct readiness){0};
    json_array_foreach(json_object_get(state, "processes"), i, entry)
    {
        const char *name = text_of(entry, "name");
        if ((strcmp(text_of(entry, "kind"), "server") == 0) != servers)
            continue;
        out->total++;
        if (strcmp(text_of(entry, "state"), "ready") == 0) {
            out->ready++;
            continue;
        }
        if (!*out->waits_for)
            snprintf(out->waits_for, sizeof out->waits_for, "%s (%s)", name,
                     *text_of(entry, "status") ? text_of(entry, "status") : text_of(entry, "why"));
        if (json_integer_value(json_object_get(entry, "starts")) >= STARTS_MAX)
            snprintf(out->failing, sizeof out->failing, "%s", name);
    }
    if (!state)
        snprintf(out->waits_for, sizeof out->waits_for, "the supervisor");
    json_decref(state);
}

static enum nova_status wait_until_ready(struct up *up, bool servers, struct error *err)
{
    const char *what = servers ? "servers" : "processes";
    struct readiness now;
    struct waiting waiting;
    waiting_begin(&waiting, READY_MS_MAX, up_clock_ms());
    for (;;) {
        look(&now, up->home, servers);
        if (!*now.waits_for)
            break;
        up_progress(up, "%s: %zu of %zu ready, waiting for %s", what, now.ready, now.total,
                    now.waits_for);
        if (!supervisor_find(up->home))
            return error_set(err, NOVA_UNAVAILABLE, "the supervisor ended: ./nova logs supervisor");
        if (*now.failing)
            return error_set(err, NOVA_UNAVAILABLE, "%s ends again and again: ./nova logs %s",
                             now.failing, now.failing);
        if (!waiting_goes_on(&waiting, (int64_t)now.ready, up_clock_ms()))
            return error_set(err, NOVA_DEADLINE_EXCEEDED, "not ready after %d s: %s",
                             READY_MS_MAX / 1000, now.waits_for);
        usleep(LOOK_EVERY_MS * 1000);
    }
    snprintf(up->said, sizeof up->said, "%zu ready", now.total);
    return NOVA_OK;
}

// What cannot run is not left behind in a loop of starts. What only takes long (PostgreSQL recovers
// after a crash) goes on.
static void stop_supervisor(const struct up *up)
{
    pid_t supervisor = supervisor_find(up->home);
    if (!supervisor || kill(supervisor, SIGTERM) != 0)
        return;
    int64_t until_ms = up_clock_ms() + STOP_MS_MAX;
    while (supervisor_find(up->home) && up_clock_ms() < until_ms)
        usleep(LOOK_EVERY_MS * 1000);
}

// So that whoever names this home need not know its ports.
static enum nova_status write_ports(const struct up *up, struct error *err)
{
    char path[PATH_MAX], text[256];
    path_print(path, "%s/run/ports.yaml", up->home);
    snprintf(text, sizeof text,
             "# Where this home's servers listen; nova up writes it.\n"
             "postgres:\n  port: %lld\nnats:\n  port: %lld\n  monitor_port: %lld\n",
             (long long)settings_int(up->settings, SETTING_POSTGRES_PORT),
             (long long)settings_int(up->settings, SETTING_NATS_PORT),
             (long long)settings_int(up->settings, SETTING_NATS_MONITOR_PORT));
    return home_write(path, text, 0644, err);
}

// A bus elsewhere: every process would wait for it without an end. (PostgreSQL elsewhere is asked
// for by the migrations.)
static enum nova_status reach_bus(const struct up *up, struct error *err)
{
    struct client client;
    struct error why = {.text = ""};
    enum nova_status status = client_open(&client, up->settings, "operator", &why);
    client_close(&client);
    return status == NOVA_OK
               ? NOVA_OK
               : error_set(err, status,
                           "the server that nats.url names: %s; start it, or change nats.url",
                           why.text);
}

static enum nova_status step_servers(struct up *up, struct error *err)
{
    enum nova_status status = up->running ? NOVA_OK : write_ports(up, err);
    if (status == NOVA_OK && !up->running)
        status = start_supervisor(up, err);
    if (status == NOVA_OK)
        status = wait_until_ready(up, true, err);
    if (status == NOVA_OK && !server_nats_is_embedded(up->settings))
        status = reach_bus(up, err);
    return status;
}

static enum nova_status step_migrations(struct up *up, struct error *err)
{
    size_t restored = 0;
    enum nova_status status = db_migrate(up->settings, NULL, err);
    if (status == NOVA_OK)
        status = restored_mark(&restored, up->settings, err);
    if (restored > 0)
        snprintf(up->said, sizeof up->said,
                 "%zu restored outboxes wait to be compared with their streams", restored);
    return status;
}

static enum nova_status step_processes(struct up *up, struct error *err)
{
    pid_t supervisor = supervisor_find(up->home);
    if (!supervisor || kill(supervisor, SIGUSR1) != 0)
        return error_set(err, NOVA_UNAVAILABLE, "the supervisor ended: ./nova logs supervisor");
    return wait_until_ready(up, false, err);
}

// ---- steps behind the start

// Its commands have ids of their own, so an interrupted sample goes on where it was.
static enum nova_status step_sample(struct up *up, struct error *err)
{
    return up_sample(up, err);
}

static enum nova_status step_read_models(struct up *up, struct error *err)
{
    return up_wait_for_read_models(up, err);
}

// ---- the command

static void say_step(const char *name, const char *said, int64_t took_ms)
{
    fprintf(stderr, "%s  %-12s %s", isatty(STDERR_FILENO) ? "\r\033[K" : "", name,
            *said ? said : "ok");
    if (took_ms >= 1000)
        fprintf(stderr, " (%lld.%lld s)", (long long)took_ms / 1000,
                (long long)(took_ms % 1000) / 100);
    fputc('\n', stderr);
}

static enum nova_status take_steps(struct up *up, struct error *err)
{
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (up->running && !steps[i].when_running)
            continue;
        int64_t began_ms = up_clock_ms();
        up->said[0] = '\0';
        telling_begin(&up->telling, began_ms);
        up_progress(up, "%s", steps[i].name);
        enum nova_status status = steps[i].run(up, err);
        if (status != NOVA_OK) {
            if (isatty(STDERR_FILENO))
                fprintf(stderr, "\r\033[K");
            if (!up->running && steps[i].stops && status != NOVA_DEADLINE_EXCEEDED)
                stop_supervisor(up);
            return status;
        }
        say_step(steps[i].name, up->said, up_clock_ms() - began_ms);
    }
    return NOVA_OK;
}

// The phase of the supervisor that is there: "starting", "running", "stopping".
static bool phase_is(const char *home, const char *phase)
{
    json_t *state = up_state(home);
    bool same = strcmp(text_of(state, "phase"), phase) == 0;
    json_decref(state);
    return same;
}

// One `up` at a time in a home, which is made first: two that find none would both go on. The
// descriptor stays open until the process ends.
static enum nova_status take_turn(const struct up *up, struct error *err)
{
    int folder = open(up->home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        enum nova_status status = home_make(up->settings, err);
        if (status != NOVA_OK)
            return status;
        folder = open(up->home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (folder < 0 || flock(folder, LOCK_EX | LOCK_NB) != 0)
        return error_set(err, NOVA_ABORTED, "another ./nova up is at work in %s", up->home);
    return NOVA_OK;
}

// A supervisor that an interrupted `up` left before its processes were started may have other
// settings than we; one whose credentials were removed cannot start a process again. Neither is
// gone on with.
static enum nova_status begin_anew(struct up *up, struct error *err)
{
    struct credentials_made made = {0};
    up->running = supervisor_find(up->home) != 0;
    enum nova_status status = up->running ? credentials_make(&made, up->settings, err) : NOVA_OK;
    if (status != NOVA_OK || !up->running || (made.count == 0 && !phase_is(up->home, "starting")))
        return status;
    if (made.count > 0)
        command_say("%d credentials were missing and are made anew: everything starts again",
                    made.count);
    stop_supervisor(up);
    up->running = false;
    up->superuser_anew = made.superuser_anew;
    return NOVA_OK;
}

int command_up(const struct settings *settings, int argc, char **argv)
{
    struct up up = {.settings = settings, .home = settings_text(settings, SETTING_HOME)};
    struct error err;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--empty") != 0)
            return command_usage("up", "up takes no '%s'", argv[i]);
        up.empty = true;
    }
    if (take_turn(&up, &err) != NOVA_OK)
        return command_failed(&err);
    if (begin_anew(&up, &err) != NOVA_OK)
        return command_failed(&err);
    if (up.running && phase_is(up.home, "stopping")) {
        command_say("is just stopping in %s; try again", up.home);
        return EXIT_CODE_FAILED;
    }
    if (up.running && phase_is(up.home, "running") && up_sample_is_done(up.home)) {
        command_say("runs already in %s (./nova status)", up.home);
        return EXIT_CODE_OK;
    }
    if (take_steps(&up, &err) != NOVA_OK)
        return command_failed(&err);
    up_summarise(&up);
    return EXIT_CODE_OK;
}
