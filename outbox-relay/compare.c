// compare.c - see compare.h.
#include "outbox-relay/compare.h"

#include <assert.h>

#include "base/log.h"

// The messages as they were read.
struct compare {
    struct outbox_event *events;
    size_t count, room;
    int64_t n, position; // of the last one that is in its place
};

static void compare_note(struct compare *compare, const struct stream_message *message)
{
    const struct event *event = &message->event;
    assert(compare->count < compare->room);
    compare->events[compare->count++] = (struct outbox_event){
        event->n, event->position, event->event_id, event->log_id, .same = false};
}

static void compare_note_good(void *context, const struct stream_message *message)
{
    struct compare *compare = context;
    compare_note(compare, message);
    compare->n = message->event.n;
    compare->position = message->event.position;
}

// One by one, and past what is wrong: slow, for a stream that will be made again.
static enum nova_status compare_read_damaged(const char **damage, struct compare *compare,
                                             struct stream *stream, const struct relay_step *step,
                                             void (*alive)(void *context), void *context,
                                             struct error *err)
{
    struct arena *arena = arena_create();
    enum nova_status status = NOVA_OK;
    for (int64_t n = step->first_n; n <= step->last_n && status == NOVA_OK; n++) {
        const char *wrong = NULL;
        struct stream_message message;
        status = stream_read(&message, &wrong, stream, n, arena, err);
        if (status == NOVA_OK && wrong == NULL) {
            wrong =
                relay_message_wrong(n, message.event.n, compare->position, message.event.position);
            if (wrong == NULL)
                compare_note_good(compare, &message);
            else
                compare_note(compare, &message); // it may be an only copy all the same
        }
        if (*damage == NULL)
            *damage = wrong;
        arena_reset(arena);
        alive(context);
    }
    arena_destroy(&arena);
    return status;
}

static enum nova_status compare_count(struct relay_compared *out, struct outbox *outbox,
                                      struct error *err)
{
    enum nova_status status = outbox_count(&out->count, outbox, out->position, err);
    if (status == NOVA_OK && out->count != out->n)
        log_warn("relay: the outbox has not as many events as the stream",
                 LOG_TEXT("service", outbox->service), LOG_INT("outbox", out->count),
                 LOG_INT("stream", out->n), LOG_INT("position", out->position));
    return status;
}

// The first one that the outbox lacks.
static void compare_tell(const struct outbox *outbox, const struct outbox_event *event)
{
    log_warn("relay: the outbox lacks an event of the stream", LOG_TEXT("service", outbox->service),
             LOG_INT("n", event->n), LOG_INT("position", event->position),
             LOG_UUID("event", &event->event_id));
}

enum nova_status relay_compare(struct relay_compared *out, struct stream *stream,
                               struct outbox *outbox, const struct relay_step *step,
                               void (*alive)(void *context), void *context, struct arena *arena,
                               struct error *err)
{
    *out = (struct relay_compared){.same = true};
    struct compare compare = {
        .room = step->last_n < step->first_n ? 0 : (size_t)(step->last_n - step->first_n + 1)};
    compare.events = arena_alloc(arena, compare.room * sizeof *compare.events);
    enum nova_status status =
        step->damaged
            ? compare_read_damaged(&out->damage, &compare, stream, step, alive, context, err)
            : stream_walk(&out->damage, stream, step->first_n, step->last_n, compare_note_good,
                          &compare, err);
    if (status == NOVA_OK && compare.count > 0)
        status = outbox_compare(compare.events, compare.count, outbox, arena, err);
    for (size_t i = 0; i < compare.count && status == NOVA_OK; i++) {
        if (out->same && !compare.events[i].same)
            compare_tell(outbox, &compare.events[i]);
        out->same = out->same && compare.events[i].same;
    }
    out->position = compare.position;
    out->n = compare.n;
    if (status == NOVA_OK && step->count)
        status = compare_count(out, outbox, err);
    return status;
}
