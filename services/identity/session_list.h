// session_list.h - ListSessions: the sessions of a user that go on, with what the device called
// itself and where it came from, opened from the event that began each.
//
// A method as services/service.h declares it: the request is the call's, the reply goes into the
// call's arena.
//
// Threads: one at a time per worker.
// Errors:  those of runtime_read_first and sessions_list; INVALID_ARGUMENT without a user_id,
//          PERMISSION_DENIED for another user's.
#pragma once
#include "services/service.h"

enum nova_status identity_list_sessions(struct service_worker *worker, struct service_call *call,
                                        struct error *err);
