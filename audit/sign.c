// sign.c - see sign.h.
#include "audit/sign.h"

#include <assert.h>
#include <string.h>

enum sign_answer sign_look(const struct checkpoint *last, const struct checkpoint *now,
                           const struct merkle_hash *then, bool at_end)
{
    if (last == NULL || strcmp(last->origin, now->origin) != 0)
        return SIGN_GO;
    if (now->size < last->size)
        return at_end ? SIGN_SMALLER : SIGN_WAIT;
    assert(then != NULL);
    return merkle_hash_same(&last->root, then) ? SIGN_GO : SIGN_FORKED;
}
