// verifier.h - whether an access token of identity's is good, without asking anybody: what every
// service links that takes such tokens.
//
// Keys come from GetJwks (bus/jwks.h). That a session ended comes as its event: session.revoked is
// the one event by which a session ends, whatever ended it (a logout, a revocation, a reused
// refresh token, a password's change or reset, the user's deletion). A durable of the service's
// own, filtered to that subject, is pushed to all of the service's processes; each of them keeps
// the ends by itself (base/revocations.h) and begins the durable anew, from the time of the oldest
// token that may still be valid, when it starts, was disconnected or missed a delivery. The
// durable's heartbeats, one a second, tell a quiet stream from one that is away. Another
// service's durable may deliver to any subject, but is not taken for ours: a delivery names its
// durable, and a heartbeat comes under a mark that only the service's own processes can make.
//
//   what happens                             | tokens
//   before the feed was ever whole           | UNAVAILABLE: nobody knows what ended before
//   a session's end was delivered            | UNAUTHENTICATED
//   the feed is lost                         | judged by what is known, for stale_s; then
//   UNAVAILABLE identity's relay is behind               | as if the event were not there yet
//
// Ownership: borrows the connection and the token.
// Threads:   safe from any thread; one of its own listens.
// Errors:    UNAUTHENTICATED or UNAVAILABLE (transient), by what jwt_verify and the table say.
// Bounds:    REVOCATIONS_MAX ends, AUTH_KEYS_MAX keys.
#pragma once
#include "base/jwt.h"
#include "bus/jwks.h"

struct verifier;
struct verifier_options {
    struct bus_connection *connection;
    const char *service;               // whose process this is: a VERIFIER of the topology's
    const struct process_token *token; // for GetJwks, and for the feed's mark
    jwks_fetch keys;                   // NULL: GetJwks; identity gives its own
    void *keys_context;
    int64_t token_lifetime_s, stale_s, keys_age_s;
};
// Begins to listen. The first feed is waited for by verifier_wait, or not at all.
MUST_CHECK enum nova_status
verifier_create(struct verifier **out, const struct verifier_options *options, struct error *err);
void verifier_destroy(struct verifier **verifier);

// True once it is known which sessions ended; waits wait_ms for it.
bool verifier_wait(struct verifier *verifier, int64_t wait_ms);

// The key of a kid, for jwt_verify. may_ask false: an unknown one is UNSURE, and nobody waits.
enum jwks_answer verifier_key(uint8_t public_key[JWT_KEY_BYTES], struct verifier *verifier,
                              const char *kid, bool may_ask);

// Whether the session of a token that jwt_verify found good still goes on.
MUST_CHECK enum nova_status verifier_judge(struct verifier *verifier,
                                           const struct jwt_claims *claims, struct error *err);
