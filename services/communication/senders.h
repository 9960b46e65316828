// senders.h - who identity's users are, as communication knows them: the sender cache first, and
// identity's contract for those that the cache does not hold yet.
//
// Ownership: borrows everything; names live in the call's arena.
// Threads:   one at a time per worker.
// Errors:    DEADLINE_EXCEEDED (transient) when the cache does not get as far as the position asked
//            for in time; UNAVAILABLE (transient) when neither cache nor identity can be asked.
#pragma once
#include "nova/communication/v2/communication.pb-c.h"
#include "services/service.h"

// Whether all of them are users that are not deleted. Waits for Nova-Min-Position first.
MUST_CHECK enum nova_status senders_known(bool *out, struct service_worker *worker,
                                          struct service_call *call, const struct uuid *ids,
                                          size_t count, struct error *err);

// Names the messages whose sender_name is empty; those of deleted users stay empty.
MUST_CHECK enum nova_status senders_name(Nova__Communication__V2__Message **messages, size_t count,
                                         struct service_worker *worker, struct service_call *call,
                                         struct error *err);
