// sign.h - may a tree be signed, given the last checkpoint that left its signer? No I/O.
//
//                          none, or another log's       -> SIGN_GO
//   the last one signed,   of the tree's size or less   -> the tree's root then is the same:
//   SIGN_GO and the tree now                                       another: SIGN_FORKED
//                          larger than the tree         -> more is still to be read: SIGN_WAIT
//                                                          nothing is: SIGN_SMALLER
//
// A tree that is smaller than what was signed, or another one, is that of a database which was
// restored from an older copy, or changed by hand. To sign it would be the second history that
// witnesses are there to find; it is for people to say which of the two is right.
//
// Threads: pure.
#pragma once
#include "audit/checkpoint.h"

enum sign_answer { SIGN_GO, SIGN_WAIT, SIGN_SMALLER, SIGN_FORKED };

// `last` NULL: none has left. `then`: the tree's root when it had last->size leaves; not looked at
// (may be NULL) while the tree is smaller. `at_end`: the log holds no more than the tree.
enum sign_answer sign_look(const struct checkpoint *last, const struct checkpoint *now,
                           const struct merkle_hash *then, bool at_end);
