// session_list.c - see session_list.h.
#include "services/identity/session_list.h"

#include "aggregates/identity/identity.h"
#include "nova/identity/v2/identity.pb-c.h"
#include "services/identity/sessions.h"

// What the first event says: nothing personal of a user whose key is gone.
static Nova__Identity__V2__Session *session_of(struct arena *arena, const struct session_row *row,
                                               const struct opened_event *events, size_t count)
{
    Nova__Identity__V2__Session *session =
        message_new(arena, &nova__identity__v2__session__descriptor);
    session->session_id = id_text(arena, &row->session_id);
    session->expires_at_us = row->expires_at_us;
    session->last_used_at_us = row->last_used_at_us;
    for (size_t i = 0; i < count; i++) {
        const Nova__Identity__V2__SessionStartedPersonal *p = (const void *)events[i].personal;
        if (!uuid_equal(&events[i].recorded.aggregate_id, &row->session_id))
            continue;
        session->started_at_us = events[i].recorded.occurred_at_us;
        if (session->last_used_at_us == 0)
            session->last_used_at_us = session->started_at_us;
        if (p != NULL) {
            session->device = p->device;
            session->address = p->address;
        }
    }
    return session;
}

enum nova_status identity_list_sessions(struct service_worker *worker, struct service_call *call,
                                        struct error *err)
{
    const Nova__Identity__V2__ListSessionsRequest *request = (const void *)call->request->message;
    struct arena *arena = call->request->arena;
    struct session_row *rows = NULL;
    struct opened_event *events = NULL;
    struct uuid user_id, *ids;
    size_t count = 0, event_count = 0;
    enum nova_status status = service_id(&user_id, "user_id", request->user_id, err);
    if (status == NOVA_OK && !caller_is(&call->caller, &user_id)) {
        const struct rejection *refused = &identity_rejections[IDENTITY_NOT_ALLOWED];
        status = error_set(err, refused->status, "%s: %s", refused->name, refused->text);
    }
    if (status == NOVA_OK)
        status = sessions_list(&rows, &count, worker->pg, &user_id, arena, err);
    if (status != NOVA_OK)
        return status;
    ids = arena_alloc(arena, count * sizeof *ids);
    for (size_t i = 0; i < count; i++)
        ids[i] = rows[i].session_id;
    status = runtime_read_first(&events, &event_count, worker->runtime, ids, count, arena, err);
    if (status != NOVA_OK)
        return status;
    Nova__Identity__V2__ListSessionsReply *reply =
        message_new(arena, &nova__identity__v2__list_sessions_reply__descriptor);
    reply->sessions = arena_alloc(arena, count * sizeof(void *));
    for (size_t i = 0; i < count; i++)
        reply->sessions[reply->n_sessions++] = session_of(arena, &rows[i], events, event_count);
    call->request->reply = &reply->base;
    return NOVA_OK;
}
