// fuzz_cloudevents.c - any bytes as a stream's message: refused, or an event that encodes and
// decodes to itself.
#include <assert.h>
#include <string.h>

#include "bus/cloudevents.h"
#include "bus/leaf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    struct event event, again;
    struct cloudevents_extra extra, extra_again;
    struct arena *arena = arena_create();
    if (cloudevents_decode(&event, &extra, arena, "identity", (struct bytes){data, size}, &err) ==
        NOVA_OK) {
        struct bytes encoded = cloudevents_encode(arena, "identity", &event, &extra);
        assert(cloudevents_decode(&again, &extra_again, arena, "identity", encoded, &err) ==
               NOVA_OK);
        size_t len = leaf_bytes_v1(NULL, 0, &event);
        uint8_t *one = arena_alloc(arena, len), *two = arena_alloc(arena, len);
        assert(leaf_bytes_v1(NULL, 0, &again) == len);
        leaf_bytes_v1(one, len, &event);
        leaf_bytes_v1(two, len, &again);
        assert(memcmp(one, two, len) == 0);
    } else {
        assert(err.status == NOVA_DATA_LOSS && err.text[0] != '\0');
    }
    arena_destroy(&arena);
    return 0;
}
