// revocations.h - which sessions ended while their access tokens are still valid, and how much of
// that is known: the pure half of a verifier (bus/verifier.h is the other).
//
// An access token is not asked about when it is used, so who verifies it must have heard that its
// session ended. The ends come as a feed of deliveries, numbered 1, 2, 3 since it was begun. All
// processes of one kind hear the same feed, and each of them begins it anew when it missed
// something: its number 1 shows that, and when it is idle its name, the time when it was begun, of
// which the greater is the newer. From that follows all that is kept here:
//
//   LOST --begun--> CATCHING_UP --all that there was has come--> FOLLOWING
//     ^                 |    ^                                       |
//     +--a gap, silence-+    +------another process begins it--------+--a gap, silence--> LOST
//
// A token's session can only have ended after the token was issued. So a token is good when its
// session is not among those that ended, and the ends are known without a gap since it was issued:
// one that is older than what is known is refused, which also bounds what must be kept. An end is
// forgotten once every token that was issued before it is too old (token_lifetime_s and the skew
// of clocks); past `entries_max` the oldest is, and tokens from before it are refused.
//
// While the feed is lost, what is known is still used, for stale_s (docs/decisions/0040). Before
// it was ever whole nothing is known, and every token is UNKNOWN.
//
// Ownership: the caller owns it; nothing that is passed in is kept.
// Threads:   pure; one at a time.
// Errors:    none; no memory is the end of the process, as with arenas.
// Bounds:    entries_max ends of 24 bytes, and 8 of index for each; made as they come.
// Times:     *_us are Unix microseconds, from several clocks (JWT_CLOCK_SKEW_S apart at most);
//            clock_ms is one monotonic clock.
#pragma once
#include "base/jwt.h"
#include "base/uuid.h"

struct revocations;

struct revocations_options {
    int64_t token_lifetime_s; // older tokens are refused
    int64_t stale_s;          // for how long an old view is good
    uint32_t entries_max;
    uint8_t hash_key[16]; // secret and drawn: whoever logs in may choose a session's id
};
struct revocations *revocations_create(const struct revocations_options *options);
void revocations_destroy(struct revocations **revocations);

// ---- the feed -----------------------------------------------------------------------------------

enum revocations_feed { REVOCATIONS_LOST, REVOCATIONS_CATCHING_UP, REVOCATIONS_FOLLOWING };
enum revocations_feed revocations_feed(const struct revocations *revocations);
const char *revocations_feed_name(enum revocations_feed feed);

// The newest feed that was heard of; 0: none.
int64_t revocations_newest_feed(const struct revocations *revocations);
// What a feed that is begun now is called: now_us, unless a newer one was seen.
int64_t revocations_next_feed(const struct revocations *revocations, int64_t now_us);
// From when on a feed of that name brings the ends: before every token that is not too old.
int64_t revocations_from_us(const struct revocations *revocations, int64_t feed);

// We began a feed; `ahead` deliveries are there already.
void revocations_began(struct revocations *revocations, int64_t feed, int64_t ahead,
                       int64_t clock_ms);
// A delivery, and how many there are behind it. What came before number 1 is an older feed's.
void revocations_delivered(struct revocations *revocations, int64_t delivery, int64_t behind,
                           int64_t clock_ms);
// A feed is idle, and says which delivery was its last (0: there was none).
void revocations_idle(struct revocations *revocations, int64_t feed, int64_t last_delivery,
                      int64_t clock_ms);
// Silent, disconnected or not to be made.
void revocations_lose(struct revocations *revocations);

// ---- what it brings -----------------------------------------------------------------------------

// A session ended at ended_at_us. Once more is no more; what no token can concern is not kept.
void revocations_add(struct revocations *revocations, const struct uuid *session_id,
                     int64_t ended_at_us, int64_t now_us);
// Forgets what no token can concern any more.
void revocations_forget(struct revocations *revocations, int64_t now_us);
uint32_t revocations_count(const struct revocations *revocations);

// ---- what it answers ----------------------------------------------------------------------------

enum revocations_verdict {
    REVOCATIONS_OPEN,    // the session goes on
    REVOCATIONS_ENDED,   // it does not
    REVOCATIONS_TOO_OLD, // the token is older than what is known
    REVOCATIONS_UNKNOWN, // nothing is known, or not lately
};
// Of a token of this session that was issued at issued_at_s.
enum revocations_verdict revocations_judge(const struct revocations *revocations,
                                           const struct uuid *session_id, int64_t issued_at_s,
                                           int64_t now_us, int64_t clock_ms);
