// sqlstate.c - see sqlstate.h. The first entry that the state begins with holds, so that single
// states stand before their classes.
#include "pg/sqlstate.h"

#include <string.h>

static const struct {
    const char *prefix;
    enum nova_status status;
    bool transient;
} pg_states[] = {
    {"25006", NOVA_UNAVAILABLE, true}, // read-only: a standby, or full disk and a careful operator
    {"55P03", NOVA_UNAVAILABLE, true}, // a lock was not available in time
    {"23505", NOVA_ALREADY_EXISTS, false},
    {"42501", NOVA_PERMISSION_DENIED, false},
    {"08", NOVA_UNAVAILABLE, true}, // connection
    {"53", NOVA_UNAVAILABLE, true}, // disk, memory, connections used up
    {"57", NOVA_UNAVAILABLE, true}, // shutdown, cancelled, timed out
    {"58", NOVA_UNAVAILABLE, true}, // the operating system failed
    {"40", NOVA_ABORTED, true},     // serialization, deadlock
    {"22", NOVA_INVALID_ARGUMENT, false},
    {"23", NOVA_FAILED_PRECONDITION, false},
};

enum nova_status pg_status_of(bool *transient, const char *sqlstate)
{
    for (size_t i = 0; i < sizeof pg_states / sizeof *pg_states; i++) {
        if (strncmp(sqlstate, pg_states[i].prefix, strlen(pg_states[i].prefix)) == 0) {
            *transient = pg_states[i].transient;
            return pg_states[i].status;
        }
    }
    *transient = false;
    return NOVA_INTERNAL;
}
