// member.h - a group's members share a log: each event is exactly one member's, and all events of
// an aggregate are the same one's, in their order.
//
// The second of four has every fourth partition, beginning with the second. So do message-db's
// consumer groups (its user guide, "Consumer Groups"), with a hash of their own.
//
// Threads: pure; safe from any thread.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"

// Number 1 to size; all zero: no group, and so everything.
struct member {
    uint32_t number, size;
};

#define MEMBER_IS "a member of a group, as 2/4: the second of four, at most 64"

// "2/4", and nothing else than two decimal numbers: false, also for no such member (0/4, 5/4), and
// for a group of none or of more than there are partitions.
bool member_parse(struct member *out, const char *text);
bool member_has(const struct member *member, const struct uuid *aggregate_id);
