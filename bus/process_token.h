// process_token.h - the token by which one of Nova's processes says who it is: a JWT signed with
// the seed of its NATS nkey (docs/decisions/0004), made anew before it runs out.
//
// Ownership: a text lives in the arena.
// Threads:   process_token_text is safe from any thread.
// Errors:    what reading the seed answers.
#pragma once
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

struct process_token;

// `user` is the topology's name of the process.
MUST_CHECK enum nova_status process_token_create(struct process_token **out, const char *user,
                                                 const char *seed_file, struct error *err);
void process_token_destroy(struct process_token **token);
const char *process_token_text(const struct process_token *token, struct arena *arena);

// What only processes with the same seed can make of a number, for a purpose: a keyed digest, as
// text. It tells them from everybody else where no token can go along.
enum { PROCESS_TOKEN_MARK_BYTES = 33 };
void process_token_mark(char out[PROCESS_TOKEN_MARK_BYTES], const struct process_token *token,
                        const char *purpose, int64_t number);
