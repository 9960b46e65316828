// mailer.c - see mailer.h.
#include "services/identity/mailer.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aggregates/runtime/runtime.h"
#include "base/access.h"
#include "base/email_address.h"
#include "base/log.h"
#include "base/notify.h"
#include "bus/patience.h"
#include "services/identity/mail.h"
#include "services/identity/users.h"
#include "services/mail/smtp.h"
#include "services/mail/template.h"

enum { TICK_MS = 500 };

struct mailer {
    const struct settings *settings;
    struct seal_key master, token_key;
    struct pg *pg;
    struct runtime *runtime;
    struct smtp *smtp;
    struct arena *texts;
    struct mail_template templates[MAIL_PURPOSES];
    sigset_t signals;
    bool locked; // this one sends
};

// ---- start --------------------------------------------------------------------------------------

static enum nova_status mailer_read_templates(struct mailer *mailer, struct error *err)
{
    const char *root = getenv("NOVA_ROOT"), *folder;
    folder = settings_text(mailer->settings, SETTING_MAIL_TEMPLATES);
    enum nova_status status = NOVA_OK;
    for (int i = 0; i < MAIL_PURPOSES && status == NOVA_OK; i++) {
        const enum mail_purpose purpose = (enum mail_purpose)(i + 1);
        const char *name = mail_purpose_name(purpose);
        const char *path = *folder != '\0'
                               ? arena_printf(mailer->texts, "%s/%s.txt", folder, name)
                               : arena_printf(mailer->texts, "%s/services/identity/mail/%s.txt",
                                              root != NULL && *root != '\0' ? root : ".", name);
        status = mail_template_read(&mailer->templates[i], mailer->texts, path,
                                    purpose != MAIL_REGISTRATION_ATTEMPT, err);
    }
    return status;
}

static enum nova_status mailer_try_postgres(void *context, struct error *err)
{
    struct mailer *mailer = context;
    char url[ACCESS_URL_BYTES], name[64];
    snprintf(name, sizeof name, "mailer/identity/%d", (int)getpid());
    enum nova_status status =
        access_postgres_url(url, mailer->settings, "identity", "identity_service", err);
    if (status == NOVA_OK)
        status = mailer->pg == NULL ? pg_connect(&mailer->pg, url, name, err)
                                    : pg_reconnect(mailer->pg, err);
    explicit_bzero(url, sizeof url);
    return status;
}

static enum nova_status mailer_start(struct mailer *mailer, struct error *err)
{
    if (*settings_text(mailer->settings, SETTING_MAIL_SMTP_URL) == '\0')
        return error_set(err, NOVA_FAILED_PRECONDITION,
                         "mail.smtp_url is not set: say where the SMTP server is");
    enum nova_status status = seal_start(err);
    if (status == NOVA_OK)
        status = mailer_read_templates(mailer, err);
    if (status == NOVA_OK)
        status = smtp_create(&mailer->smtp, mailer->settings, notify_watchdog, err);
    if (status == NOVA_OK)
        status = access_master_key(&mailer->master, mailer->settings, "identity", err);
    if (status != NOVA_OK)
        return status;
    mail_token_key(&mailer->token_key, &mailer->master);
    status = patience(mailer_try_postgres, mailer, "PostgreSQL", NULL, err);
    return status == NOVA_OK
               ? runtime_create(&mailer->runtime, "identity", mailer->pg, &mailer->master, err)
               : status;
}

static void mailer_stop(struct mailer *mailer)
{
    runtime_destroy(&mailer->runtime);
    pg_destroy(&mailer->pg);
    smtp_destroy(&mailer->smtp);
    arena_destroy(&mailer->texts);
    seal_key_forget(&mailer->master);
    seal_key_forget(&mailer->token_key);
}

// ---- one e-mail ---------------------------------------------------------------------------------

// Where it goes: the user's address now, when it is the one that it was asked for. NULL: it is not
// any more.
static enum nova_status mailer_find_address(const char **out, struct mailer *mailer,
                                            const struct mail_effect *effect, struct arena *arena,
                                            struct error *err)
{
    struct account_digest digest;
    *out = NULL;
    if (!effect->wanted)
        return NOVA_OK;
    const char *email = NULL;
    enum nova_status status =
        users_email(&email, mailer->runtime, &effect->token.user_id, arena, err);
    if (status != NOVA_OK || email == NULL)
        return status;
    account_digest(&digest, &mailer->master, "email", email);
    if (memcmp(digest.bytes, effect->email.bytes, sizeof digest.bytes) == 0)
        *out = email;
    return NOVA_OK;
}

static enum smtp_result mailer_hand_over(struct mailer *mailer, const struct mail_effect *effect,
                                         const char *email, struct arena *arena, struct error *err)
{
    const struct mail_template *template = &mailer->templates[effect->token.purpose - 1];
    const char *from = settings_text(mailer->settings, SETTING_MAIL_FROM);
    char id[UUID_TEXT_BYTES];
    int64_t minutes = (effect->expires_at_us - effect->token.created_at_us) / 60000000;
    const char *token = effect->token.purpose == MAIL_REGISTRATION_ATTEMPT
                            ? ""
                            : mail_token_make(arena, &mailer->token_key, &effect->token);
    const char *to = email_address_to_send(arena, email);
    uuid_format(id, &effect->token.id);
    if (to == NULL) {
        error_set(err, NOVA_INVALID_ARGUMENT, "the address is none that can be delivered to");
        return SMTP_REFUSED; // of a user from before addresses were looked at
    }
    const struct smtp_message message = {
        .to = to,
        .subject = template->subject,
        .text = mail_template_fill(arena, template->text, token, minutes > 0 ? minutes : 1),
        .message_id = arena_printf(arena, "%s%s", id, strrchr(from, '@')),
        .date_us = effect->token.created_at_us,
    };
    return smtp_send(mailer->smtp, &message, err);
}

// NULL: it is tried again.
static const char *mailer_outcome(struct mailer *mailer, const struct mail_effect *effect,
                                  enum smtp_result result, const struct error *why)
{
    const char *kind = mail_purpose_name(effect->token.purpose);
    const struct uuid *id = &effect->token.id;
    switch (result) {
    case SMTP_SENT:
        log_info("mailer: sent", LOG_UUID("effect", id), LOG_TEXT("kind", kind),
                 LOG_INT("attempt", effect->attempt));
        return "sent";
    case SMTP_REFUSED:
        log_warn("mailer: the server refuses an e-mail for good", LOG_UUID("effect", id),
                 LOG_TEXT("kind", kind), LOG_ERROR(why));
        return "refused";
    case SMTP_LATER:
        break;
    }
    if (effect->attempt >= settings_int(mailer->settings, SETTING_MAIL_ATTEMPTS_MAX)) {
        log_error("mailer: gives an e-mail up", LOG_UUID("effect", id), LOG_TEXT("kind", kind),
                  LOG_INT("attempt", effect->attempt), LOG_ERROR(why));
        return "given_up";
    }
    log_warn("mailer: not sent, tries again", LOG_UUID("effect", id), LOG_TEXT("kind", kind),
             LOG_INT("attempt", effect->attempt), LOG_ERROR(why));
    return NULL;
}

static enum nova_status mailer_carry_out(struct mailer *mailer, const struct mail_effect *effect,
                                         struct arena *arena, struct error *err)
{
    struct error why = {0};
    const char *email = NULL, *outcome = "obsolete";
    enum nova_status status = mailer_find_address(&email, mailer, effect, arena, err);
    if (status != NOVA_OK)
        return status;
    if (email != NULL)
        outcome = mailer_outcome(mailer, effect,
                                 mailer_hand_over(mailer, effect, email, arena, &why), &why);
    return outcome != NULL ? mail_effect_done(mailer->pg, &effect->token.id, outcome, err)
                           : NOVA_OK;
}

// ---- the loop -----------------------------------------------------------------------------------

// What is due, one after the other. *sent: there was one.
static enum nova_status mailer_work(struct mailer *mailer, bool *sent, struct arena *arena,
                                    struct error *err)
{
    struct mail_effect effect;
    enum nova_status status = NOVA_OK;
    *sent = false;
    if (!mailer->locked) {
        status = mail_lock(&mailer->locked, mailer->pg, err);
        notify_status(mailer->locked ? "sends" : "stands by: another mailer sends");
    }
    if (status != NOVA_OK || !mailer->locked)
        return status;
    status = mail_effect_take(&effect, sent, mailer->pg,
                              settings_int(mailer->settings, SETTING_MAIL_RETRY_S), err);
    if (status == NOVA_OK && *sent)
        return mailer_carry_out(mailer, &effect, arena, err);
    return status == NOVA_OK ? mail_prune(mailer->pg, err) : status;
}

// True: SIGTERM or SIGINT came.
static bool mailer_is_told_to_end(const struct mailer *mailer, bool wait)
{
    const struct timespec tick = {0, wait ? TICK_MS * INT64_C(1000000) : 0};
    int signal = sigtimedwait(&mailer->signals, NULL, &tick);
    if (signal > 0)
        log_info("mailer: ending", LOG_TEXT("signal", strsignal(signal)));
    return signal > 0;
}

static enum nova_status mailer_loop(struct mailer *mailer, struct error *err)
{
    struct arena *arena = arena_create();
    enum nova_status status = NOVA_OK;
    bool sent = false;
    while (status == NOVA_OK && !mailer_is_told_to_end(mailer, !sent)) {
        arena_reset(arena);
        notify_watchdog();
        status = mailer_work(mailer, &sent, arena, err);
        if (status != NOVA_OK && err->transient) {
            log_warn("mailer: PostgreSQL is away", LOG_ERROR(err));
            mailer->locked = false; // it was the session's
            sent = false;
            status = pg_is_connected(mailer->pg)
                         ? NOVA_OK
                         : patience(mailer_try_postgres, mailer, "PostgreSQL", NULL, err);
        }
    }
    arena_destroy(&arena);
    return status;
}

int mailer_run(const struct settings *settings, const char *name)
{
    struct error err = {0};
    struct mailer mailer = {.settings = settings, .texts = arena_create()};
    sigemptyset(&mailer.signals);
    sigaddset(&mailer.signals, SIGTERM);
    sigaddset(&mailer.signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &mailer.signals, NULL); // before libcurl's threads
    notify_status("connecting");
    enum nova_status status = mailer_start(&mailer, &err);
    if (status == NOVA_OK) {
        notify_ready();
        log_info("mailer: ready", LOG_TEXT("service", name));
        status = mailer_loop(&mailer, &err);
    }
    if (status == NOVA_CANCELLED)
        status = NOVA_OK;
    if (status != NOVA_OK)
        log_error("mailer: ends", LOG_ERROR(&err));
    mailer_stop(&mailer);
    return status == NOVA_OK ? 0 : 1;
}
