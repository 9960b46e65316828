// nearest.c - see nearest.h. Three rows of the usual table suffice: a swap looks two rows back.
#include "base/nearest.h"

#include <stdint.h>
#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t nearest_distance(const char *a, const char *b)
{
    size_t a_len = strnlen(a, NEAREST_WORD_BYTES_MAX + 1);
    size_t b_len = strnlen(b, NEAREST_WORD_BYTES_MAX + 1);
    if (a_len > NEAREST_WORD_BYTES_MAX || b_len > NEAREST_WORD_BYTES_MAX)
        return SIZE_MAX;
    size_t rows[3][NEAREST_WORD_BYTES_MAX + 1];
    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *now = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t replaced = before[j - 1] + (a[i - 1] != b[j - 1]);
            now[j] = least(replaced, least(before[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], earlier[j - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

const char *nearest_word(const char *word, const char *const *words, size_t count)
{
    const char *found = NULL;
    size_t third = strnlen(word, NEAREST_WORD_BYTES_MAX) / 3;
    size_t best = third > 1 ? third : 1;
    for (size_t i = 0; i < count; i++) {
        size_t distance = nearest_distance(word, words[i]);
        if (distance <= best && (!found || distance < best)) {
            best = distance;
            found = words[i];
        }
    }
    return found;
}
