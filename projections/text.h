// text.h - text as search sees it: folded so that case, accents and width do not matter, and the
// hashtags in it.
//
// Done here and not by PostgreSQL, whose folding depends on the database's locale.
//
// Ownership: results live in the arena.
// Threads:   all functions are safe from any thread.
// Errors:    NULL for bytes that are not UTF-8.
// Bounds:    TEXT_TAG_BYTES_MAX bytes a tag, TEXT_TAGS_MAX tags; what is beyond is left out.
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

enum { TEXT_TAG_BYTES_MAX = 100, TEXT_TAGS_MAX = 64 };

// Unicode NFKC with case folded and marks stripped: "Café" and "CAFE" are one.
char *text_fold(struct arena *arena, const char *text);

// Folded, for PostgreSQL's text search: what makes it see a path in "pros/cons", a host in
// "end.Next" or a tag in "a<b, c>d", and then none of the words in it, is a blank. For texts and
// for queries.
char *text_words(struct arena *arena, const char *text);

// A tag as it is compared: without a leading #, NFKC with case folded. "" when nothing is left or
// it is too long.
char *text_tag(struct arena *arena, const char *tag);

// The tags given and the #hashtags found in title and text, each once, as text_tag makes them.
// False: not UTF-8.
bool text_tags(const char *const **out, size_t *count, struct arena *arena,
               const char *const *given, size_t given_count, const char *title, const char *text);

// An array as PostgreSQL reads it from text: {"a","b \"c\""}.
char *text_array(struct arena *arena, const char *const *texts, size_t count);
