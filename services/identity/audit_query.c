// audit_query.c - GetSecurityAudit. See audit.h.
#include "aggregates/identity/identity.h"
#include "nova/identity/v2/identity.pb-c.h"
#include "projections/page.h"
#include "services/identity/audit.h"

// A user sees their own. An operator sees everybody's, but acting for a user no more than that
// user.
static bool audit_is_allowed(const struct caller *caller, const struct uuid *user_id)
{
    if (caller->kind == CALLER_OPERATOR && uuid_is_nil(&caller->user_id))
        return true;
    return !uuid_is_nil(user_id) && !uuid_is_nil(&caller->user_id) && caller_is(caller, user_id);
}

static Nova__Identity__V2__SecurityAuditEntry *audit_entry_of(struct arena *arena,
                                                              const struct audit_row *row)
{
    Nova__Identity__V2__SecurityAuditEntry *entry =
        message_new(arena, &nova__identity__v2__security_audit_entry__descriptor);
    if (!uuid_is_nil(&row->user_id))
        entry->user_id = id_text(arena, &row->user_id);
    if (!uuid_is_nil(&row->session_id))
        entry->session_id = id_text(arena, &row->session_id);
    if (row->reason != NULL)
        entry->reason = (char *)(uintptr_t)row->reason;
    entry->action = (char *)(uintptr_t)row->action;
    entry->actor = (char *)(uintptr_t)row->actor;
    entry->device = (char *)(uintptr_t)row->device;
    entry->address = (char *)(uintptr_t)row->address;
    entry->at_us = row->at_us;
    entry->last_at_us = row->last_at_us;
    entry->attempts = row->attempts;
    return entry;
}

static enum nova_status audit_page(struct service_worker *worker, struct service_call *call,
                                   const struct uuid *user_id, const struct page *page,
                                   struct error *err)
{
    struct arena *arena = call->request->arena;
    struct audit_row *rows = NULL;
    size_t count = 0;
    // One more than asked for says whether there is a next page.
    enum nova_status status =
        audit_list(&rows, &count, worker->pg, service_master_key(worker->service), user_id,
                   page->continues ? page->after.first : INT64_MAX, page->size + 1, arena, err);
    if (status != NOVA_OK)
        return status;
    Nova__Identity__V2__GetSecurityAuditReply *reply =
        message_new(arena, &nova__identity__v2__get_security_audit_reply__descriptor);
    reply->entries = arena_alloc(arena, count * sizeof(void *));
    while (reply->n_entries < count && reply->n_entries < page->size) {
        reply->entries[reply->n_entries] = audit_entry_of(arena, &rows[reply->n_entries]);
        reply->n_entries++;
    }
    if (count > page->size) {
        const struct page_key last = {.first = rows[page->size - 1].id};
        reply->next_token = page_token(arena, PAGE_SECURITY_AUDIT, &last);
    }
    call->request->reply = &reply->base;
    return NOVA_OK;
}

enum nova_status identity_get_security_audit(struct service_worker *worker,
                                             struct service_call *call, struct error *err)
{
    const Nova__Identity__V2__GetSecurityAuditRequest *request =
        (const void *)call->request->message;
    struct uuid user_id = id_parse(request->user_id);
    struct page page;
    enum nova_status status = page_open(&page, PAGE_SECURITY_AUDIT, request->page, err);
    if (status != NOVA_OK)
        return status;
    if (!audit_is_allowed(&call->caller, &user_id)) {
        const struct rejection *refused = &identity_rejections[IDENTITY_NOT_ALLOWED];
        return error_set(err, refused->status, "%s: %s", refused->name, refused->text);
    }
    if (uuid_is_nil(&call->caller.user_id))
        status = audit_note_read(worker, call, &user_id, err);
    return status == NOVA_OK ? audit_page(worker, call, &user_id, &page, err) : status;
}
