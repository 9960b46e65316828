// fuzz_note.c - any bytes as a signed note: what a key has signed is what it has signed.
#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "audit/note.h"

static const char key_text[] = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
static const char signed_text[] = "If you think cryptography is the answer to your problem,\n"
                                  "then you don't know what your problem is.\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct note note;
    struct note_key key, other;
    struct note_signer signer;
    struct arena *arena = arena_create();
    assert(sodium_init() >= 0 && note_key_parse(&key, key_text, NULL) == NOVA_OK);
    if (note_parse(&note, arena, (const char *)data, size, NULL) == NOVA_OK &&
        note_verify(NULL, &note, &key, NULL) == NOVA_OK)
        assert(note.text_len == strlen(signed_text) &&
               memcmp(note.text, signed_text, note.text_len) == 0);

    char *text = arena_alloc(arena, size + 1);
    memcpy(text, data, size);
    if (note_key_parse(&other, text, NULL) == NOVA_OK) // one text for each key, but for line ends
        assert(strncmp(note_key_text(arena, &other), text, strcspn(text, "\r\n")) == 0);
    if (note_signer_parse(&signer, text, NULL) == NOVA_OK)
        assert(strncmp(note_signer_text(arena, &signer), text, strcspn(text, "\r\n")) == 0);
    arena_destroy(&arena);
    return 0;
}
