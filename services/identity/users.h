// users.h - GetUser and GetUsers: users as a fold of identity's own log.
//
// Methods as services/service.h declares them: the request is the call's, the reply goes into the
// call's arena. A user who was deleted, or whose key was erased, is none any more; the e-mail
// address is for the user and for privileged callers.
//
// Threads: one at a time per worker.
// Errors:  those of runtime_read_many; a user of nobody's id is NOT_FOUND in GetUser, left out in
//          GetUsers; INVALID_ARGUMENT an id that is none.
#pragma once
#include "services/service.h"

// The user's e-mail address, in the arena, for who sends to it; NULL: there is no such user (any
// more).
MUST_CHECK enum nova_status users_email(const char **out, struct runtime *runtime,
                                        const struct uuid *user_id, struct arena *arena,
                                        struct error *err);

enum nova_status identity_get_user(struct service_worker *worker, struct service_call *call,
                                   struct error *err);
enum nova_status identity_get_users(struct service_worker *worker, struct service_call *call,
                                    struct error *err);
