// user.c - the aggregate user: it comes to be, changes its names, and goes.
#include <assert.h>
#include <string.h>

#include "aggregates/identity/identity_internal.h"
#include "base/email_address.h"

enum { HANDLE_BYTES_MIN = 2, HANDLE_BYTES_MAX = 64, NAME_BYTES_MAX = 200 };

static void user_evolve(void *state, const struct recorded *event)
{
    struct user_state *user = state;
    if (strcmp(event->type->type, "user.created") == 0) {
        const Nova__Identity__V2__UserCreated *created = (const void *)event->payload;
        user->exists = 1;
        user->has_password = created->has_password != 0;
    } else if (strcmp(event->type->type, "user.updated") == 0) {
        const Nova__Identity__V2__UserUpdated *updated = (const void *)event->payload;
        if (updated->handle_changed)
            user->handle_changed_at_us = event->occurred_at_us;
    } else if (strcmp(event->type->type, "user.password_changed") == 0) {
        user->has_password = 1;
    } else if (strcmp(event->type->type, "user.locked") == 0) {
        user->locked = 1;
    } else if (strcmp(event->type->type, "user.unlocked") == 0) {
        user->locked = 0;
    } else if (strcmp(event->type->type, "user.deleted") == 0) {
        user->deleted = 1;
    }
}

static const struct state_field user_fields[] = {
    STATE_FIELD(user_state, STATE_FLAG, exists),
    STATE_FIELD(user_state, STATE_FLAG, deleted),
    STATE_FIELD(user_state, STATE_FLAG, has_password),
    STATE_FIELD(user_state, STATE_FLAG, locked),
    STATE_FIELD(user_state, STATE_TIME, handle_changed_at_us),
};

const struct aggregate_type user_aggregate = {
    .service = "identity",
    .name = "user",
    .state_bytes = sizeof(struct user_state),
    .state_version = 3,
    .evolve = user_evolve,
    .fields = user_fields,
    .field_count = sizeof user_fields / sizeof *user_fields,
};

// ---- what names may look like -------------------------------------------------------------------

static bool handle_is_valid(const char *handle)
{
    size_t len = strlen(handle);
    return len >= HANDLE_BYTES_MIN && len <= HANDLE_BYTES_MAX &&
           strspn(handle, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
               len;
}

static bool name_is_valid(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > NAME_BYTES_MAX || strspn(name, " ") == len)
        return false;
    for (const char *c = name; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return false;
    return true;
}

// Empty texts are not looked at: who must have them says so before.
static const struct rejection *names_check(const char *email, const char *handle,
                                           const char *display_name)
{
    if (*email != '\0' && !email_address_is_valid(email))
        return identity_rejected(IDENTITY_EMAIL_INVALID);
    if (*handle != '\0' && !handle_is_valid(handle))
        return identity_rejected(IDENTITY_HANDLE_INVALID);
    if (*display_name != '\0' && !name_is_valid(display_name))
        return identity_rejected(IDENTITY_NAME_INVALID);
    return NULL;
}

static const struct rejection *names_check_all(const char *email, const char *handle,
                                               const char *display_name)
{
    if (*email == '\0')
        return identity_rejected(IDENTITY_EMAIL_INVALID);
    if (*handle == '\0')
        return identity_rejected(IDENTITY_HANDLE_INVALID);
    if (*display_name == '\0')
        return identity_rejected(IDENTITY_NAME_INVALID);
    return names_check(email, handle, display_name);
}

// The handle first: it is public, an address is not.
static const struct rejection *names_free(const struct identity_facts *facts)
{
    if (facts->handle_taken)
        return identity_rejected(IDENTITY_HANDLE_TAKEN);
    if (facts->email_taken)
        return identity_rejected(IDENTITY_EMAIL_TAKEN);
    return NULL;
}

// ---- Register and ImportUser --------------------------------------------------------------------

static void target_user(struct targets *targets, const struct decision *decision, const char *text)
{
    struct uuid id = id_parse(text);
    targets_add(targets, &user_aggregate, uuid_is_nil(&id) ? &decision->new_id : &id);
}

const struct rejection *user_target_new(struct targets *targets, const struct decision *decision)
{
    const Nova__Identity__V2__RegisterRequest *request = (const void *)decision->request;
    target_user(targets, decision, request->user_id);
    return NULL;
}

const struct rejection *user_target_import(struct targets *targets, const struct decision *decision)
{
    const Nova__Identity__V2__ImportUserRequest *request = (const void *)decision->request;
    target_user(targets, decision, request->user_id);
    return NULL;
}

static void user_emit_created(struct decision *decision, bool imported, bool has_password,
                              char *email, char *handle, char *display_name)
{
    struct aggregate *user = &decision->aggregates[0];
    Nova__Identity__V2__UserCreated *payload =
        message_new(decision->arena, &nova__identity__v2__user_created__descriptor);
    Nova__Identity__V2__UserCreatedPersonal *personal =
        message_new(decision->arena, &nova__identity__v2__user_created_personal__descriptor);
    payload->imported = imported;
    payload->has_password = has_password;
    personal->email = email;
    personal->handle = handle;
    personal->display_name = display_name;
    decision_emit(decision, user, "user.created", &payload->base, &personal->base, &user->id);
}

// Whether somebody has an address is not for strangers: they are answered alike, nothing is stored
// in the log, and who has it hears of it by e-mail.
const struct rejection *user_register(struct decision *decision)
{
    const Nova__Identity__V2__RegisterRequest *request = (const void *)decision->request;
    const struct identity_facts *facts = decision->facts;
    const struct user_state *user = decision->aggregates[0].state;
    if (facts->registration.repeated)
        return NULL;
    const struct rejection *rejection =
        names_check_all(request->email, request->handle, request->display_name);
    if (rejection != NULL)
        return rejection;
    if (handle_is_reserved(request->handle))
        return identity_rejected(IDENTITY_HANDLE_RESERVED);
    rejection = password_check(facts);
    if (rejection != NULL)
        return rejection;
    if (user->exists)
        return identity_rejected(IDENTITY_USER_EXISTS);
    rejection = names_free(facts);
    if (rejection == identity_rejected(IDENTITY_EMAIL_TAKEN) &&
        !caller_is_privileged(decision->caller)) {
        decision->writes_inline = true;
        return NULL;
    }
    if (rejection == NULL)
        user_emit_created(decision, false, true, request->email, request->handle,
                          request->display_name);
    return rejection;
}

const struct rejection *user_import(struct decision *decision)
{
    const Nova__Identity__V2__ImportUserRequest *request = (const void *)decision->request;
    const struct identity_facts *facts = decision->facts;
    const struct user_state *user = decision->aggregates[0].state;
    if (!caller_is_privileged(decision->caller))
        return identity_rejected(IDENTITY_IMPORTER_ONLY);
    const struct rejection *rejection =
        names_check_all(request->email, request->handle, request->display_name);
    if (rejection != NULL)
        return rejection;
    if (!facts->password_hash_ok)
        return identity_rejected(IDENTITY_PASSWORD_HASH_INVALID);
    if (user->exists)
        return identity_rejected(IDENTITY_USER_EXISTS);
    rejection = names_free(facts);
    if (rejection == NULL)
        user_emit_created(decision, true, request->password_hash[0] != '\0', request->email,
                          request->handle, request->display_name);
    return rejection;
}

void user_reply_registered(struct reply *reply)
{
    Nova__Identity__V2__RegisterReply *message =
        message_new(reply->arena, &nova__identity__v2__register_reply__descriptor);
    reply->message = &message->base;
    if (reply->event_count > 0) {
        message->user_id = id_text(reply->arena, &reply->events[0].aggregate_id);
        message->created_at_us = reply->events[0].occurred_at_us;
        return;
    }
    const struct decision *decision = reply->decision; // without an event none is answered again
    const struct registration_fact *before =
        &((const struct identity_facts *)decision->facts)->registration;
    message->user_id =
        id_text(reply->arena, before->repeated ? &before->user_id : &decision->aggregates[0].id);
    message->created_at_us = before->repeated ? before->created_at_us : decision->now_us;
}

void user_reply_imported(struct reply *reply)
{
    Nova__Identity__V2__ImportUserReply *message =
        message_new(reply->arena, &nova__identity__v2__import_user_reply__descriptor);
    message->user_id = id_text(reply->arena, &reply->events[0].aggregate_id);
    message->created_at_us = reply->events[0].occurred_at_us;
    reply->message = &message->base;
}

// ---- UpdateUser and DeleteUser ------------------------------------------------------------------

const struct rejection *user_target_known(struct targets *targets, const char *text)
{
    struct uuid id = id_parse(text);
    if (uuid_is_nil(&id))
        return identity_rejected(IDENTITY_USER_ID_MISSING);
    targets_add(targets, &user_aggregate, &id);
    return NULL;
}

const struct rejection *user_check(const struct decision *decision)
{
    const struct aggregate *user = &decision->aggregates[0];
    const struct user_state *state = user->state;
    if (!caller_is(decision->caller, &user->id))
        return identity_rejected(IDENTITY_NOT_ALLOWED);
    if (!state->exists || state->deleted)
        return identity_rejected(IDENTITY_USER_UNKNOWN);
    return NULL;
}

const struct rejection *user_target_update(struct targets *targets, const struct decision *decision)
{
    const Nova__Identity__V2__UpdateUserRequest *request = (const void *)decision->request;
    return user_target_known(targets, request->user_id);
}

// Who could change a name at any moment could be anybody in turn, and keep everybody's old one.
static const struct rejection *user_may_change_handle(const struct decision *decision)
{
    const Nova__Identity__V2__UpdateUserRequest *request = (const void *)decision->request;
    const struct identity_facts *facts = decision->facts;
    const struct user_state *user = decision->aggregates[0].state;
    if (*request->handle == '\0' || caller_is_privileged(decision->caller))
        return NULL;
    if (handle_is_reserved(request->handle))
        return identity_rejected(IDENTITY_HANDLE_RESERVED);
    if (facts->handle_is_new && user->handle_changed_at_us != 0 &&
        decision->now_us < user->handle_changed_at_us + facts->handle_change_wait_us)
        return identity_rejected(IDENTITY_HANDLE_CHANGED_LATELY);
    return NULL;
}

const struct rejection *user_update(struct decision *decision)
{
    const Nova__Identity__V2__UpdateUserRequest *request = (const void *)decision->request;
    struct aggregate *user = &decision->aggregates[0];
    const struct rejection *rejection = user_check(decision);
    if (rejection != NULL)
        return rejection;
    if (*request->email == '\0' && *request->handle == '\0' && *request->display_name == '\0')
        return identity_rejected(IDENTITY_NOTHING_TO_UPDATE);
    rejection = names_check(request->email, request->handle, request->display_name);
    if (rejection == NULL)
        rejection = user_may_change_handle(decision);
    if (rejection == NULL)
        rejection = names_free(decision->facts);
    if (rejection != NULL)
        return rejection;
    Nova__Identity__V2__UserUpdated *payload =
        message_new(decision->arena, &nova__identity__v2__user_updated__descriptor);
    Nova__Identity__V2__UserUpdatedPersonal *personal =
        message_new(decision->arena, &nova__identity__v2__user_updated_personal__descriptor);
    const struct identity_facts *facts = decision->facts;
    payload->handle_changed = *request->handle != '\0' && facts->handle_is_new;
    personal->email = request->email;
    personal->handle = request->handle;
    personal->display_name = request->display_name;
    decision_emit(decision, user, "user.updated", &payload->base, &personal->base, &user->id);
    return NULL;
}

void user_reply_updated(struct reply *reply)
{
    Nova__Identity__V2__UpdateUserReply *message =
        message_new(reply->arena, &nova__identity__v2__update_user_reply__descriptor);
    message->version = reply->events[0].version;
    reply->message = &message->base;
}

// The user first, then its sessions in the order of the facts.
const struct rejection *user_target_delete(struct targets *targets, const struct decision *decision)
{
    const Nova__Identity__V2__DeleteUserRequest *request = (const void *)decision->request;
    const struct identity_facts *facts = decision->facts;
    const struct rejection *rejection = user_target_known(targets, request->user_id);
    for (size_t i = 0; rejection == NULL && i < facts->session_count; i++)
        targets_add(targets, &session_aggregate, &facts->session_ids[i]);
    return rejection;
}

const struct rejection *user_delete(struct decision *decision)
{
    const struct rejection *rejection = user_check(decision);
    if (rejection != NULL)
        return rejection;
    Nova__Identity__V2__UserDeleted *deleted =
        message_new(decision->arena, &nova__identity__v2__user_deleted__descriptor);
    decision_emit(decision, &decision->aggregates[0], "user.deleted", &deleted->base, NULL, NULL);
    session_emit_all_revoked(decision, 1, &decision->aggregates[0].id, "user_deleted");
    return NULL;
}

void user_reply_deleted(struct reply *reply)
{
    Nova__Identity__V2__DeleteUserReply *message =
        message_new(reply->arena, &nova__identity__v2__delete_user_reply__descriptor);
    message->deleted_at_us = reply->events[0].occurred_at_us;
    reply->message = &message->base;
}
