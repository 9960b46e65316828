// state.h - what a state's flat struct consists of, for people who want to see it: one line a
// field, beside the aggregate's evolve. A state holds nothing personal (docs/decisions/0003), so
// all of it may be shown.
//
// Threads: constant data.
// Bounds:  a state of at most 65,535 bytes.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum state_kind {
    STATE_FLAG,   // uint8_t: 0 or 1
    STATE_NUMBER, // int64_t
    STATE_TIME,   // int64_t: Unix microseconds; 0: none
    STATE_ID,     // struct uuid; nil: none
    STATE_IDS,    // an array of struct uuid, of which as many count as a uint8_t says
};

struct state_field {
    const char *name;
    enum state_kind kind;
    uint16_t offset, bytes;
    uint16_t count_offset; // STATE_IDS
};

#define STATE_FIELD(state, kind, field)                                                            \
    {                                                                                              \
#field, kind, offsetof(struct state, field), sizeof(((struct state *)0)->field), 0         \
    }
#define STATE_LIST(state, field, count)                                                            \
    {                                                                                              \
#field, STATE_IDS, offsetof(struct state, field), sizeof(((struct state *)0)->field),      \
            offsetof(struct state, count)                                                          \
    }
