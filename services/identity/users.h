// users.h - GetUser and GetUsers: users as a fold of identity's own log.
#pragma once
#include "services/service.h"

enum nova_status identity_get_user(struct service_worker *worker, struct service_call *call,
                                   struct error *err);
enum nova_status identity_get_users(struct service_worker *worker, struct service_call *call,
                                    struct error *err);
