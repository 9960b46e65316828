// fuzz_proof.c - any bytes as a proof, as a leaf, and as the text that a log's key has signed.
#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "audit/proof.h"

static const char secret[] =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

// What is accepted as a checkpoint says nothing but what was read of it.
static void a_signed_text(struct arena *arena, const struct note_signer *signer, const char *text,
                          size_t len)
{
    struct checkpoint_opened opened;
    const struct checkpoint_policy policy = {.log = signer->key};
    char *line = note_sign(arena, signer, text, len, 0);
    size_t line_len = strlen(line);
    char *note = arena_alloc(arena, len + 1 + line_len);
    memcpy(note, text, len);
    note[len] = '\n';
    memcpy(note + len + 1, line, line_len);
    if (checkpoint_open(&opened, arena, note, len + 1 + line_len, &policy, NULL) == NOVA_OK) {
        const char *again = checkpoint_text(arena, &opened.head);
        assert(strlen(again) == len && memcmp(again, text, len) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct leaf_v1 leaf;
    struct proof_checked checked;
    struct note_signer signer;
    struct error err = {0};
    struct arena *arena = arena_create();
    assert(sodium_init() >= 0 && note_signer_parse(&signer, secret, NULL) == NOVA_OK);
    const struct checkpoint_policy policy = {.log = signer.key};
    // Nobody has signed a checkpoint with this key.
    assert(proof_check(&checked, arena, (const char *)data, size, &policy, &err) != NOVA_OK);
    assert(err.text[0] != '\0');
    if (leaf_read_v1(&leaf, (struct bytes){data, size}, NULL) == NOVA_OK)
        assert(leaf.payload.data + leaf.payload.len == data + size);
    a_signed_text(arena, &signer, (const char *)data, size);
    arena_destroy(&arena);
    return 0;
}
