// down.c - `nova down`: tells the supervisor to stop everything, and waits until it has.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/leftovers.h"
#include "cli/supervisor.h"

enum { LOOK_EVERY_MS = 50, STOP_MS_MAX = 180000 };

// A `nova up` holds its home's lock for as long as it works.
static bool up_is_at_work(const char *home)
{
    int folder = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool taken = folder >= 0 && flock(folder, LOCK_SH | LOCK_NB) != 0;
    if (folder >= 0)
        close(folder);
    return taken;
}

// The supervisor; of an `up` that has just begun, once it is there. 0: none, and none will come.
static pid_t find_what_runs(const char *home)
{
    pid_t supervisor = supervisor_find(home);
    for (int waited_ms = 0; !supervisor && waited_ms < STOP_MS_MAX && up_is_at_work(home);
         waited_ms += LOOK_EVERY_MS) {
        if (waited_ms == 0)
            command_say("waits for the ./nova up that is at work in %s", home);
        usleep(LOOK_EVERY_MS * 1000);
        supervisor = supervisor_find(home);
    }
    return supervisor ? supervisor : supervisor_find(home);
}

int command_down(const struct settings *settings, int argc, char **argv)
{
    const char *home = settings_text(settings, SETTING_HOME);
    struct error err;
    int stopped = 0;
    if (argc > 1)
        return command_usage("down", "down takes no '%s'", argv[1]);
    pid_t supervisor = find_what_runs(home);
    if (!supervisor) { // but it may have been killed, and left servers behind
        if (leftovers_stop(&stopped, settings, &err) != NOVA_OK)
            return command_failed(&err);
        command_say(stopped ? "stopped what an earlier start left behind" : "does not run in %s",
                    home);
        return EXIT_CODE_OK;
    }
    if (kill(supervisor, SIGTERM) != 0) {
        command_say("process %d (the supervisor) is not yours to stop", supervisor);
        return EXIT_CODE_FAILED;
    }
    for (int waited_ms = 0; supervisor_find(home) == supervisor; waited_ms += LOOK_EVERY_MS) {
        if (waited_ms >= STOP_MS_MAX) {
            command_say("is still stopping after %d s: ./nova status", STOP_MS_MAX / 1000);
            return EXIT_CODE_FAILED;
        }
        usleep(LOOK_EVERY_MS * 1000);
    }
    command_say("stopped; data stays in %s", home);
    return EXIT_CODE_OK;
}
