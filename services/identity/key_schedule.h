// key_schedule.h - what each signing key is for at a moment, from its times alone.
//
//     waits --its time came--> signs --the next one's came--> verifies --its last token expired-->
//     gone
//
// A key is in GetJwks in the first three states: so it is there before it signs, and as long as a
// token of it may be valid. Nobody moves a key from one state to the next; time does.
//
// Threads: pure.
// Times:   Unix microseconds.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum key_state { KEY_WAITS, KEY_SIGNS, KEY_VERIFIES, KEY_GONE };
const char *key_state_name(enum key_state state);

struct key_times {
    int64_t signs_from_us;
    int64_t retired_us; // it signs nothing since; 0: nobody took it out
};

struct key_stage {
    enum key_state state;
    int64_t until_us; // when it is gone; 0: not known yet, it waits or signs
};

// Of all keys, in the order of signs_from_us; a key is kept for keep_us after it signed last.
// Before the first one's time the first one signs: there is no other.
void key_schedule(struct key_stage *out, const struct key_times *keys, size_t count, int64_t now_us,
                  int64_t keep_us);
