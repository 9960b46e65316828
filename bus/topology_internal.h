// topology_internal.h - the users of the bus, for the file that writes their permissions.
#pragma once
#include "bus/topology.h"

enum topology_account {
    TOPOLOGY_BUS,
    TOPOLOGY_SERVICES,
    TOPOLOGY_OPERATORS,
    TOPOLOGY_AUDITORS,
    TOPOLOGY_SUBSCRIBERS,
};
enum topology_kind {
    TOPOLOGY_RELAY,
    TOPOLOGY_OPERATOR,
    TOPOLOGY_PROVISIONER,
    TOPOLOGY_SIGNER,
    TOPOLOGY_AUDITOR,
    TOPOLOGY_SERVICE,
    TOPOLOGY_CONSUMER,
    TOPOLOGY_CALLER,
    TOPOLOGY_SUBSCRIBER,
};
struct topology_user {
    const char *name;
    enum topology_account account;
    enum topology_kind kind;
};
const struct topology_user *topology_user_at(size_t i);
