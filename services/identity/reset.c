// reset.c - see reset.h.
#include "services/identity/reset.h"

#include <sodium.h>
#include <string.h>

#include "nova/identity/v2/identity.pb-c.h"
#include "services/identity/account.h"
#include "services/identity/sessions.h"

// ---- asking -------------------------------------------------------------------------------------

static void reset_digest(struct account_digest *out, const struct service_command_context *context)
{
    const Nova__Identity__V2__RequestPasswordResetRequest *request =
        (const void *)context->call->request->message;
    account_digest(out, service_master_key(context->worker->service), "email", request->email);
}

enum nova_status reset_look_up_request(struct identity_facts *facts,
                                       const struct service_command_context *context, struct pg *pg,
                                       struct arena *arena, struct error *err)
{
    struct account_digest email;
    struct account account;
    reset_digest(&email, context);
    enum nova_status status = account_find(&account, pg, &email, arena, err);
    facts->mail_user_id = account.user_id; // nil: nobody's
    return status == NOVA_OK ? mail_is_full(&facts->mail_is_full, pg, err) : status;
}

// The id is the command's and the address's: a repeated request asks for the same e-mail again.
enum nova_status reset_write_request(const struct service_command_context *context,
                                     const struct decision *decision, struct pg *pg,
                                     struct error *err)
{
    const struct service *service = context->worker->service;
    const struct identity_facts *facts = decision->facts;
    struct account_digest email;
    struct seal_key key;
    uint8_t hash[MAIL_TOKEN_HASH_BYTES];
    reset_digest(&email, context);
    struct mail_token token = {
        .purpose = MAIL_PASSWORD_RESET,
        .id = uuid_v5(&decision->new_id, email.bytes, sizeof email.bytes),
        .user_id = facts->mail_user_id,
        .created_at_us = decision->now_us,
    };
    mail_token_key(&key, service_master_key(service));
    mail_token_hash(hash, mail_token_make(decision->arena, &key, &token));
    seal_key_forget(&key);
    int64_t lifetime_s = settings_int(service_settings(service), SETTING_IDENTITY_RESET_LIFETIME_S);
    return mail_ask(pg, &token, &email, hash, decision->now_us + lifetime_s * 1000000, err);
}

// ---- using --------------------------------------------------------------------------------------

// Whose it is, then the lock on the account, then the token again: who was first has used it.
enum nova_status reset_look_up(struct identity_facts *facts,
                               const struct service_command_context *context, struct pg *pg,
                               struct arena *arena, struct error *err)
{
    const Nova__Identity__V2__ResetPasswordRequest *request =
        (const void *)context->call->request->message;
    struct mail_token_fact *fact = &facts->mail_token;
    struct mail_token_row row;
    uint8_t hash[MAIL_TOKEN_HASH_BYTES];
    fact->well_formed = mail_token_parse(&fact->id, MAIL_PASSWORD_RESET, request->token);
    if (!fact->well_formed)
        return NOVA_OK;
    enum nova_status status = mail_token_find(&row, pg, MAIL_PASSWORD_RESET, &fact->id, false, err);
    if (status == NOVA_OK && row.found)
        status = sessions_of_user(&facts->session_ids, &facts->session_count, pg, &row.user_id,
                                  arena, err);
    if (status == NOVA_OK && row.found)
        status = mail_token_find(&row, pg, MAIL_PASSWORD_RESET, &fact->id, true, err);
    if (status != NOVA_OK)
        return status;
    mail_token_hash(hash, request->token);
    fact->known = row.found && sodium_memcmp(hash, row.hash, sizeof hash) == 0;
    fact->expired = row.expired;
    fact->user_id = row.user_id;
    return NOVA_OK;
}

enum nova_status reset_write(const struct decision *decision, struct pg *pg,
                             const char *password_hash, struct error *err)
{
    const struct identity_facts *facts = decision->facts;
    const struct uuid *user_id = &decision->events[0].aggregate->id;
    enum nova_status status = account_set_password(pg, user_id, password_hash, err);
    return status == NOVA_OK ? mail_token_use(pg, &facts->mail_token.id, err) : status;
}
