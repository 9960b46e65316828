// leaf_read.h - what a proof's leaf says of itself: the inverse of bus/leaf.h, version 1.
//
// A proof shows that these bytes are leaf number `index`; that they are the n-th event of that log
// is what the bytes say, and must agree.
//
// Ownership: everything points into the leaf.
// Threads:   pure; safe from any thread.
#pragma once
#include "base/error.h"
#include "base/event.h"

struct leaf_text {
    const char *at; // not terminated
    size_t len;
};

struct leaf_v1 {
    int64_t n, position, version, occurred_at_us, recorded_at_us;
    struct uuid log_id, event_id, aggregate_id, command_id, correlation_id, causation_id;
    struct leaf_text type, aggregate_type, actor;
    struct bytes payload;
};

// INVALID_ARGUMENT: not exactly a leaf of version 1.
MUST_CHECK enum nova_status leaf_read_v1(struct leaf_v1 *out, struct bytes leaf, struct error *err);
