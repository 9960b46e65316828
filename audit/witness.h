// witness.h - what a witness does with a checkpoint, given the last one it cosigned. No I/O.
//
//                      smaller             -> REWOUND    refused, both kept
//   the last one  ---  same size and root  -> COSIGN     it was seen before
//                      same size, another  -> FORKED     refused, both kept: proof of two histories
//                      larger, consistent  -> COSIGN
//                      larger, badly proven -> UNPROVEN  refused, both kept
//                      larger, no proof    -> PROVE      ask the log for a consistency proof
//
// The first checkpoint of a log is believed: what came before is not the witness's to say. What a
// smaller one is: the same signer showing less than it had, such as a restored backup; its own
// signature makes it evidence. A bad proof alone shows no second history: anybody can make one.
//
// Threads: pure.
#pragma once
#include "audit/checkpoint.h"

enum witness_answer {
    WITNESS_COSIGN,
    WITNESS_PROVE,
    WITNESS_REWOUND,
    WITNESS_FORKED,
    WITNESS_UNPROVEN,
};

// `last` NULL: none of this log was seen yet. `proof` NULL: none is there yet. Both checkpoints are
// of one log (origin), and open: signed by its key.
enum witness_answer witness_look(const struct checkpoint *last, const struct checkpoint *shown,
                                 const struct merkle_proof *proof);
