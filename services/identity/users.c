// users.c - see users.h.
#include "services/identity/users.h"

#include <string.h>

#include "nova/identity/v2/identity.pb-c.h"

// Later fields take the place of earlier ones; an empty one in an update says nothing.
static void user_fold_names(Nova__Identity__V2__User *user, const char *email, const char *handle,
                            const char *display_name)
{
    if (email[0] != '\0')
        user->email = (char *)(uintptr_t)email;
    if (handle[0] != '\0')
        user->handle = (char *)(uintptr_t)handle;
    if (display_name[0] != '\0')
        user->display_name = (char *)(uintptr_t)display_name;
}

static const char *const changes_no_name[] = {"user.password_changed", "user.locked",
                                              "user.unlocked"};

// False: the user is gone, or what is known of it was erased.
static bool user_fold(Nova__Identity__V2__User *user, const struct opened_event *event)
{
    const char *type = event->recorded.type->type;
    user->version = event->recorded.version;
    if (strcmp(type, "user.created") == 0 && event->personal != NULL) {
        const Nova__Identity__V2__UserCreatedPersonal *p = (const void *)event->personal;
        user->created_at_us = event->recorded.occurred_at_us;
        user_fold_names(user, p->email, p->handle, p->display_name);
        return true;
    }
    if (strcmp(type, "user.updated") == 0 && event->personal != NULL) {
        const Nova__Identity__V2__UserUpdatedPersonal *p = (const void *)event->personal;
        user->updated_at_us = event->recorded.occurred_at_us;
        user->email_verified = user->email_verified && p->email[0] == '\0';
        user_fold_names(user, p->email, p->handle, p->display_name);
        return true;
    }
    if (strcmp(type, "user.email_verified") == 0) {
        user->email_verified = true;
        return true;
    }
    for (size_t i = 0; i < sizeof changes_no_name / sizeof *changes_no_name; i++)
        if (strcmp(type, changes_no_name[i]) == 0)
            return true;
    return false;
}

// The user of events[0..count), all of one aggregate; NULL when there is none (any more).
static Nova__Identity__V2__User *user_of_events(struct arena *arena,
                                                const struct opened_event *events, size_t count,
                                                const struct caller *caller)
{
    Nova__Identity__V2__User *user = message_new(arena, &nova__identity__v2__user__descriptor);
    const struct uuid *id = &events[0].recorded.aggregate_id;
    for (size_t i = 0; i < count; i++)
        if (!user_fold(user, &events[i]))
            return NULL;
    user->user_id = id_text(arena, id);
    bool own = !uuid_is_nil(&caller->user_id) && uuid_equal(&caller->user_id, id);
    if (!own && !caller_is_privileged(caller)) {
        user->email = (char *)(uintptr_t)protobuf_c_empty_string;
        user->email_verified = false;
    }
    return user;
}

static size_t user_run_length(const struct opened_event *events, size_t count)
{
    size_t length = 1;
    while (length < count &&
           uuid_equal(&events[length].recorded.aggregate_id, &events[0].recorded.aggregate_id))
        length++;
    return length;
}

// Those of `ids` that exist, at the place of their id; the others are NULL.
static enum nova_status users_read(Nova__Identity__V2__User **out, struct service_worker *worker,
                                   struct service_call *call, const struct uuid *ids, size_t count,
                                   struct error *err)
{
    struct arena *arena = call->request->arena;
    struct opened_event *events = NULL;
    size_t event_count = 0;
    enum nova_status status =
        runtime_read_many(&events, &event_count, worker->runtime, ids, count, arena, err);
    for (size_t at = 0; status == NOVA_OK && at < event_count;) {
        size_t length = user_run_length(&events[at], event_count - at);
        Nova__Identity__V2__User *user = user_of_events(arena, &events[at], length, &call->caller);
        for (size_t i = 0; i < count; i++)
            if (uuid_equal(&ids[i], &events[at].recorded.aggregate_id))
                out[i] = user;
        at += length;
    }
    return status;
}

enum nova_status users_email(const char **out, struct runtime *runtime, const struct uuid *user_id,
                             struct arena *arena, struct error *err)
{
    struct opened_event *events = NULL;
    size_t count = 0;
    Nova__Identity__V2__User *user = message_new(arena, &nova__identity__v2__user__descriptor);
    enum nova_status status = runtime_read_many(&events, &count, runtime, user_id, 1, arena, err);
    bool there = status == NOVA_OK && count > 0;
    for (size_t i = 0; there && i < count; i++)
        there = user_fold(user, &events[i]);
    *out = there ? user->email : NULL;
    return status;
}

enum nova_status identity_get_user(struct service_worker *worker, struct service_call *call,
                                   struct error *err)
{
    const Nova__Identity__V2__GetUserRequest *request = (const void *)call->request->message;
    struct uuid id = id_parse(request->user_id);
    Nova__Identity__V2__User *user = NULL;
    enum nova_status status = users_read(&user, worker, call, &id, 1, err);
    if (status == NOVA_OK && user == NULL)
        status = error_set(err, NOVA_NOT_FOUND, "USER_UNKNOWN: there is no such user");
    if (status != NOVA_OK)
        return status;
    Nova__Identity__V2__GetUserReply *reply =
        message_new(call->request->arena, &nova__identity__v2__get_user_reply__descriptor);
    reply->user = user;
    call->request->reply = &reply->base;
    return NOVA_OK;
}

enum nova_status identity_get_users(struct service_worker *worker, struct service_call *call,
                                    struct error *err)
{
    const Nova__Identity__V2__GetUsersRequest *request = (const void *)call->request->message;
    struct arena *arena = call->request->arena;
    size_t count = request->n_user_ids;
    if (count > USERS_PER_CALL_MAX)
        return error_set(err, NOVA_INVALID_ARGUMENT, "user_ids has %zu ids, at most %d are allowed",
                         count, USERS_PER_CALL_MAX);
    struct uuid *ids = arena_alloc(arena, count * sizeof *ids);
    for (size_t i = 0; i < count; i++)
        ids[i] = id_parse(request->user_ids[i]);
    Nova__Identity__V2__User **users = arena_alloc(arena, count * sizeof(void *));
    Nova__Identity__V2__GetUsersReply *reply =
        message_new(arena, &nova__identity__v2__get_users_reply__descriptor);
    memset(users, 0, count * sizeof(void *));
    enum nova_status status = users_read(users, worker, call, ids, count, err);
    reply->users = users;
    for (size_t i = 0; status == NOVA_OK && i < count; i++)
        if (users[i] != NULL)
            reply->users[reply->n_users++] = users[i];
    call->request->reply = &reply->base;
    return status;
}
