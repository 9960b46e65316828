// replay.h - what real servers answered, asked of the models: sim --replay FILE.
//
// A history is one line a step, "question -> answer" (docs/simulation.md). Each handler asks the
// model the same and writes its answer in the same words: a step holds when both are equal. Where
// a server may answer one of several things (a crash, damage, the order of what comes again), the
// handler takes what was told if the model allows it, and else tells what the model would have
// done.
#pragma once
#include <stddef.h>

#include "test/sim/sim.h"

enum { REPLAY_LINE_BYTES = 32768, REPLAY_DURABLES = 4096 };

struct replay {
    struct world *world;
    const char *told;               // by the server
    char answer[REPLAY_LINE_BYTES]; // by the model
    size_t length;
    struct row row[WRITERS];                 // that each one inserts
    struct durable earlier[REPLAY_DURABLES]; // states that a kill may bring back
    uint32_t earlier_count;
    bool damaged;   // something was lost since the stream was made
    bool miscounts; // damage has cut the stream, and the server's count of messages may be wrong
    bool unsure[MESSAGES + 2]; // stored behind a spoiled end: whether it is read, a step tells
};

// A question's first word, and what answers the rest of it.
struct replay_step {
    const char *word;
    void (*answer)(struct replay *replay, const char *asked);
};

extern const struct replay_step replay_outbox_steps[], replay_stream_steps[]; // to the NULL word

// Adds to the model's answer; words are divided by a blank.
__attribute__((format(printf, 2, 3))) void replay_say(struct replay *replay, const char *format,
                                                      ...);
// The number behind a word of a text; `otherwise` when it is not there.
int64_t replay_number(const char *text, const char *word, int64_t otherwise);

// 0: the models accept the history; 1: they do not, and the first such step was printed; 2: the
// file is none.
int replay_file(struct world *world, const char *path);
