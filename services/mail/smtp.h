// smtp.h - hands one e-mail to an SMTP server, over libcurl.
//
// What 250 answers is the server's from then on. Whether it took an e-mail whose answer was never
// heard, nobody knows: the same Message-ID lets who receives both see that they are one.
//
// Ownership: an smtp copies its options; a message borrows.
// Threads:   one at a time per smtp.
// Errors:    smtp_create: INVALID_ARGUMENT names the setting. smtp_send: err says what happened,
//            never an address, and never the server's own words, which may repeat one.
// Bounds:    timeout_s for an e-mail, from connecting to the answer.
// Source:    RFC 5321, RFC 3207 (STARTTLS), RFC 5322 and RFC 2047 (headers).
#pragma once
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/settings.h"

struct smtp;

// By the settings mail.smtp_*. alive (may be NULL) is called every second or so while it sends.
MUST_CHECK enum nova_status smtp_create(struct smtp **out, const struct settings *settings,
                                        void (*alive)(void), struct error *err);
void smtp_destroy(struct smtp **smtp);

struct smtp_message {
    const char *to;             // one address, as email_address_to_send made it
    const char *subject, *text; // UTF-8; the text's lines end with \n
    const char *message_id;     // without < and >
    int64_t date_us;
};

enum smtp_result {
    SMTP_SENT,    // the server answered 250
    SMTP_REFUSED, // 5xx: it will never take this one
    SMTP_LATER,   // 4xx, no connection, no TLS, no login: another time it may
};
MUST_CHECK enum smtp_result smtp_send(struct smtp *smtp, const struct smtp_message *message,
                                      struct error *err);

// A header's text: as it stands where it is plain ASCII, else as encoded words. In the arena.
// Control characters become spaces: no text begins a header.
char *smtp_header_text(struct arena *arena, const char *text);
