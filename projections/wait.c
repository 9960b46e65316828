// wait.c - see wait.h. A poll, as NOTIFY would cost every commit a global lock.
#include "projections/wait.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "projections/consumers.h"

enum { WAIT_MS_FIRST = 1, WAIT_MS_MAX = 20 };

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// The least of all partition ranges; 0 when the consumer has not started yet.
static enum nova_status wait_look(int64_t *position, struct pg *pg, const char *service,
                                  const char *consumer, const char *source, struct error *err)
{
    char sql[160];
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_text(consumer), pg_text(source)};
    snprintf(sql, sizeof sql,
             "SELECT min(position) FROM %s.checkpoint WHERE consumer = $1 AND source = $2",
             service);
    enum nova_status status = pg_query(&rows, pg, sql, params, 2, err);
    if (status != NOVA_OK)
        return status;
    *position = pg_is_null(rows, 0, 0) ? 0 : pg_get_int8(rows, 0, 0);
    pg_result_destroy(&rows);
    return NOVA_OK;
}

enum nova_status projection_wait(struct pg *pg, const char *service, const char *consumer,
                                 const char *source, int64_t position, int64_t deadline_us,
                                 struct error *err)
{
    const struct inbox_consumer *known = consumer_find(consumer);
    assert(known);
    if (!consumer_reads(known, source))
        return NOVA_OK;
    for (int64_t wait_ms = WAIT_MS_FIRST;;
         wait_ms = wait_ms * 2 < WAIT_MS_MAX ? wait_ms * 2 : WAIT_MS_MAX) {
        int64_t at;
        enum nova_status status = wait_look(&at, pg, service, consumer, source, err);
        if (status != NOVA_OK || at >= position)
            return status;
        if (now_us() + wait_ms * 1000 >= deadline_us)
            return error_set_transient(err, NOVA_DEADLINE_EXCEEDED,
                                       "%s is at position %" PRId64 " of %s, not yet at %" PRId64,
                                       consumer, at, source, position);
        struct timespec pause = {0, wait_ms * 1000000};
        nanosleep(&pause, NULL);
    }
}
