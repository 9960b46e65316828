// fuzz_import_line.c - any text as a line of an import: refused with a reason, or a command whose
// request is one that a service would take.
#include <assert.h>

#include "cli/import_line.h"
#include "proto/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    struct import_line line = {0};
    struct arena *arena = arena_create();
    if (import_line_read(&line, (const char *)data, size, arena, &err) != NOVA_OK)
        assert(err.text[0] != '\0');
    arena_destroy(&arena);
    return 0;
}
