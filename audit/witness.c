// witness.c - see witness.h.
#include "audit/witness.h"

#include <assert.h>
#include <string.h>

enum witness_answer witness_look(const struct checkpoint *last, const struct checkpoint *shown,
                                 const struct merkle_proof *proof)
{
    struct merkle_hash empty;
    merkle_range_root(&empty, &(struct merkle_range){.size = 0});
    if (shown->size == 0 && !merkle_hash_same(&shown->root, &empty))
        return WITNESS_FORKED;
    if (last == NULL)
        return WITNESS_COSIGN;
    assert(strcmp(last->origin, shown->origin) == 0);
    if (shown->size < last->size)
        return WITNESS_REWOUND;
    if (shown->size == last->size)
        return merkle_hash_same(&last->root, &shown->root) ? WITNESS_COSIGN : WITNESS_FORKED;
    if (last->size == 0) // everything extends nothing
        return WITNESS_COSIGN;
    if (proof == NULL)
        return WITNESS_PROVE;
    return merkle_check_consistency(proof, last->size, shown->size, &last->root, &shown->root)
               ? WITNESS_COSIGN
               : WITNESS_UNPROVEN;
}
