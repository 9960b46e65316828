// credentials_nats.h - the bus's part of the credentials: an nkey for every user of the topology.
#pragma once
#include "base/error.h"
#include "base/settings.h"

// Makes the seeds that are missing, the list of principals, and <home>/nats/accounts.conf, which
// nats.conf includes. *made counts new seeds.
MUST_CHECK enum nova_status credentials_nats_make(int *made, const struct settings *settings,
                                                  struct error *err);
