// up_read_models.c - see up_read_models.h. The goal is fixed at the first look: under constant load
// nothing is ever without lag.
#include "cli/up_read_models.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cli/figures.h"

enum {
    LOOK_EVERY_MS = 100,
    SETTLE_MS_MAX = 15000, // a long stream takes longer to look through: that is no trouble
    READERS_MAX = 64,
};

// One for each of the topology's readers, in its order.
struct goals {
    size_t count;
    struct {
        int64_t position;
        struct waiting waiting;
    } all[READERS_MAX];
};

static int64_t number_of(const json_t *entry, const char *key)
{
    return json_integer_value(json_object_get(entry, key));
}

static void goals_set(struct goals *goals, const json_t *consumers, int64_t limit_ms)
{
    goals->count = json_array_size(consumers);
    assert(goals->count <= READERS_MAX);
    for (size_t i = 0; i < goals->count; i++) {
        goals->all[i].position = number_of(json_array_get(consumers, i), "head");
        waiting_begin(&goals->all[i].waiting, limit_ms, up_clock_ms());
    }
}

// One that is not there yet, at first one that stands still; NULL: all are there.
static const json_t *goals_missed(bool *stuck, struct goals *goals, const json_t *consumers)
{
    const json_t *missed = NULL;
    int64_t now_ms = up_clock_ms();
    *stuck = false;
    for (size_t i = 0; i < goals->count; i++) {
        const json_t *entry = json_array_get(consumers, i);
        struct waiting *waiting = &goals->all[i].waiting;
        if (number_of(entry, "position") >= goals->all[i].position) {
            waiting_rest(waiting, now_ms);
            continue;
        }
        bool stands = !waiting_goes_on(waiting, number_of(entry, "n"), now_ms);
        if (missed == NULL || (stands && !*stuck))
            missed = entry;
        *stuck |= stands;
    }
    return missed;
}

// What is ready may be of no use all the same. *settled: every relay follows its outbox. Of several
// troubles a relay's is told: what others lack mostly follows from it.
static enum nova_status look_for_trouble(bool *settled, const char *home, struct error *err)
{
    size_t i;
    json_t *entry, *state = up_state(home);
    enum nova_status status = NOVA_OK;
    bool of_relay = false;
    *settled = true;
    json_array_foreach(json_object_get(state, "processes"), i, entry)
    {
        const char *name = json_string_value(json_object_get(entry, "name"));
        const char *said = json_string_value(json_object_get(entry, "status"));
        const char *trouble = json_string_value(json_object_get(entry, "trouble"));
        bool relay = name != NULL && strncmp(name, "relay/", 6) == 0;
        if (relay && (said == NULL || strncmp(said, "following", 9) != 0))
            *settled = false;
        if (trouble == NULL || *trouble == '\0' || (status != NOVA_OK && (of_relay || !relay)))
            continue;
        of_relay = relay;
        status = error_set(err, NOVA_FAILED_PRECONDITION, "runs, but %s %s: ./nova logs %s", name,
                           trouble, name);
    }
    json_decref(state);
    return status;
}

// One look; *done: there is nothing more to wait for.
static enum nova_status look(bool *done, struct goals *goals, struct up *up, int64_t began_ms,
                             struct error *err)
{
    json_t *consumers = NULL;
    bool settled = true, stuck = false;
    int64_t patience_s = settings_int(up->settings, SETTING_UP_PATIENCE_S);
    enum nova_status status = figures_consumers(&consumers, up->settings, err);
    if (status == NOVA_OK && goals->count == 0)
        goals_set(goals, consumers, patience_s * 1000);
    if (status == NOVA_OK)
        status = look_for_trouble(&settled, up->home, err);
    const json_t *missed = status == NOVA_OK ? goals_missed(&stuck, goals, consumers) : NULL;
    const char *name = json_string_value(json_object_get(missed, "consumer"));
    const char *source = json_string_value(json_object_get(missed, "source"));
    if (stuck)
        status = error_set(err, NOVA_DEADLINE_EXCEEDED,
                           "%s is %" PRId64 " events behind %s and applied none for %" PRId64
                           " s (up.patience_s): ./nova logs consumer/%s",
                           name, number_of(missed, "lag_events"), source, patience_s, name);
    else if (missed != NULL)
        up_progress(up, "read models: waiting for %s, %" PRId64 " events behind %s", name,
                    number_of(missed, "lag_events"), source);
    else if (status == NOVA_OK && !settled)
        up_progress(up, "read models: waiting for the relays");
    *done = missed == NULL && (settled || up_clock_ms() - began_ms >= SETTLE_MS_MAX);
    json_decref(consumers);
    return status;
}

enum nova_status up_wait_for_read_models(struct up *up, struct error *err)
{
    struct goals goals = {0};
    bool done = false;
    int64_t began_ms = up_clock_ms();
    for (;;) {
        enum nova_status status = look(&done, &goals, up, began_ms, err);
        if (status != NOVA_OK)
            return status;
        if (done)
            break;
        usleep(LOOK_EVERY_MS * 1000);
    }
    snprintf(up->said, sizeof up->said, "caught up");
    return NOVA_OK;
}
