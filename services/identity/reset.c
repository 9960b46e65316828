// reset.c - see reset.h.
#include "services/identity/reset.h"

#include <sodium.h>
#include <string.h>

#include "nova/identity/v2/identity.pb-c.h"
#include "services/identity/account.h"
#include "services/identity/sessions.h"

// ---- asking -------------------------------------------------------------------------------------

// For what, whose, and to which address an e-mail is asked for.
struct asked {
    enum mail_purpose purpose;
    struct account_digest email;
    enum setting lifetime_s;
};

static enum nova_status reset_asked(struct asked *out,
                                    const struct service_command_context *context, struct pg *pg,
                                    struct error *err)
{
    const ProtobufCMessage *message = context->call->request->message;
    const struct seal_key *master = service_master_key(context->worker->service);
    if (message->descriptor == &nova__identity__v2__request_password_reset_request__descriptor) {
        const Nova__Identity__V2__RequestPasswordResetRequest *request = (const void *)message;
        out->purpose = MAIL_PASSWORD_RESET;
        out->lifetime_s = SETTING_IDENTITY_RESET_LIFETIME_S;
        account_digest(&out->email, master, "email", request->email);
        return NOVA_OK;
    }
    const Nova__Identity__V2__RequestEmailVerificationRequest *request = (const void *)message;
    struct uuid user_id = id_parse(request->user_id);
    bool found;
    out->purpose = MAIL_EMAIL_VERIFICATION;
    out->lifetime_s = SETTING_IDENTITY_VERIFICATION_LIFETIME_S;
    return account_email(&out->email, &found, pg, &user_id, err);
}

enum nova_status reset_look_up_request(struct identity_facts *facts,
                                       const struct service_command_context *context, struct pg *pg,
                                       struct arena *arena, struct error *err)
{
    struct asked asked;
    struct account account = {0};
    enum nova_status status = reset_asked(&asked, context, pg, err);
    if (status == NOVA_OK)
        status = account_find(&account, pg, &asked.email, arena, err);
    facts->mail_user_id = account.user_id; // nil: nobody's
    return status == NOVA_OK ? mail_is_full(&facts->mail_is_full, pg, err) : status;
}

// Whether there is such a user, and whether the caller may ask, the rule says.
enum nova_status reset_look_up_verification(struct identity_facts *facts,
                                            const struct service_command_context *context,
                                            struct pg *pg, struct arena *arena, struct error *err)
{
    const Nova__Identity__V2__RequestEmailVerificationRequest *request =
        (const void *)context->call->request->message;
    (void)arena;
    facts->mail_user_id = id_parse(request->user_id);
    return mail_is_full(&facts->mail_is_full, pg, err);
}

// The id is the command's and the address's: a repeated request asks for the same e-mail again.
enum nova_status reset_write_request(const struct service_command_context *context,
                                     const struct decision *decision, struct pg *pg,
                                     struct error *err)
{
    const struct service *service = context->worker->service;
    const struct identity_facts *facts = decision->facts;
    struct asked asked;
    struct seal_key key;
    uint8_t hash[MAIL_TOKEN_HASH_BYTES];
    enum nova_status status = reset_asked(&asked, context, pg, err);
    if (status != NOVA_OK)
        return status;
    struct mail_token token = {
        .purpose = asked.purpose,
        .id = uuid_v5(&decision->new_id, asked.email.bytes, sizeof asked.email.bytes),
        .user_id = facts->mail_user_id,
        .created_at_us = decision->now_us,
    };
    mail_token_key(&key, service_master_key(service));
    mail_token_hash(hash, mail_token_make(decision->arena, &key, &token));
    seal_key_forget(&key);
    int64_t lifetime_s = settings_int(service_settings(service), asked.lifetime_s);
    return mail_ask(pg, &token, &asked.email, hash, decision->now_us + lifetime_s * 1000000, err);
}

// ---- using --------------------------------------------------------------------------------------

// Whose it is, then the lock on the account, then the token again: who was first has used it.
static enum nova_status reset_look_up_token(struct identity_facts *facts, struct pg *pg,
                                            enum mail_purpose purpose, const char *text,
                                            struct arena *arena, struct error *err)
{
    struct mail_token_fact *fact = &facts->mail_token;
    struct mail_token_row row;
    uint8_t hash[MAIL_TOKEN_HASH_BYTES];
    fact->well_formed = mail_token_parse(&fact->id, purpose, text);
    if (!fact->well_formed)
        return NOVA_OK;
    enum nova_status status = mail_token_find(&row, pg, purpose, &fact->id, false, err);
    if (status == NOVA_OK && row.found)
        status = sessions_of_user(&facts->session_ids, &facts->session_count, pg, &row.user_id,
                                  arena, err);
    if (status == NOVA_OK && row.found)
        status = mail_token_find(&row, pg, purpose, &fact->id, true, err);
    if (status != NOVA_OK)
        return status;
    mail_token_hash(hash, text);
    fact->known = row.found && sodium_memcmp(hash, row.hash, sizeof hash) == 0;
    fact->expired = row.expired;
    fact->user_id = row.user_id;
    return NOVA_OK;
}

enum nova_status reset_look_up(struct identity_facts *facts,
                               const struct service_command_context *context, struct pg *pg,
                               struct arena *arena, struct error *err)
{
    const Nova__Identity__V2__ResetPasswordRequest *request =
        (const void *)context->call->request->message;
    return reset_look_up_token(facts, pg, MAIL_PASSWORD_RESET, request->token, arena, err);
}

enum nova_status reset_look_up_verify(struct identity_facts *facts,
                                      const struct service_command_context *context, struct pg *pg,
                                      struct arena *arena, struct error *err)
{
    const Nova__Identity__V2__VerifyEmailRequest *request =
        (const void *)context->call->request->message;
    return reset_look_up_token(facts, pg, MAIL_EMAIL_VERIFICATION, request->token, arena, err);
}

enum nova_status reset_write(const struct decision *decision, struct pg *pg,
                             const char *password_hash, struct error *err)
{
    const struct uuid *user_id = &decision->events[0].aggregate->id;
    enum nova_status status = account_set_password(pg, user_id, password_hash, err);
    return status == NOVA_OK ? mail_token_void(pg, MAIL_PASSWORD_RESET, user_id, err) : status;
}

enum nova_status reset_write_verified(const struct decision *decision, struct pg *pg,
                                      struct error *err)
{
    return mail_token_void(pg, MAIL_EMAIL_VERIFICATION, &decision->events[0].aggregate->id, err);
}
