// nearest.h - "did you mean": the known word that a mistyped one most likely stands for.
#pragma once
#include <stddef.h>

enum { NEAREST_WORD_BYTES_MAX = 64 };

// How many letters must be put in, left out, replaced or swapped with their neighbour to get from
// one word to the other (optimal string alignment). Words longer than NEAREST_WORD_BYTES_MAX count
// as infinitely far: SIZE_MAX.
size_t nearest_distance(const char *a, const char *b);

// The nearest of `words`, or NULL when none is near enough to be worth a guess (a third of the
// word's letters, at least one). The first of equally near ones.
const char *nearest_word(const char *word, const char *const *words, size_t count);
