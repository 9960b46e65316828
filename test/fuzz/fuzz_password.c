// fuzz_password.c - any text as a password, as a hash from elsewhere, as a filter of leaked ones.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "services/identity/leaked.h"
#include "services/identity/password.h"

// What is normalised once stays as it is, and is no longer than it may be.
static void as_password(struct arena *arena, const char *text)
{
    char *once, *twice;
    if (!password_normalise(&once, arena, text))
        return;
    assert(strlen(once) >= PASSWORD_BYTES_MIN && strlen(once) <= PASSWORD_BYTES_MAX);
    assert(password_normalise(&twice, arena, once) && strcmp(once, twice) == 0);
}

// What is taken for a hash is one to libsodium too: 0 or 1, never an error.
static void as_hash(const char *text)
{
    if (password_hash_is_valid(text))
        assert(crypto_pwhash_str_needs_rehash(text, 1, 8192) >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_create();
    struct leaked *leaked = NULL;
    char *text = arena_alloc(arena, size + 1);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    as_password(arena, text);
    as_hash(text);
    if (leaked_borrow(&leaked, "it", data, size, NULL) == NOVA_OK)
        (void)leaked_has(leaked, text);
    leaked_destroy(&leaked);
    arena_destroy(&arena);
    return 0;
}
