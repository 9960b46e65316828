// compare.c - see compare.h.
#include "audit/compare.h"

#include <assert.h>
#include <string.h>

void compare_begin(struct compare *out, size_t count)
{
    assert(count > 0 && count <= COMPARE_COPIES_MAX);
    memset(out, 0, sizeof *out);
    out->count = count;
}

static bool is_same(const struct merkle_hash *a, const struct merkle_hash *b)
{
    return a == NULL || b == NULL ? a == b : merkle_hash_same(a, b);
}

bool compare_event(struct compare *compare,
                   const struct merkle_hash *const hashes[COMPARE_COPIES_MAX])
{
    struct merkle_full full[MERKLE_PROOF_MAX];
    bool anew = false;
    compare->n++;
    for (size_t i = 0; i < compare->count; i++) {
        struct compare_copy *copy = &compare->copies[i];
        copy->ended |= hashes[i] == NULL;
        if (!copy->ended)
            merkle_range_append(full, &copy->range, hashes[i]);
        for (size_t j = 0; j < i; j++) {
            if (compare->differs[i][j] != 0 || is_same(hashes[i], hashes[j]))
                continue;
            compare->differs[i][j] = compare->differs[j][i] = compare->n;
            anew |= !copy->out && !compare->copies[j].out;
        }
    }
    return anew;
}

static bool gives(const struct compare_copy *copy, const struct merkle_hash *root)
{
    struct merkle_hash own;
    if (copy->out || copy->ended)
        return false;
    merkle_range_root(&own, &copy->range);
    return merkle_hash_same(&own, root);
}

bool compare_signed(struct compare *compare, const struct merkle_hash *root)
{
    bool good[COMPARE_COPIES_MAX], all = true;
    size_t witness = compare->count; // one that is good
    for (size_t i = 0; i < compare->count; i++) {
        good[i] = gives(&compare->copies[i], root);
        if (good[i])
            witness = i;
    }
    for (size_t i = 0; i < compare->count; i++) {
        struct compare_copy *copy = &compare->copies[i];
        if (good[i] || copy->out)
            continue;
        copy->out = true;
        copy->first = witness < compare->count ? compare->differs[i][witness] : 0;
        all = false;
    }
    memset(compare->differs, 0, sizeof compare->differs);
    compare->from = compare->n;
    return all;
}
