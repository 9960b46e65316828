// process_token.h - the token by which one of Nova's processes says who it is: a JWT signed with
// the seed of its NATS nkey (docs/decisions/0004), made anew before it runs out.
//
// Ownership: a text lives in the arena.
// Threads:   process_token_text is safe from any thread.
// Errors:    what reading the seed answers.
#pragma once
#include "base/arena.h"
#include "base/error.h"

struct process_token;

// `user` is the topology's name of the process.
MUST_CHECK enum nova_status process_token_create(struct process_token **out, const char *user,
                                                 const char *seed_file, struct error *err);
void process_token_destroy(struct process_token **token);
const char *process_token_text(const struct process_token *token, struct arena *arena);
