// upcast.c - see upcast.h.
#include "inbox/upcast.h"

#include <assert.h>
#include <string.h>

// No event type was ever replaced yet; the first entry goes here.
const struct upcaster upcasters[] = {
    {NULL, NULL, NULL, NULL},
};

static const struct upcaster *upcaster_find(const struct upcaster *table,
                                            const struct contract_event *type)
{
    for (const struct upcaster *upcaster = table; upcaster->service; upcaster++)
        if (strcmp(upcaster->from, type->type) == 0 &&
            strcmp(upcaster->service, type->service) == 0)
            return upcaster;
    return NULL;
}

static const struct contract_event *upcaster_target(const struct upcaster *upcaster)
{
    const struct contract_event *type = contract_event_find(upcaster->service, upcaster->to);
    assert(type); // an entry of the table that names no event of the contract
    return type;
}

const struct contract_event *upcast_type(const struct upcaster *table,
                                         const struct contract_event *type)
{
    const struct upcaster *upcaster = upcaster_find(table, type);
    for (int steps = 0; upcaster; steps++) {
        assert(steps < UPCAST_STEPS_MAX);
        type = upcaster_target(upcaster);
        upcaster = upcaster_find(table, type);
    }
    return type;
}

enum nova_status upcast(struct upcast_event *event, const struct upcaster *table,
                        struct arena *arena, struct error *err)
{
    const struct upcaster *upcaster = upcaster_find(table, event->type);
    for (int steps = 0; upcaster; steps++) {
        assert(steps < UPCAST_STEPS_MAX);
        const struct contract_event *to = upcaster_target(upcaster);
        if (upcaster->turn(event, arena, err) != NOVA_OK)
            return error_while(err, "turning a %s into a %s", event->type->type, to->type);
        event->type = to;
        assert(event->payload->descriptor == to->payload);
        assert(!event->personal || event->personal->descriptor == to->personal);
        upcaster = upcaster_find(table, to);
    }
    return NOVA_OK;
}
