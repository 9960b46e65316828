// fuzz_settings.c - any text as nova.yaml: read, or refused with where and why.
#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/settings.h"

static char path[] = "/dev/shm/nova-fuzz-XXXXXX"; // in memory, and a path as any other

static void forget(void)
{
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int file = -1;
    struct error err = {0};
    struct settings *settings = NULL;
    if (file < 0) {
        file = mkstemp(path);
        atexit(forget);
    }
    assert(file >= 0 && ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == (ssize_t)size);
    if (settings_load(&settings, &(struct settings_options){.config = path}, &err) != NOVA_OK)
        assert(settings == NULL && err.text[0] != '\0');
    settings_destroy(&settings);
    return 0;
}
