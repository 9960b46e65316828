// patience.c - see patience.h.
#include "bus/patience.h"

#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <time.h>

#include "base/log.h"
#include "base/notify.h"

enum { PAUSE_MS = 250 };

static bool signal_is_pending(void)
{
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1;
}

enum nova_status patience(patience_attempt *attempt, void *context, const char *what,
                          bool (*stopped)(void), struct error *err)
{
    const struct timespec pause = {0, PAUSE_MS * 1000000};
    if (stopped == NULL)
        stopped = signal_is_pending;
    for (uint32_t attempts = 1;; attempts++) {
        enum nova_status status = attempt(context, err);
        if (status == NOVA_OK || !err->transient)
            return status;
        if ((attempts & (attempts - 1)) == 0)
            log_warn("waiting for a server", LOG_TEXT("server", what), LOG_INT("attempt", attempts),
                     LOG_ERROR(err));
        notify_status("waiting for %s", what);
        notify_watchdog();
        nanosleep(&pause, NULL); // a signal ends it early
        if (stopped())
            return error_set(err, NOVA_CANCELLED, "told to end while waiting for %s", what);
    }
}
