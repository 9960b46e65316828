// compare.h - does the outbox hold what the stream holds?
//
// Threads: one at a time.
#pragma once
#include "outbox-relay/outbox.h"
#include "outbox-relay/relay_state.h"
#include "outbox-relay/stream.h"

// Looks for messages step->first_n to last_n in the outbox, as RELAY_DO_COMPARE says. The arena
// holds what it reads; `alive` is called now and then. Errors: transient ones.
MUST_CHECK enum nova_status relay_compare(struct relay_compared *out, struct stream *stream,
                                          struct outbox *outbox, const struct relay_step *step,
                                          void (*alive)(void *context), void *context,
                                          struct arena *arena, struct error *err);
