// throttle.h - how long who failed must wait before the next attempt, and when that is forgotten.
//
// A leaky bucket: each failure adds one, and one leaks out each forget_us. What it holds says how
// long the next attempt waits: the first `attempts` do not, then delay_us, doubled with each
// failure up to delay_max_us. More than that makes it no longer, so that nobody waits for ever and
// all of it is forgotten in a bounded time.
//
//   failures   1 .. attempts   attempts + 1   + 2          ...   throttle_failures_max
//   wait       none            delay_us       2 delay_us         delay_max_us
//
// A bucket is two times, both of the clock that asks (PostgreSQL's). A clock that was set back
// makes nobody wait: what failed in the future is not waited for, and the next failure is timed
// anew.
//
// Threads: pure; safe from any thread.
// Source:  OWASP, Authentication Cheat Sheet (throttling); NIST SP 800-63B, 5.2.2.
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct throttle_policy {
    int64_t attempts;                          // at least 1: that fail before anybody waits
    int64_t delay_us, delay_max_us, forget_us; // above 0
};

struct throttle_bucket {
    int64_t failed_at_us;    // the last time
    int64_t forgotten_at_us; // when all failures are
};

// How many failures there were, those forgotten meanwhile left out, when the last one happened.
int64_t throttle_failures(const struct throttle_bucket *bucket,
                          const struct throttle_policy *policy);
// How long to wait after so many of them.
int64_t throttle_delay_us(int64_t failures, const struct throttle_policy *policy);
// From so many on, and more are not counted: who waits the longest is locked out for that time.
int64_t throttle_failures_max(const struct throttle_policy *policy);
// How long to wait from now on; 0: not at all.
int64_t throttle_wait_us(const struct throttle_bucket *bucket, const struct throttle_policy *policy,
                         int64_t now_us);
