// fuzz_refresh_token.c - any text as a refresh token: none, or the one text of what it says. What
// the fuzzer makes up was never ours; what is made of the same bytes with our key is.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "services/identity/refresh_token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct seal_key key = {{7}}, other = {{8}};
    struct refresh_token token, again;
    struct arena *arena = arena_create();
    char *text = malloc(size + 1);
    assert(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    if (refresh_token_parse(&token, text)) {
        const char *ours = refresh_token_make(arena, &key, &token.session_id, token.generation);
        assert(strncmp(ours, text, REFRESH_TOKEN_TEXT_LEN / 3) == 0); // but for the MAC
        assert(refresh_token_is_ours(&token, &key) == (strcmp(ours, text) == 0));
        assert(refresh_token_parse(&again, ours) && refresh_token_is_ours(&again, &key));
        assert(!refresh_token_is_ours(&again, &other));
    }
    free(text);
    arena_destroy(&arena);
    return 0;
}
