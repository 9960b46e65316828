// fuzz_cloudevents.c - any bytes as a stream's message: refused, or an event that encodes and
// decodes to itself, or that is named as one that no message can carry. So what PostgreSQL may hold
// reaches the encoder as well: its texts, digest and numbers come from the bytes.
#include <assert.h>
#include <string.h>

#include "bus/cloudevents.h"
#include "bus/leaf.h"
#include "bus/topology.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    struct event event, again;
    struct cloudevents_extra extra, extra_again;
    struct arena *arena = arena_create();
    if (cloudevents_decode(&event, &extra, arena, "identity", (struct bytes){data, size}, &err) ==
        NOVA_OK) {
        struct bytes encoded;
        if (cloudevents_encode(&encoded, arena, "identity", &event, &extra, &err) != NOVA_OK) {
            assert(err.status == NOVA_DATA_LOSS && strstr(err.text, "cannot be published: its "));
            arena_destroy(&arena);
            return 0;
        }
        char subject[TOPOLOGY_SUBJECT_BYTES];
        assert(topology_event_subject(subject, "identity", event.type, &event.aggregate_id, &err) ==
               NOVA_OK);
        assert(strpbrk(subject, " \t\r\n*>") == NULL);
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
