// mailer.h - carries out identity's effects: takes each e-mail that waits, hands it to the SMTP
// server, and notes that it did.
//
// An attempt is counted and committed before the server is spoken to, and what came of it
// afterwards. Killed between the server's 250 and our note, it sends that one again, with the same
// Message-ID: once more for each such kill, and MAIL_ATTEMPTS_MAX times at most. One mailer sends
// at a time; others stand by.
//
// Threads:   one process, one thread.
// Errors:    settings, templates and rights that are wrong end it; servers that are away do not.
#pragma once
#include "base/settings.h"

// `nova run mailer identity`, until SIGTERM. Returns an exit code.
int mailer_run(const struct settings *settings, const char *name);
