// arena.c - see arena.h. Blocks form a list, newest first; the oldest and some spare ones are kept
// over a reset.
#include "base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arena_block {
    struct arena_block *older;
    size_t size;
    size_t used;
    alignas(max_align_t) unsigned char data[];
};

struct arena {
    struct arena_block *newest;
    struct arena_block *spare; // of ARENA_BLOCK_BYTES each
    size_t spare_count;
};

enum { SPARE_MAX = ARENA_KEPT_BYTES / ARENA_BLOCK_BYTES - 1 };

static struct arena_block *arena_block_create(struct arena_block *older, size_t size)
{
    struct arena_block *block = malloc(sizeof *block + size);
    if (!block)
        abort(); // arena.h: nothing sensible can be done without memory
    *block = (struct arena_block){.older = older, .size = size};
    return block;
}

struct arena *arena_create(void)
{
    struct arena *arena = calloc(1, sizeof *arena);
    if (!arena)
        abort();
    arena->newest = arena_block_create(NULL, ARENA_BLOCK_BYTES);
    return arena;
}

static void arena_blocks_free(struct arena_block *block)
{
    for (struct arena_block *older; block; block = older) {
        older = block->older;
        free(block);
    }
}

void arena_destroy(struct arena **arena)
{
    if (!arena || !*arena)
        return;
    arena_blocks_free((*arena)->newest);
    arena_blocks_free((*arena)->spare);
    free(*arena);
    *arena = NULL;
}

// The next block for so many bytes.
static struct arena_block *arena_block_next(struct arena *arena, size_t size)
{
    struct arena_block *block = arena->spare;
    if (size > ARENA_BLOCK_BYTES || !block)
        return arena_block_create(arena->newest,
                                  size > ARENA_BLOCK_BYTES ? size : ARENA_BLOCK_BYTES);
    arena->spare = block->older;
    arena->spare_count--;
    *block = (struct arena_block){.older = arena->newest, .size = ARENA_BLOCK_BYTES};
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    assert(size <= ARENA_ALLOC_BYTES_MAX);
    size_t const align = alignof(max_align_t);
    size_t rounded = (size + align) / align * align; // never 0: each address is unique
    struct arena_block *block = arena->newest;
    if (block->size - block->used < rounded)
        block = arena->newest = arena_block_next(arena, rounded);
    void *out = block->data + block->used;
    block->used += rounded;
    return memset(out, 0, rounded);
}

void *arena_memdup(struct arena *arena, const void *data, size_t size)
{
    void *out = arena_alloc(arena, size);
    if (size > 0)
        memcpy(out, data, size);
    return out;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_memdup(arena, text, strlen(text) + 1);
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(len >= 0);
    char *out = arena_alloc(arena, (size_t)len + 1);
    vsnprintf(out, (size_t)len + 1, format, again);
    va_end(again);
    return out;
}

void arena_reset(struct arena *arena)
{
    while (arena->newest->older) {
        struct arena_block *gone = arena->newest;
        arena->newest = gone->older;
        if (gone->size == ARENA_BLOCK_BYTES && arena->spare_count < SPARE_MAX) {
            gone->older = arena->spare;
            arena->spare = gone;
            arena->spare_count++;
        } else {
            free(gone);
        }
    }
    arena->newest->used = 0;
}
