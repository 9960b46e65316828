// decode.h - from a message of a stream to an event as handlers see it, in two steps.
//
// The first looks at the envelope only and tells whether the consumer wants the event. The second
// unpacks what is wanted: payload, keys for the whole batch in one question, personal parts, old
// types turned into new ones.
//
// Ownership: everything decoded lives in the arena; messages are borrowed as long as the batch.
// Errors:    decode_envelope: DATA_LOSS, the message is no event of Nova's. decode_batch: only what
//            the keys' service answers; what is wrong with one event is noted in it (`bad`), so
//            that only that event fails.
#pragma once
#include "inbox/consumer.h"
#include "inbox/keys.h"
#include "inbox/upcast.h"

struct decoded {
    struct inbox_event inbox;
    struct bytes message; // as it was received
    bool wanted;
    bool unknown;      // no contract of ours knows the type: a newer producer
    bool is_open;      // decode_batch was here
    struct error *bad; // why the event cannot be read; NULL: it can
};

// Fills *out from the envelope that the reader decoded.
void decode_envelope(struct decoded *out, const struct event *event, struct bytes message,
                     const struct inbox_source *source, const struct upcaster *table);

MUST_CHECK enum nova_status decode_batch(struct decoded *batch, size_t count, struct keys *keys,
                                         const struct upcaster *table, struct arena *arena,
                                         struct error *err);
