// audit_events.c - what a command leaves in the security audit log: of each event what it means to
// who looks after an account, and of what is no event that it was tried.
#include <string.h>

#include "aggregates/identity/identity.h"
#include "nova/identity/v2/identity.pb-c.h"
#include "services/identity/attempts.h"
#include "services/identity/audit_internal.h"

enum {
    ENTRIES_PER_EVENT_MAX = 2,
    DEVICE_BYTES_MAX = 200,
    ADDRESS_BYTES_MAX = 64,
    AUDIT_DAYS_MAX = 3650, // identity.audit_days' greatest: a recovery deletes nothing
};

static struct audit_entry entry_of(const struct uuid *user_id, const char *action)
{
    return (struct audit_entry){.user_id = *user_id, .action = action, .device = "", .address = ""};
}

static struct audit_writer audit_writer_of(const struct service *service, const char *actor,
                                           struct arena *arena)
{
    return (struct audit_writer){
        .master = service_master_key(service),
        .actor = actor,
        .days = settings_int(service_settings(service), SETTING_IDENTITY_AUDIT_DAYS),
        .arena = arena,
    };
}

// ---- events -------------------------------------------------------------------------------------

// Each writes its entries to out and returns how many.
static size_t of_created(struct audit_entry *out, const struct pending_event *event)
{
    *out = entry_of(&event->aggregate->id, "registered");
    return 1;
}

// A display name is nobody's door.
static size_t of_updated(struct audit_entry *out, const struct pending_event *event)
{
    const Nova__Identity__V2__UserUpdatedPersonal *personal = (const void *)event->personal;
    size_t count = 0;
    if (personal == NULL)
        return 0; // of a recovery: which name it was is not known any more
    if (personal->email[0] != '\0')
        out[count++] = entry_of(&event->aggregate->id, "email_changed");
    if (personal->handle[0] != '\0')
        out[count++] = entry_of(&event->aggregate->id, "handle_changed");
    return count;
}

static size_t of_password_changed(struct audit_entry *out, const struct pending_event *event)
{
    const Nova__Identity__V2__UserPasswordChanged *changed = (const void *)event->payload;
    bool reset = strcmp(changed->reason, "reset") == 0;
    *out = entry_of(&event->aggregate->id, reset ? "password_reset" : "password_changed");
    return 1;
}

static size_t of_email_verified(struct audit_entry *out, const struct pending_event *event)
{
    *out = entry_of(&event->aggregate->id, "email_verified");
    return 1;
}

static size_t of_deleted(struct audit_entry *out, const struct pending_event *event)
{
    *out = entry_of(&event->aggregate->id, "deleted");
    return 1;
}

static size_t of_locked(struct audit_entry *out, const struct pending_event *event)
{
    const Nova__Identity__V2__UserLocked *locked = (const void *)event->payload;
    *out = entry_of(&event->aggregate->id, "locked");
    out->reason = locked->reason;
    return 1;
}

static size_t of_unlocked(struct audit_entry *out, const struct pending_event *event)
{
    const Nova__Identity__V2__UserUnlocked *unlocked = (const void *)event->payload;
    *out = entry_of(&event->aggregate->id, "unlocked");
    out->reason = unlocked->reason;
    return 1;
}

static size_t of_started(struct audit_entry *out, const struct pending_event *event)
{
    const Nova__Identity__V2__SessionStarted *started = (const void *)event->payload;
    const Nova__Identity__V2__SessionStartedPersonal *personal = (const void *)event->personal;
    struct uuid user_id = id_parse(started->user_id);
    *out = entry_of(&user_id, "login");
    out->session_id = event->aggregate->id;
    if (personal != NULL) {
        out->device = personal->device;
        out->address = personal->address;
    }
    return 1;
}

static size_t of_revoked(struct audit_entry *out, const struct pending_event *event)
{
    const Nova__Identity__V2__SessionRevoked *revoked = (const void *)event->payload;
    struct uuid user_id = id_parse(revoked->user_id);
    bool reused = strcmp(revoked->reason, "refresh_token_reused") == 0;
    *out = entry_of(&user_id, reused ? "refresh_reused" : "session_revoked");
    out->session_id = event->aggregate->id;
    out->reason = reused ? NULL : revoked->reason;
    return 1;
}

// session.refreshed is not among them: a device that is used is nothing that happened to somebody.
static const struct {
    const char *type;
    size_t (*entries)(struct audit_entry *out, const struct pending_event *event);
} audited[] = {
    {"user.created", of_created},
    {"user.updated", of_updated},
    {"user.password_changed", of_password_changed},
    {"user.email_verified", of_email_verified},
    {"user.deleted", of_deleted},
    {"user.locked", of_locked},
    {"user.unlocked", of_unlocked},
    {"session.started", of_started},
    {"session.revoked", of_revoked},
};

static size_t audit_entries_of(struct audit_entry *out, const struct pending_event *event)
{
    for (size_t i = 0; i < sizeof audited / sizeof *audited; i++)
        if (strcmp(audited[i].type, event->type->type) == 0)
            return audited[i].entries(out, event);
    return 0;
}

// ---- what is no event ---------------------------------------------------------------------------

// Nobody looked at these texts: what no login could have said is not kept.
static const char *short_or_none(const char *text, size_t bytes_max)
{
    return strlen(text) <= bytes_max ? text : "";
}

static enum nova_status audit_failed_login(const struct audit_writer *writer,
                                           const ProtobufCMessage *message,
                                           const struct identity_facts *facts, struct pg *pg,
                                           struct error *err)
{
    const Nova__Identity__V2__LoginRequest *request = (const void *)message;
    struct account_digest address;
    struct audit_entry entry = entry_of(&facts->login_user_id, "login_failed");
    entry.device = short_or_none(request->device, DEVICE_BYTES_MAX);
    entry.address = short_or_none(request->address, ADDRESS_BYTES_MAX);
    attempt_address(&address, writer->master, request->address);
    return audit_count(pg, writer, &entry, &address, err);
}

static enum nova_status audit_asked(const struct audit_writer *writer, const char *action,
                                    const struct uuid *user_id, struct pg *pg, struct error *err)
{
    struct account_digest nowhere; // these requests do not say where they come from
    const struct audit_entry entry = entry_of(user_id, action);
    attempt_address(&nowhere, writer->master, "");
    return audit_count(pg, writer, &entry, &nowhere, err);
}

static enum nova_status audit_attempt(const struct service_command_context *context,
                                      const struct audit_writer *writer,
                                      const struct decision *decision, struct pg *pg,
                                      struct error *err)
{
    const ProtobufCMessage *message = context->call->request->message;
    const char *method = context->call->request->method->name;
    const struct identity_facts *facts = decision->facts;
    if (strcmp(method, "Login") == 0)
        return audit_failed_login(writer, message, facts, pg, err);
    if (strcmp(method, "RequestPasswordReset") == 0)
        return audit_asked(writer, "reset_requested", &facts->mail_user_id, pg, err);
    if (strcmp(method, "ChangePassword") == 0)
        return audit_asked(writer, "password_change_failed", &decision->aggregates[0].id, pg, err);
    if (strcmp(method, "Register") == 0)
        return audit_asked(writer, "registration_attempted", &facts->registration.holder_id, pg,
                           err);
    return NOVA_OK; // RequestEmailVerification: asked for by who is logged in
}

// ---- a command ----------------------------------------------------------------------------------

enum nova_status audit_write(const struct service_command_context *context,
                             const struct decision *decision, struct pg *pg, struct error *err)
{
    const struct audit_writer writer =
        audit_writer_of(context->worker->service, context->call->caller.actor, decision->arena);
    size_t most = decision->event_count * (size_t)ENTRIES_PER_EVENT_MAX, count = 0;
    struct audit_entry *entries = arena_alloc(decision->arena, most * sizeof *entries);
    for (uint32_t i = 0; i < decision->event_count; i++)
        count += audit_entries_of(&entries[count], &decision->events[i]);
    enum nova_status status = NOVA_OK;
    if (decision->writes_inline)
        status = audit_attempt(context, &writer, decision, pg, err);
    return status == NOVA_OK ? audit_add(pg, &writer, entries, count, err) : status;
}

enum nova_status audit_rederive(struct pg *pg, const struct seal_key *master,
                                const struct event *event, const struct contract_event *type,
                                const ProtobufCMessage *payload, const ProtobufCMessage *personal,
                                struct arena *arena, struct error *err)
{
    struct aggregate aggregate = {.id = event->aggregate_id};
    const struct pending_event pending = {
        .type = type,
        .aggregate = &aggregate,
        .payload = (ProtobufCMessage *)(uintptr_t)payload,
        .personal = personal,
    };
    const struct audit_writer writer = {.master = master,
                                        .actor = event->actor,
                                        .at_us = event->recorded_at_us,
                                        .days = AUDIT_DAYS_MAX,
                                        .arena = arena};
    struct audit_entry entries[ENTRIES_PER_EVENT_MAX];
    return audit_add(pg, &writer, entries, audit_entries_of(entries, &pending), err);
}

enum nova_status audit_note_read(const struct service_worker *worker,
                                 const struct service_call *call, const struct uuid *user_id,
                                 struct error *err)
{
    const struct audit_writer writer =
        audit_writer_of(worker->service, call->caller.actor, call->request->arena);
    const struct audit_entry entry = entry_of(user_id, "audit_read");
    return audit_add(worker->pg, &writer, &entry, 1, err);
}
