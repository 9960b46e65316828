// process.c - see process.h.
#include "cli/process.h"

#include <assert.h>

static const struct process processes[] = {
#define PROCESS_KIND_relay PROCESS_RELAY
#define PROCESS_KIND_signer PROCESS_SIGNER
#define PROCESS_KIND_consumer PROCESS_CONSUMER
#define PROCESS_KIND_service PROCESS_SERVICE
#define PROCESS_KIND_mailer PROCESS_MAILER
#define PROCESS(kind, name) {PROCESS_KIND_##kind, name},
#include "cli/process.def"
#undef PROCESS
};

static const char *const kind_names[PROCESS_KIND_COUNT] = {
    [PROCESS_RELAY] = "relay",     [PROCESS_SIGNER] = "signer", [PROCESS_CONSUMER] = "consumer",
    [PROCESS_SERVICE] = "service", [PROCESS_MAILER] = "mailer",
};

size_t process_count(void)
{
    return sizeof processes / sizeof *processes;
}

const struct process *process_at(size_t i)
{
    assert(i < process_count());
    return &processes[i];
}

const char *process_kind_name(enum process_kind kind)
{
    assert(kind < PROCESS_KIND_COUNT);
    return kind_names[kind];
}

bool process_is_wanted(const struct process *process, const struct settings *settings)
{
    return process->kind != PROCESS_MAILER || *settings_text(settings, SETTING_MAIL_SMTP_URL);
}
