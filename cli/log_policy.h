// log_policy.h - which log, witnessed by whom, somebody believes: read from key files they name.
#pragma once
#include "audit/checkpoint.h"

// Reads a whole file of at most `bytes_max`, NUL-terminated, into the arena; "-" is standard input.
MUST_CHECK enum nova_status log_read_file(char **out, size_t *len, struct arena *arena,
                                          const char *path, size_t bytes_max, struct error *err);

// A verifier key's file; `type` is the one that is wanted.
MUST_CHECK enum nova_status log_read_key(struct note_key *out, const char *path,
                                         enum note_key_type type, struct error *err);

// "--witness" once more: a second key of one witness is refused, so that nobody counts twice.
MUST_CHECK enum nova_status log_add_witness(struct checkpoint_policy *policy, const char *path,
                                            struct error *err);

// "--required N": how many of the witnesses named must have cosigned; NULL: all of them. An exit
// code; 0 is good.
int log_parse_required(struct checkpoint_policy *policy, const char *required);

// "witnessed by 2 of 3" or "unwitnessed (0 of 1 required)".
char *log_witnessed_text(struct arena *arena, const struct checkpoint_opened *opened,
                         const struct checkpoint_policy *policy);
