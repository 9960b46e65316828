// merkle.c - see merkle.h. Trees are walked from the root down in loops: depth is data's affair.
#include "audit/merkle.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

// The two prefixes of RFC 6962, 2.1: no leaf can pass as an inner node.
static void hash_parts(struct merkle_hash *out, uint8_t prefix, struct bytes a, struct bytes b)
{
    crypto_hash_sha256_state sha256;
    crypto_hash_sha256_init(&sha256);
    crypto_hash_sha256_update(&sha256, &prefix, 1);
    crypto_hash_sha256_update(&sha256, a.data, a.len);
    crypto_hash_sha256_update(&sha256, b.data, b.len);
    crypto_hash_sha256_final(&sha256, out->bytes);
}

void merkle_hash_leaf(struct merkle_hash *out, struct bytes leaf)
{
    hash_parts(out, 0x00, leaf, (struct bytes){(const uint8_t *)"", 0});
}

static struct merkle_hash hash_of(const struct merkle_hash *left, const struct merkle_hash *right)
{
    struct merkle_hash out;
    hash_parts(&out, 0x01, (struct bytes){left->bytes, MERKLE_HASH_BYTES},
               (struct bytes){right->bytes, MERKLE_HASH_BYTES});
    return out;
}

bool merkle_hash_same(const struct merkle_hash *a, const struct merkle_hash *b)
{
    return memcmp(a->bytes, b->bytes, MERKLE_HASH_BYTES) == 0; // nothing secret
}

// ---- the compact range --------------------------------------------------------------------------

size_t merkle_range_append(struct merkle_full out[MERKLE_PROOF_MAX], struct merkle_range *range,
                           const struct merkle_hash *leaf)
{
    assert(range->size < INT64_MAX);
    size_t peaks = (size_t)__builtin_popcountll(range->size);
    struct merkle_full full = {.node = {0, range->size}, .hash = *leaf};
    size_t count = 0;
    out[count++] = full;
    // A peak of the same height is the new subtree's left half: together they are the next level.
    for (uint64_t size = range->size; size & 1; size >>= 1) {
        full.hash = hash_of(&range->peaks[--peaks], &full.hash);
        full.node = (struct merkle_node){full.node.level + 1, full.node.index >> 1};
        out[count++] = full;
    }
    range->peaks[peaks] = full.hash;
    range->size++;
    return count;
}

static void fold_peaks(struct merkle_hash *out, const struct merkle_hash *peaks, size_t count)
{
    assert(count > 0);
    *out = peaks[--count];
    while (count > 0)
        *out = hash_of(&peaks[--count], out);
}

void merkle_range_root(struct merkle_hash *out, const struct merkle_range *range)
{
    if (range->size == 0)
        crypto_hash_sha256(out->bytes, NULL, 0);
    else
        fold_peaks(out, range->peaks, (size_t)__builtin_popcountll(range->size));
}

// The peaks of leaves begin .. end - 1; begin is a multiple of the power of two that covers them.
static enum nova_status read_peaks(struct merkle_hash *peaks, size_t *count, uint64_t begin,
                                   uint64_t end, const struct merkle_source *source,
                                   struct error *err)
{
    enum nova_status status = NOVA_OK;
    *count = 0;
    while (begin < end && status == NOVA_OK) {
        uint32_t level = 63 - (uint32_t)__builtin_clzll(end - begin);
        assert((begin & ((UINT64_C(1) << level) - 1)) == 0);
        status = source->node(&peaks[(*count)++], source->context,
                              (struct merkle_node){level, begin >> level}, err);
        begin += UINT64_C(1) << level;
    }
    return status;
}

enum nova_status merkle_range_read(struct merkle_range *out, uint64_t size,
                                   const struct merkle_source *source, struct error *err)
{
    size_t count;
    assert(size <= INT64_MAX);
    out->size = size;
    return read_peaks(out->peaks, &count, 0, size, source, err);
}

// ---- proofs -------------------------------------------------------------------------------------

static enum nova_status add_subtree(struct merkle_proof *proof, uint64_t begin, uint64_t end,
                                    const struct merkle_source *source, struct error *err)
{
    struct merkle_hash peaks[MERKLE_LEVELS_MAX];
    size_t count;
    assert(proof->count < MERKLE_PROOF_MAX);
    enum nova_status status = read_peaks(peaks, &count, begin, end, source, err);
    if (status == NOVA_OK)
        fold_peaks(&proof->hashes[proof->count++], peaks, count);
    return status;
}

// They were gathered from the root down and stand from the leaf up.
static void reverse(struct merkle_proof *proof)
{
    for (size_t i = 0; i < proof->count / 2; i++) {
        struct merkle_hash kept = proof->hashes[i];
        proof->hashes[i] = proof->hashes[proof->count - 1 - i];
        proof->hashes[proof->count - 1 - i] = kept;
    }
}

// The largest power of two below width, where a tree of that many leaves is split; width > 1.
static uint64_t split(uint64_t width)
{
    return UINT64_C(1) << (63 - __builtin_clzll(width - 1));
}

enum nova_status merkle_prove_inclusion(struct merkle_proof *out, uint64_t index, uint64_t size,
                                        const struct merkle_source *source, struct error *err)
{
    uint64_t begin = 0, end = size;
    enum nova_status status = NOVA_OK;
    assert(index < size && size <= INT64_MAX);
    out->count = 0;
    while (end - begin > 1 && status == NOVA_OK) { // PATH of RFC 6962, 2.1.1
        uint64_t middle = begin + split(end - begin);
        if (index < middle) {
            status = add_subtree(out, middle, end, source, err);
            end = middle;
        } else {
            status = add_subtree(out, begin, middle, source, err);
            begin = middle;
        }
    }
    reverse(out);
    return status;
}

enum nova_status merkle_prove_consistency(struct merkle_proof *out, uint64_t old_size,
                                          uint64_t size, const struct merkle_source *source,
                                          struct error *err)
{
    uint64_t begin = 0, end = size;
    enum nova_status status = NOVA_OK;
    assert(old_size > 0 && old_size <= size && size <= INT64_MAX);
    out->count = 0;
    while (old_size != end && status == NOVA_OK) { // SUBPROOF of RFC 6962, 2.1.2
        uint64_t middle = begin + split(end - begin);
        if (old_size <= middle) {
            status = add_subtree(out, middle, end, source, err);
            end = middle;
        } else {
            status = add_subtree(out, begin, middle, source, err);
            begin = middle;
        }
    }
    // The old log's last subtree; when it is all of the old log, who checks has its root.
    if (begin > 0 && status == NOVA_OK)
        status = add_subtree(out, begin, end, source, err);
    reverse(out);
    return status;
}

// ---- checks -------------------------------------------------------------------------------------

bool merkle_check_inclusion(const struct merkle_proof *proof, uint64_t index, uint64_t size,
                            const struct merkle_hash *leaf, const struct merkle_hash *root)
{
    if (index >= size || proof->count > MERKLE_PROOF_MAX)
        return false;
    uint64_t node = index, last = size - 1; // of the level
    struct merkle_hash hash = *leaf;
    for (size_t i = 0; i < proof->count; i++) {
        if (last == 0)
            return false;
        if ((node & 1) || node == last) {
            hash = hash_of(&proof->hashes[i], &hash);
            for (; (node & 1) == 0 && node != 0; node >>= 1)
                last >>= 1; // a last node without a sibling goes up as it is
        } else {
            hash = hash_of(&hash, &proof->hashes[i]);
        }
        node >>= 1;
        last >>= 1;
    }
    return last == 0 && merkle_hash_same(&hash, root);
}

static bool check_growth(const struct merkle_proof *proof, uint64_t old_size, uint64_t size,
                         const struct merkle_hash *old_root, const struct merkle_hash *root)
{
    bool whole = (old_size & (old_size - 1)) == 0; // the old log is one node of the new tree
    uint64_t node = old_size - 1, last = size - 1;
    if (!whole && proof->count == 0)
        return false;
    struct merkle_hash was = whole ? *old_root : proof->hashes[0], is = was;
    for (; node & 1; node >>= 1)
        last >>= 1;
    for (size_t i = whole ? 0 : 1; i < proof->count; i++) {
        const struct merkle_hash *sibling = &proof->hashes[i];
        if (last == 0)
            return false;
        if ((node & 1) || node == last) {
            was = hash_of(sibling, &was);
            is = hash_of(sibling, &is);
            for (; (node & 1) == 0 && node != 0; node >>= 1)
                last >>= 1;
        } else {
            is = hash_of(&is, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    return last == 0 && merkle_hash_same(&was, old_root) && merkle_hash_same(&is, root);
}

bool merkle_check_consistency(const struct merkle_proof *proof, uint64_t old_size, uint64_t size,
                              const struct merkle_hash *old_root, const struct merkle_hash *root)
{
    if (old_size == 0 || old_size > size || proof->count > MERKLE_PROOF_MAX)
        return false;
    if (old_size == size)
        return proof->count == 0 && merkle_hash_same(old_root, root);
    return check_growth(proof, old_size, size, old_root, root);
}
