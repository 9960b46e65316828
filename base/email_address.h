// email_address.h - which texts are e-mail addresses that something can be delivered to, and which
// of them are the same.
//
// The local part is the receiving server's own business: nearly everything is taken, dots anywhere
// and letters of any script too. The domain must be a name that DNS can hold, in ASCII or as an
// internationalised one.
//
// Ownership: results live in the arena.
// Threads:   pure; safe from any thread.
// Errors:    false or NULL for what is no such address.
// Source:    RFC 5321 4.5.3.1 (lengths), RFC 6531 (local parts beyond ASCII), RFC 5890 and UTS 46
//            (domains), through libidn2.
#pragma once
#include <stdbool.h>

#include "base/arena.h"

enum { EMAIL_ADDRESS_BYTES_MAX = 254, EMAIL_LOCAL_BYTES_MAX = 64, EMAIL_DOMAIN_BYTES_MAX = 253 };

bool email_address_is_valid(const char *text);

// As it is sent to: the domain in ASCII and in small letters, the local part as it was written.
// NULL: it is no address.
char *email_address_to_send(struct arena *arena, const char *text);
