// state.h - what identity's workers share: made once, at the start of the process.
//
// Threads:   read by all workers; changed by none of them.
#pragma once

struct tokens;
struct leaked;

struct identity_state {
    struct tokens *tokens;
    struct leaked *leaked; // the passwords that nobody may choose
};
