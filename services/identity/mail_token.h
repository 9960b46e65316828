// mail_token.h - the tokens that are sent by e-mail: what one looks like, and why nobody can make
// one up.
//
// A token is base64url(version, purpose, id, HMAC-SHA256 of these, of the user and of when it was
// asked for). It is derived and not drawn, so that the mailer makes it when it sends, and no table,
// log or event holds it; of the one that may be used, mail_token holds the SHA-256.
//
// Ownership: the caller owns the key, a secret; a token's text is one too: not for logs or errors.
// Threads:   pure; safe from any thread once seal_start returned.
// Source:    RFC 2104 (HMAC); OWASP, Forgot Password Cheat Sheet (single use, short, hashed).
#pragma once
#include "base/arena.h"
#include "base/seal.h"
#include "base/uuid.h"

enum mail_purpose {
    MAIL_PASSWORD_RESET = 1,
    MAIL_EMAIL_VERIFICATION = 2,
    MAIL_REGISTRATION_ATTEMPT = 3, // an e-mail that brings no token
};
enum { MAIL_PURPOSES = 3 };

enum {
    MAIL_TOKEN_MAC_BYTES = 32,
    MAIL_TOKEN_BYTES =
        1 + 1 + 16 + MAIL_TOKEN_MAC_BYTES + 1, // a last zero: no spare bits in base64
    MAIL_TOKEN_HASH_BYTES = 32,
};

// What a token is made of. user_id nil: it is nobody's, and is never sent.
struct mail_token {
    enum mail_purpose purpose;
    struct uuid id, user_id;
    int64_t created_at_us;
};

// "password_reset": the word of the tables.
const char *mail_purpose_name(enum mail_purpose purpose);
bool mail_purpose_find(enum mail_purpose *out, const char *name);

// The key that tokens are derived with, from the service's master key; the caller wipes it.
void mail_token_key(struct seal_key *out, const struct seal_key *master);

// The token's text, in the arena.
char *mail_token_make(struct arena *arena, const struct seal_key *key,
                      const struct mail_token *token);
// Its id; false: it has not the form of a token for that purpose. True says nothing yet of who made
// it.
bool mail_token_parse(struct uuid *id, enum mail_purpose purpose, const char *text);
// SHA-256 of a token's text: what is kept of it. Enough for a text of 256 random bits.
void mail_token_hash(uint8_t out[MAIL_TOKEN_HASH_BYTES], const char *text);
