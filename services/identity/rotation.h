// rotation.h - ./nova keys: RotateSigningKey, a command whose new key is made before the
// transaction and stored in it, and ListSigningKeys.
//
// Ownership: a new key lives in the call's arena; its seed is wrapped at once and forgotten.
// Threads:   one at a time per worker.
// Errors:    PostgreSQL's; PERMISSION_DENIED for who is not the operator.
#pragma once
#include "aggregates/identity/identity.h"
#include "services/identity/signing.h"
#include "services/service.h"

// facts->new_key.
MUST_CHECK enum nova_status rotation_look_up(struct identity_facts *facts,
                                             const struct service *service,
                                             const struct signing_new *key, struct pg *pg,
                                             struct arena *arena, struct error *err);
// The row of the key that the event names. Keys that are gone are deleted.
MUST_CHECK enum nova_status rotation_write(const struct service *service,
                                           const struct decision *decision,
                                           const struct signing_new *key, struct pg *pg,
                                           struct error *err);

// A method as services/service.h declares it.
enum nova_status rotation_list(struct service_worker *worker, struct service_call *call,
                               struct error *err);
